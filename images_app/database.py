"""The database as one more thing that may be full, locked for long, or away."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, router, transaction

from images_app.exceptions import StorageUnavailable

logger = logging.getLogger("images_app.database")


def database_of(model: Any) -> str:
    """Return the alias of the database that the rows of a model are written to.

    What decides something is read there, too: a copy of it may lag behind.
    """
    return router.db_for_write(model)


def atomic(model: Any) -> Any:
    """Return a transaction in the database of a model; Django's own would be in ``default``."""
    return transaction.atomic(using=database_of(model))


def on_commit(model: Any, call: Callable[[], object], *, robust: bool = False) -> None:
    """Call a function once what was written of a model is committed, at once outside of that.

    Args:
        model: whose database is meant.
        call: takes nothing.
        robust: whether its failure is only logged.

    """
    transaction.on_commit(call, using=database_of(model), robust=robust)


@contextmanager
def database_failures_told() -> Iterator[None]:
    """Raise StorageUnavailable where the database could not do its work, and log the cause."""
    try:
        yield
    except OperationalError as error:
        logger.exception("code=database_unavailable")
        raise StorageUnavailable(type(error).__name__) from error
