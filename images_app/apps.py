"""The app's configuration: connects what announces to what listens."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ImagesAppConfig(AppConfig):
    name = "images_app"
    verbose_name = _("Images")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks and follow deletions."""
        from images_app import checks, housekeeping  # noqa: PLC0415 (models must be loaded first)

        checks.register_all()
        housekeeping.connect()
