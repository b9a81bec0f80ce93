"""The demo project with stored renditions that end in the middle, which nobody can know before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from images_app.storages import PrivateFileSystemStorage
from project.settings import *  # noqa: F403
from project.settings import STORAGES


class ShortStorage(PrivateFileSystemStorage):
    """Reads half of each file, and does not say how long the whole is."""

    def open_range(self, name: str, start: int, stop: int) -> Any:
        """Open the half of a file."""
        with self.open(name) as file:
            file.seek(start)
            content = file.read((stop - start) // 2)
        parts = [content]
        return SimpleNamespace(
            read=lambda size=-1: parts.pop() if parts else b"", close=lambda: None
        )


STORAGES = {
    **STORAGES,
    "image_renditions": {
        **STORAGES["image_renditions"],
        "BACKEND": "tests.wire.short_settings.ShortStorage",
    },
}
