"""Files of storages that have local paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def has_local_paths(storage: Any) -> bool:
    """Tell whether a storage keeps its files in a folder of this machine."""
    try:
        storage.path("probe")
    except NotImplementedError:
        return False
    return True


def local_file(storage: Any, name: str) -> Path | None:
    """Answer with the path of a stored file; None where it has none, or is not there."""
    try:
        path = Path(storage.path(name))
    except NotImplementedError:
        return None
    try:
        return path if path.is_file() else None
    except OSError:  # a network file system that is away; who streams finds out why
        return None
