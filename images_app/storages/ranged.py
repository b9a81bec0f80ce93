"""Reading a part of a stored file, fetching no more than that where the storage can."""

from __future__ import annotations

import io
import os
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.core.files import File
from django.core.files.storage import Storage


def open_range(storage: Storage, name: str, start: int, stop: int) -> IO[bytes]:
    """Open a stored file for its bytes from ``start`` up to, not including, ``stop``.

    A storage that has ``open_range(name, start, stop)`` is asked for just these; any other is
    opened and positioned, and some of those fetch the whole file for it.

    Returns:
        A readable that stands at ``start``; it may have more than was asked for.

    """
    ranged: Any = getattr(storage, "open_range", None)
    if ranged is not None:
        part: IO[bytes] = ranged(name, start, stop)
        return part
    file: Any = storage.open(name, "rb")
    if start:
        file.seek(start)
    opened: IO[bytes] = file
    return opened


def stored_length(opened: Any) -> int | None:
    """Return the bytes of the whole stored file, where opening it has told them already.

    Args:
        opened: by ``open_range``, or by a storage. One with ``whole_length`` says it itself.

    Returns:
        None where finding out would cost a request, or where reading may give other bytes than
        those that are stored, as with a host's own storage that decrypts.

    """
    # Exactly Django's own: a subclass may read something else than the file that it holds.
    file = opened.file if type(opened) is File else opened
    if isinstance(file, SpooledTemporaryFile):
        position = file.tell()
        length = file.seek(0, os.SEEK_END)
        file.seek(position)
        return length
    raw = file.raw if type(file) is io.BufferedReader else file
    if type(raw) is io.FileIO:
        return os.fstat(raw.fileno()).st_size
    told: int | None = getattr(raw, "whole_length", None)
    return told
