"""The demo project as other hosts are: hashed static names only, CSRF by another header."""

from __future__ import annotations

from project.settings import *  # noqa: F403
from project.settings import STORAGES as USUAL

STORAGES = {
    **USUAL,
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
CSRF_HEADER_NAME = "HTTP_X_XSRF_TOKEN"
CSRF_USE_SESSIONS = True
