"""What every view stands behind: a database that fails is a 503, never a page of the server's."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import connections, transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from images_app.database import database_failures_told
from images_app.exceptions import ImagesAppError, StorageUnavailable
from images_app.uploads.gate import refuse_in_text

View = Callable[..., HttpResponseBase]


def guarded(view: View, refuse: Callable[[ImagesAppError], HttpResponseBase] | None = None) -> View:
    """Return 503 with Retry-After where the database fails, in sessions and ATOMIC_REQUESTS too.

    Args:
        view: as it stands in the URLconf.
        refuse: makes the answer; by default, a sentence.

    """
    of_its_own = frozenset(getattr(view, "_non_atomic_requests", ()))

    @wraps(view)
    def answer(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        try:
            with database_failures_told():
                return _as_django_would(view, of_its_own)(request, **kwargs)
        except StorageUnavailable as error:
            response: Any = (refuse or refuse_in_text)(error)
            # It is logged with its cause; Django would log the path, which may hold a token.
            response._has_been_logged = True  # noqa: SLF001
            return response  # type: ignore[no-any-return]

    answer._non_atomic_requests = set()  # type: ignore[attr-defined]  # noqa: SLF001 (not the view's)
    return without_transaction(answer)


def without_transaction(view: View) -> View:
    """Keep a view out of ATOMIC_REQUESTS, in whichever databases it is set.

    For uploads it would lock rows while one decodes; see also ``_as_django_would``.
    """
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def _as_django_would(view: View, without: frozenset[str]) -> View:
    """Begin the transactions of ATOMIC_REQUESTS here: beginning and committing may fail, too."""
    for alias, values in connections.settings.items():
        if values["ATOMIC_REQUESTS"] and alias not in without:
            view = transaction.atomic(using=alias)(view)
    return view
