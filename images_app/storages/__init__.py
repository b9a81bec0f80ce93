"""Storages that keep files private, and the writes that need an exact name."""

from __future__ import annotations

from images_app.storages.filesystem import PrivateFileSystemStorage
from images_app.storages.writing import save_exactly

__all__ = ["PrivateFileSystemStorage", "save_exactly"]
