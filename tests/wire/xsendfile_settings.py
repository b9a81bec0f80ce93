"""The demo project behind a web server that sends the files."""

from __future__ import annotations

from project.settings import *  # noqa: F403

IMAGES_APP = {"DELIVERY": {"BACKEND": "images_app.delivery.XSendfileDelivery"}}
