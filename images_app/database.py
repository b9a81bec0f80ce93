"""The database as one more thing that may be full, locked for long, or away."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import (
    DataError,
    Error,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    router,
    transaction,
)
from django.utils import timezone

from images_app.exceptions import StorageUnavailable

# What we asked of the database was wrong, or what it holds forbids it: it works.
_NOT_ITS_FAULT = (IntegrityError, DataError, ProgrammingError, NotSupportedError)
_NOT_ALLOWED = "42501"  # SQLSTATE: a role that may only read

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


def stored_time(moment: datetime) -> datetime:
    """Return a moment as records have it: aware, or naive and by our clock without USE_TZ."""
    if timezone.is_aware(moment) == settings.USE_TZ:
        return moment
    zone = timezone.get_default_timezone()
    convert = timezone.make_aware if settings.USE_TZ else timezone.make_naive
    return convert(moment, zone)


@contextmanager
def database_failures_told() -> Iterator[None]:
    """Raise StorageUnavailable where the database could not do its work, and log the cause.

    It is away, locked, full, or takes nothing at the moment: each driver has another class for
    that. What is wrong with our own statement is raised on, as the fault it is.
    """
    try:
        yield
    except Error as error:
        if not is_unavailable(error):
            raise
        logger.exception("code=database_unavailable")
        raise StorageUnavailable(type(error).__name__) from error


def is_unavailable(error: BaseException) -> bool:
    """Return whether an exception says that the database does not do its work now."""
    if isinstance(error, ProgrammingError):
        cause = error.__cause__
        return _NOT_ALLOWED in {getattr(cause, "sqlstate", None), getattr(cause, "pgcode", None)}
    return isinstance(error, Error) and not isinstance(error, _NOT_ITS_FAULT)
