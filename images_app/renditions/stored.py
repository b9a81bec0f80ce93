"""Opening stored bytes, with the storage's own failures told apart."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from django.core.files.storage import storages

from images_app.exceptions import BytesDamaged, BytesGone, ImagesAppError, StorageUnavailable
from images_app.storages import open_range, stored_length

logger = logging.getLogger("images_app.renditions")


def open_stored(alias: str, name: str) -> IO[bytes]:
    """Open stored bytes for reading as a whole, and seeking.

    Raises:
        BytesGone: when the storage says that there are none.
        StorageUnavailable: when it cannot say.

    """
    with failures_told_apart(alias):
        file: IO[bytes] = storages[alias].open(name, "rb")
        return file


def open_stored_range(
    alias: str, name: str, start: int, stop: int, length: int | None = None
) -> IO[bytes]:
    """Open stored bytes at ``start``, for those up to ``stop``.

    Args:
        alias: of the storage.
        name: in the storage.
        start: the first byte that is wanted.
        stop: the first one that is not.
        length: of the whole, as its record says; compared where that costs nothing.

    Raises:
        BytesDamaged: when the whole has another length.
        BytesGone, StorageUnavailable: see ``open_stored``.

    """
    try:
        with failures_told_apart(alias):
            file = open_range(storages[alias], name, start, stop)
            found = stored_length(file) if length is not None else None
    except StorageUnavailable:
        # Stores refuse a range of a file that ends before it; asked once more only here.
        _refuse_another_length(alias, _size(alias, name), length)
        raise
    try:
        _refuse_another_length(alias, found, length)
    except BytesDamaged:
        file.close()
        raise
    return file


def _refuse_another_length(alias: str, found: int | None, length: int | None) -> None:
    if length is not None and found not in {None, length}:
        logger.error("code=bytes_damaged storage=%s length=%s found=%s", alias, length, found)
        detail = f"{found} of {length} bytes"
        raise BytesDamaged(detail)


def _size(alias: str, name: str) -> int | None:
    try:
        return storages[alias].size(name)
    except Exception:  # noqa: BLE001 (then it is as bad as it was said to be)
        return None


@contextmanager
def failures_told_apart(alias: str, *, may_be_absent: bool = False) -> Iterator[None]:
    """Tell bytes that are gone from a storage that cannot be asked, and log what is amiss."""
    try:
        yield
    except ImagesAppError:
        raise
    except FileNotFoundError as error:
        if not may_be_absent:
            logger.error("code=bytes_gone storage=%s", alias)  # noqa: TRY400 (the cause is named)
        raise BytesGone from error
    except Exception as error:
        # Object stores raise their own types for whatever their network does.
        if not may_be_absent:
            logger.exception("code=storage_unavailable storage=%s", alias)
        raise StorageUnavailable(type(error).__name__) from error
