"""The database as one more thing that may be full, locked for long, or away."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError

from images_app.exceptions import StorageUnavailable

logger = logging.getLogger("images_app.database")


@contextmanager
def database_failures_told() -> Iterator[None]:
    """Raise StorageUnavailable where the database could not do its work, and log the cause."""
    try:
        yield
    except OperationalError as error:
        logger.exception("code=database_unavailable")
        raise StorageUnavailable(type(error).__name__) from error
