"""The demo project behind nginx: X-Accel-Redirect."""

from __future__ import annotations

from project.settings import *  # noqa: F403

IMAGES_APP = {"DELIVERY": {"BACKEND": "images_app.delivery.NginxDelivery"}}
