"""An S3 storage whose client is made once for all tests: making one takes longer than a test."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from images_app.storages.s3 import PrivateS3Storage


class OneClientS3Storage(PrivateS3Storage):
    """Each test has its own folder in the same bucket."""

    _shared = SimpleNamespace()

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._connections = self._shared
