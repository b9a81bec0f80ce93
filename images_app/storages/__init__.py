"""Storages that keep files private, and the writes that need an exact name."""

from __future__ import annotations

from images_app.storages.filesystem import PrivateFileSystemStorage, private_storages
from images_app.storages.writing import save_exactly

__all__ = ["PrivateFileSystemStorage", "private_storages", "save_exactly"]
