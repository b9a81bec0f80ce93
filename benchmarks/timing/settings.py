"""A project with images_app and nothing else, for the measuring of refusals.

Environment: BENCH_FOLDER, where everything lies; BENCH_SETTINGS, JSON of IMAGES_APP.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from images_app.storages import private_storages

FOLDER = Path(os.environ["BENCH_FOLDER"])

SECRET_KEY = "for measuring only"  # noqa: S105
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "benchmarks.timing.urls"
LOGIN_URL = "/login/"
STATIC_URL = "static/"
STORAGES = private_storages(FOLDER / "private")
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "db.sqlite3",
        "CONN_MAX_AGE": None,
        "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"},
    },
}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "images_app",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
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
IMAGES_APP: dict[str, Any] = json.loads(os.environ.get("BENCH_SETTINGS", "{}"))
