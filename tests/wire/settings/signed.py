"""The demo project with URLs that Django verifies."""

from __future__ import annotations

from project.settings import *  # noqa: F403

IMAGES_APP = {"SIGNING": {"BACKEND": "images_app.signing.DjangoSigner"}}
