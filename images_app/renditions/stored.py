"""Opening stored bytes, with the storage's own failures told apart."""

from __future__ import annotations

import logging
from typing import IO, Any

from django.core.files.storage import storages

from images_app.exceptions import BytesGone, StorageUnavailable

logger = logging.getLogger("images_app.renditions")


def open_stored(alias: str, name: str) -> IO[bytes]:
    """Open stored bytes for reading.

    Raises:
        BytesGone: when the storage says that there are none.
        StorageUnavailable: when it cannot say.

    """
    try:
        opened: Any = storages[alias].open(name, "rb")
    except FileNotFoundError as error:
        logger.error("code=bytes_gone storage=%s", alias)  # noqa: TRY400 (the cause is named)
        raise BytesGone from error
    except Exception as error:
        # Object stores raise their own types for whatever their network does.
        logger.exception("code=storage_unavailable storage=%s", alias)
        raise StorageUnavailable(type(error).__name__) from error
    file: IO[bytes] = opened
    return file
