"""Uploads: the gates of all bodies, one file by one request, and files that arrive in parts."""

from __future__ import annotations

from images_app.uploads.expiring import expire, orphaned_parts
from images_app.uploads.gate import gated, linger, longest_body
from images_app.uploads.receiving import Taken, Target, take_in
from images_app.uploads.small import form_gated

__all__ = [
    "Taken",
    "Target",
    "expire",
    "form_gated",
    "gated",
    "linger",
    "longest_body",
    "orphaned_parts",
    "take_in",
]
