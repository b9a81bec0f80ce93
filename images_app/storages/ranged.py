"""Reading a part of a stored file, fetching no more than that where the storage can."""

from __future__ import annotations

from typing import IO, Any

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
