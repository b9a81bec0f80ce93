"""Saving under exactly the name that was asked for, on any storage."""

from __future__ import annotations

from django.core.files import File
from django.core.files.storage import Storage


def save_exactly(storage: Storage, name: str, content: File[bytes]) -> None:
    """Save ``content`` as ``name``, replacing what stands there.

    Storages that overwrite do it in one step. Others pick a free name instead; then what
    stands there is a left-over of the same deterministic work, and makes room.
    """
    saved = storage.save(name, content)
    if saved == name:
        return
    storage.delete(saved)
    storage.delete(name)
    content.seek(0)
    saved = storage.save(name, content)
    if saved != name:
        storage.delete(saved)
        message = f"{type(storage).__name__} does not keep the names that it is given."
        raise OSError(message)
