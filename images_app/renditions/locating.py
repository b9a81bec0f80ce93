"""Locating: where the bytes of an original or a rendition are, made where nobody asked before."""

from __future__ import annotations

import logging
from typing import IO

from images_app.exceptions import BytesGone
from images_app.models import AbstractImage
from images_app.models.rendition import rendition_name
from images_app.renditions.making import known_rendition, make_again, make_once
from images_app.renditions.stored import open_stored
from images_app.representation import Location
from images_app.specs import RenditionSpec

logger = logging.getLogger("images_app.renditions")


def locate_rendition(image: AbstractImage, spec: RenditionSpec) -> Location:
    """Find the bytes of a rendition, making them first where nobody has asked before.

    Raises:
        BytesGone, StorageUnavailable: when the original cannot be read.
        RenderFailed: when it cannot be decoded any more.
        Busy: when others are at it, or at too much else, for longer than one should wait.

    """
    rendition = known_rendition(image, spec) or make_once(image, spec)

    def open_or_make_again() -> IO[bytes]:
        try:
            return open_stored(rendition.storage_alias, name)
        except BytesGone:
            # Renditions can always be made again; a row without bytes heals itself.
            logger.warning("code=bytes_gone image=%s rendition=%s", image.pk, name)
            make_again(image, spec, rendition)
            return open_stored(rendition.storage_alias, name)

    name = rendition_name(
        image.public_id, rendition.version, rendition.fingerprint, rendition.format
    )
    return Location(
        storage_alias=rendition.storage_alias,
        name=name,
        length=rendition.byte_size,
        open=open_or_make_again,
    )


def locate_original(image: AbstractImage) -> Location:
    """Answer with where the original's bytes are."""
    return Location(
        storage_alias=image.storage_alias,
        name=image.storage_name,
        length=image.byte_size,
        open=lambda: open_stored(image.storage_alias, image.storage_name),
    )
