"""The demo project behind a middleware that rewrites what leaves it."""

from __future__ import annotations

from project.settings import *  # noqa: F403

MIDDLEWARE = ["tests.rewriting.hashing", *MIDDLEWARE]  # noqa: F405
