"""The configuration of the app that fetches images from the web."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _


class RemoteConfig(AppConfig):
    name = "images_app.contrib.remote"
    label = "images_app_remote"
    verbose_name = _("Remote images")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the check."""
        register(check_remote, "images_app")


def check_remote(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """E001: IMAGES_APP["REMOTE"] holds something that cannot be used."""
    # Settings are read once models are loaded.
    from images_app.conf import get_settings  # noqa: PLC0415
    from images_app.contrib.remote.conf import parse_remote  # noqa: PLC0415

    try:
        given = get_settings().remote
    except ImproperlyConfigured:
        return []  # of which images_app.E002 tells
    try:
        parse_remote(given)
    except ImproperlyConfigured as error:
        return [Error(str(error), id="images_app_remote.E001")]
    return []
