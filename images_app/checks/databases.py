"""Checks of databases: what is joined has to be in one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.core.checks import CheckMessage, Error
from django.db import connections, router

from images_app.database import database_of
from images_app.models import Gallery, get_image_model

_PLACE = ("ENGINE", "NAME", "HOST", "PORT")


def check_databases(app_configs: Any, **_: Any) -> Iterator[CheckMessage]:
    """E010: rights are decided by joining images with users and groups."""
    ours = database_of(Gallery)
    for model in (get_image_model(), get_user_model(), Group, ContentType):
        theirs = router.db_for_write(model)
        if _place(theirs) != _place(ours):
            yield Error(
                f"{model._meta.label} is written to DATABASES[{theirs!r}], "
                f"and galleries to DATABASES[{ours!r}].",
                hint="Let your router send them to one: see docs/how-to/databases.md.",
                obj=model,
                id="images_app.E010",
            )


def _place(alias: str) -> tuple[str, ...]:
    """Return what tells a database from another, whatever its alias."""
    values: dict[str, Any] = connections.settings[alias]
    return tuple(str(values.get(name) or "") for name in _PLACE)
