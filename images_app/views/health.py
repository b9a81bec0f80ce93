"""Whether the process lives, and whether it can do its work."""

from __future__ import annotations

import logging

from django.core.files.storage import storages
from django.db import connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from images_app.conf import RENDITIONS, get_settings
from images_app.database import database_of
from images_app.http import plain_response, read_only
from images_app.models import Gallery

logger = logging.getLogger("images_app.health")

_PROBE = "readyz-probe"  # a name that no image has


@read_only
def healthz(request: HttpRequest) -> HttpResponseBase:
    """Answer with 200 as long as the process answers at all."""
    return plain_response(200, "ok")


@read_only
def readyz(request: HttpRequest) -> HttpResponseBase:
    """Answer with 200 when the database and both storages answer, else 503; never says which."""
    try:
        with connections[database_of(Gallery)].cursor() as cursor:
            cursor.execute("SELECT 1")
        for alias in (get_settings().storage, RENDITIONS):
            storages[alias].exists(_PROBE)
    except Exception:
        logger.exception("code=not_ready")
        return plain_response(503, "not ready", Retry_After="5")
    return plain_response(200, "ok")
