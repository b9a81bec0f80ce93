"""Who is logged in by Django's session: its own check, with the query compiled once."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser
from django.db import router
from django.db.models import Manager, QuerySet
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from django.utils.functional import SimpleLazyObject, empty

from images_app.models.prepared import adapt, prepared

ANONYMOUS_USER = AnonymousUser()
_OURS = "AuthenticationMiddleware.process_request.<locals>.<lambda>"


def session_user(request: HttpRequest) -> Any:
    """Return ``request.user``.

    Where Django's own middleware has put it there, nobody has looked at it yet, and the session
    names a user whom Django's own backend knows: by the query that backend makes, compiled once,
    and the same comparison of the session's hash. In every other case, and whenever that says
    no, Django itself decides.
    """
    user: Any = vars(request).get("user")
    is_known = "_cached_user" in vars(request)  # to Django, or set by somebody else
    if isinstance(user, SimpleLazyObject) and not is_known and _is_djangos_and_new(user):
        found = _find(request)
        if found is not None:
            # Where Django's middleware keeps it, so that request.user is the same object.
            vars(request)["_cached_user"] = found
            return found
    # Without any authentication, everybody is a stranger.
    return getattr(request, "user", ANONYMOUS_USER)


def _is_djangos_and_new(user: Any) -> bool:
    values = vars(user)
    function = values.get("_setupfunc")
    return (
        values.get("_wrapped") is empty
        and getattr(function, "__qualname__", "") == _OURS
        and getattr(function, "__module__", "") == "django.contrib.auth.middleware"
    )


def _find(request: HttpRequest) -> Any:
    session, model = request.session, get_user_model()
    backend_path: Any = session.get(BACKEND_SESSION_KEY)
    if SESSION_KEY not in session or backend_path not in settings.AUTHENTICATION_BACKENDS:
        return None
    backend: Any = load_backend(backend_path)
    if getattr(type(backend), "get_user", None) is not ModelBackend.get_user:
        return None
    if not _is_plain(model._default_manager):
        return None
    user = _user_by_key(model, model._meta.pk.to_python(session[SESSION_KEY]))
    if user is None or not backend.user_can_authenticate(user):
        return None
    if not hasattr(user, "get_session_auth_hash"):
        return user
    given = session.get(HASH_SESSION_KEY)
    is_same = given and constant_time_compare(given, user.get_session_auth_hash())
    return user if is_same else None


def _is_plain(manager: Any) -> bool:
    """Tell whether a manager has all users, at all times: one that does not is asked each time."""
    return (
        type(manager).get_queryset is Manager.get_queryset
        and type(manager.get_queryset()) is QuerySet
        and manager._db is None  # noqa: SLF001
    )


def _user_by_key(model: Any, key: Any) -> Any:
    alias = router.db_for_read(model)
    columns = [field.attname for field in model._meta.concrete_fields]
    fields = {"pk": model._meta.pk}
    found = prepared(
        ("session_user", model, type(key)),
        alias,
        lambda values: model._default_manager.filter(pk=values["pk"]).values_list(*columns)[:1],
        {"pk": type(key)},
        fields,
    )
    row = None if found is None else found.first(alias, adapt(alias, {"pk": key}, fields))
    return None if row is None else model.from_db(alias, columns, row)
