"""Temporary files: in the folder that Django's settings name, else a failure of ours."""

from __future__ import annotations

from tempfile import TemporaryFile
from typing import IO

from django.conf import settings

from images_app.exceptions import StorageUnavailable


def temporary_file(*, buffering: int = -1) -> IO[bytes]:
    """Open a temporary file that has no name.

    Raises:
        StorageUnavailable: when no folder takes one, as on a read-only root file system without
            ``FILE_UPLOAD_TEMP_DIR``.

    """
    try:
        return TemporaryFile(buffering=buffering, dir=settings.FILE_UPLOAD_TEMP_DIR)
    except OSError as error:
        raise StorageUnavailable(type(error).__name__) from error
