"""As signed, with URLs that live for two seconds."""

from __future__ import annotations

from project.settings import *  # noqa: F403

IMAGES_APP = {"SIGNING": {"BACKEND": "images_app.signing.DjangoSigner", "OPTIONS": {"lifetime": 2}}}
