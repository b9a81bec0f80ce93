"""Files of storages that have local paths."""

from __future__ import annotations

from pathlib import Path
from stat import S_ISREG
from typing import Any


def has_local_paths(storage: Any) -> bool:
    """Tell whether a storage keeps its files in a folder of this machine."""
    try:
        storage.path("probe")
    except NotImplementedError:
        return False
    return True


def local_file(storage: Any, name: str, length: int) -> Path | None:
    """Return the path of a stored file; None where it has none, or is not there in its length."""
    try:
        path = Path(storage.path(name))
    except NotImplementedError:
        return None
    try:
        found = path.stat()
        return path if S_ISREG(found.st_mode) and found.st_size == length else None
    except (OSError, ValueError):  # not there, or away; who streams finds out why
        return None
