"""Storages that keep files private, ranged reads, and the writes that need an exact name."""

from __future__ import annotations

from images_app.storages.filesystem import (
    PrivateFileSystemStorage,
    private_storages,
    private_storages_in,
)
from images_app.storages.ranged import open_range, stored_length
from images_app.storages.removing import delete_stored
from images_app.storages.renaming import rename
from images_app.storages.writing import save_exactly

__all__ = [
    "PrivateFileSystemStorage",
    "delete_stored",
    "open_range",
    "private_storages",
    "private_storages_in",
    "rename",
    "save_exactly",
    "stored_length",
]
