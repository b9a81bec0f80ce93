"""Renditions: their URLs, and finding or making their bytes."""

from __future__ import annotations

from images_app.renditions.addresses import (
    Source,
    UnknownNameError,
    find_preset,
    is_made_for,
    known_level,
    known_watermark,
    rendition_url,
    resolve,
    signed_sources,
    sources,
    specs_for,
)
from images_app.renditions.locating import (
    locate_original,
    locate_rendition,
    locate_unrecorded,
)
from images_app.renditions.making import make_renditions
from images_app.renditions.stored import open_stored

__all__ = [
    "Source",
    "UnknownNameError",
    "find_preset",
    "is_made_for",
    "known_level",
    "known_watermark",
    "locate_original",
    "locate_rendition",
    "locate_unrecorded",
    "make_renditions",
    "open_stored",
    "rendition_url",
    "resolve",
    "signed_sources",
    "sources",
    "specs_for",
]
