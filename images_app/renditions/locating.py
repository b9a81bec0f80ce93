"""Locating: where the bytes of an original or a rendition are, made where nobody asked before."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import IO

from django.core.files.storage import storages

from images_app.conf import RENDITIONS, get_engine, get_settings
from images_app.delivery.local import has_local_paths
from images_app.exceptions import BytesGone, StorageUnavailable
from images_app.kept import keep, read_kept
from images_app.models import AbstractImage
from images_app.models.rendition import rendition_name
from images_app.renditions.making import known_rendition, make_again, make_once, place_now
from images_app.renditions.stored import failures_told_apart, open_stored_range
from images_app.representation import Location
from images_app.specs import RenditionSpec

logger = logging.getLogger("images_app.renditions")

OpenRange = Callable[[int, int], IO[bytes]]


def locate_rendition(image: AbstractImage, spec: RenditionSpec) -> Location:
    """Find the bytes of a rendition, making them first where nobody has asked before.

    Raises:
        BytesGone, StorageUnavailable: when the original cannot be read.
        RenderFailed: when it cannot be decoded any more.
        Busy: when others are at it, or at too much else, for longer than one should wait.

    """
    rendition = known_rendition(image, spec) or make_once(image, spec)
    alias = rendition.storage_alias

    def open_or_make_again(start: int, stop: int) -> IO[bytes]:
        try:
            return open_stored_range(alias, name, start, stop, rendition.byte_size)
        except BytesGone as error:
            # Renditions can always be made again; a row without its bytes heals itself.
            logger.warning("code=%s image=%s rendition=%s", error.code, image.pk, name)
            make_again(image, spec, rendition)
            return open_stored_range(alias, name, start, stop)

    name = rendition_name(
        image.public_id, rendition.version, rendition.fingerprint, rendition.format
    )
    return _rendition_location(alias, name, rendition.byte_size, open_or_make_again)


def locate_unrecorded(public_id: object, version: int, spec: RenditionSpec) -> Location | None:
    """Find the bytes of a rendition by its name alone, without a query.

    Returns:
        None where there are none under that name, or the storage does not say.

    """
    fingerprint = spec.fingerprint(get_engine().output_version)
    name = rendition_name(public_id, version, fingerprint, spec.format)

    def open_range(start: int, stop: int) -> IO[bytes]:
        return open_stored_range(RENDITIONS, name, start, stop)

    # A file of this machine is asked for each time, which costs little: the cache of another
    # process may not know yet that it was deleted.
    kept = None if has_local_paths(_storage(RENDITIONS)) else read_kept(name)
    if kept is not None:
        return replace(
            _rendition_location(RENDITIONS, name, len(kept), open_range), in_memory=lambda: kept
        )
    try:
        with failures_told_apart(RENDITIONS, may_be_absent=True):
            length = storages[RENDITIONS].size(name)
    except (BytesGone, StorageUnavailable):
        # Some object stores refuse to say whether something is there; the record knows.
        return None
    return _rendition_location(RENDITIONS, name, length, open_range)


def locate_original(image: AbstractImage) -> Location:
    """Answer with where the original's bytes are."""
    alias, name = image.storage_alias, image.storage_name

    def open_where_it_is(start: int, stop: int) -> IO[bytes]:
        try:
            return open_stored_range(alias, name, start, stop, image.byte_size)
        except BytesGone:
            place = place_now(image)
            if place in {None, (alias, name)}:
                raise
            return open_stored_range(*place, start, stop, image.byte_size)

    return Location(
        storage=_storage(alias),
        storage_alias=alias,
        name=name,
        length=image.byte_size,
        open_range=open_where_it_is,
        key=str(image.public_id),
    )


def _rendition_location(alias: str, name: str, length: int, open_range: OpenRange) -> Location:
    settings = get_settings()
    is_kept = settings.rendition_cache and length <= settings.rendition_cache_max_bytes
    return Location(
        storage=_storage(alias),
        storage_alias=alias,
        name=name,
        length=length,
        open_range=open_range,
        in_memory=(lambda: _kept(name, length, open_range)) if is_kept else None,
        key=name,
    )


def _kept(name: str, length: int, open_range: OpenRange) -> bytes:
    """Answer with a small rendition's bytes from the cache, where they are put first."""
    content = read_kept(name)
    if content is None or len(content) != length:
        with failures_told_apart(RENDITIONS), closing(open_range(0, length)) as file:
            content = file.read(length)
        if len(content) != length:
            raise StorageUnavailable("stored with another length")
        keep(name, content)
    return content


def _storage(alias: str) -> object:
    with failures_told_apart(alias):
        return storages[alias]
