"""The demo project behind a middleware that rewrites what leaves it."""

from __future__ import annotations

from project.settings import *  # noqa: F403

MIDDLEWARE = ["django.middleware.gzip.GZipMiddleware", *MIDDLEWARE]  # noqa: F405
