"""One Django project with everything that delivers private files, as ``startproject`` makes one.

Environment: BENCH_FOLDER, where everything lies; BENCH_CONFIGURATION, ``stock`` or ``tuned``;
BENCH_SETTINGS, JSON of what a mode sets on top, where the keys of IMAGES_APP are merged.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from images_app.storages import private_storages

FOLDER = Path(os.environ["BENCH_FOLDER"])
IS_TUNED = os.environ["BENCH_CONFIGURATION"] == "tuned"

SECRET_KEY = "for measuring only"  # noqa: S105
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "benchmarks.delivery.urls"
LOGIN_URL = "/login/"
STATIC_URL = "static/"
MEDIA_ROOT = FOLDER / "media"
STORAGES = private_storages(FOLDER / "private")
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "db.sqlite3"},
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if IS_TUNED:
    DATABASES["default"] |= {"CONN_MAX_AGE": None}
    # In the worker's own memory, which is right for one worker and for no more: the best that
    # a cache of sessions can give. Redis would cost a round trip more.
    SESSION_ENGINE = "django.contrib.sessions.backends.cache"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "benchmarks.delivery",
    "images_app",
    "private_storage",
    "easy_thumbnails",
    "polymorphic",
    "filer",
    "wagtail.users",
    "wagtail.sites",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.admin",
    "wagtail",
    "modelcluster",
    "taggit",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Each peer as its documentation has it, open to whoever is logged in or owns the file.
PRIVATE_STORAGE_ROOT = FOLDER / "private-storage"
PRIVATE_STORAGE_AUTH_FUNCTION = "private_storage.permissions.allow_authenticated"
FILER_ENABLE_PERMISSIONS = True
WAGTAIL_SITE_NAME = "Benchmark"
WAGTAILADMIN_BASE_URL = "http://127.0.0.1"

PRESET = "bench"
IMAGES_APP: dict[str, Any] = {"PRESETS": {PRESET: {"width": 640, "formats": ["jpeg"]}}}

if IS_TUNED:
    IMAGES_APP["RENDITION_CACHE"] = "default"

_mode: dict[str, Any] = json.loads(os.environ.get("BENCH_SETTINGS", "{}"))
IMAGES_APP |= _mode.pop("IMAGES_APP", {})
globals().update(_mode)
