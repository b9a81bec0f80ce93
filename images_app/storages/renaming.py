"""Giving a stored file another name, by a copy only where the storage knows no better."""

from __future__ import annotations

from typing import Any

from django.core.files import File
from django.core.files.storage import Storage

from images_app.storages.writing import save_exactly


def rename(storage: Storage, name: str, new: str) -> None:
    """Give a file another name, replacing what stands there.

    A storage that has ``rename(name, new)`` does it itself. Any other gets a copy, and loses the
    file once the copy has its length; whoever is killed between leaves both.

    Raises:
        FileNotFoundError: without such a file.
        OSError: when the copy has another length; the file is still there.

    """
    own: Any = getattr(storage, "rename", None)
    if own is not None:
        own(name, new)
        return
    with storage.open(name, "rb") as file:
        length = storage.size(name)
        content: File[bytes] = File(file, new)
        content.size = length
        save_exactly(storage, new, content)
    if storage.size(new) != length:
        message = f"{type(storage).__name__} has not kept all of a file."
        raise OSError(message)
    storage.delete(name)
