"""Opening stored bytes, with the storage's own failures told apart."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from django.core.files.storage import storages

from images_app.exceptions import BytesGone, ImagesAppError, StorageUnavailable
from images_app.storages import open_range

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


def open_stored_range(alias: str, name: str, start: int, stop: int) -> IO[bytes]:
    """Open stored bytes at ``start``, for those up to ``stop``; raises as ``open_stored``."""
    with failures_told_apart(alias):
        return open_range(storages[alias], name, start, stop)


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
