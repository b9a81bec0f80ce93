"""What the camera wrote down, in a table of its own so that a swapped image stays small."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

from django.db import models
from django.utils.timezone import is_aware
from django.utils.translation import gettext_lazy as _

from images_app.models.image import IMAGE_MODEL
from images_app.models.querysets import WrittenModel

_LONG = 0.3  # seconds, from which an exposure reads better as a decimal
_SHORT = 1e-6  # seconds, faster than any shutter; files can claim less, down to where 1/x is inf


class CameraData(WrittenModel):
    """Camera and exposure of one image. Places and serial numbers are never copied here."""

    image = models.OneToOneField(
        IMAGE_MODEL,
        verbose_name=_("image"),
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="camera_data",
    )
    make = models.CharField(_("make"), max_length=100, blank=True)
    model = models.CharField(_("model"), max_length=100, blank=True)
    lens = models.CharField(_("lens"), max_length=100, blank=True)
    exposure_time = models.FloatField(_("exposure time"), null=True, blank=True)  # seconds
    f_number = models.FloatField(_("f-number"), null=True, blank=True)
    iso = models.PositiveIntegerField(_("ISO"), null=True, blank=True)
    focal_length = models.FloatField(_("focal length"), null=True, blank=True)  # millimetres
    utc_offset = models.SmallIntegerField(_("offset from UTC"), null=True, blank=True)  # minutes

    class Meta:
        verbose_name = _("camera data")
        verbose_name_plural = _("camera data")

    def __str__(self) -> str:
        return self.camera or str(_("unknown camera"))

    @property
    def camera(self) -> str:
        """Make and model, without the make twice."""
        if self.model.lower().startswith(self.make.lower()):
            return self.model
        return f"{self.make} {self.model}".strip()

    @property
    def local_time(self) -> dt.datetime | None:
        """When the image was taken, by the clock of the place; None where nobody knows its zone."""
        taken_at = self.image.taken_at
        if taken_at is None or self.utc_offset is None or not is_aware(taken_at):
            return None
        zone = dt.timezone(dt.timedelta(minutes=self.utc_offset))
        try:
            return taken_at.astimezone(zone)
        except OverflowError:  # at the end of the calendar
            return None

    @property
    def exposure(self) -> str:
        """The exposure in one line, such as ``1/250 s · f/2.8 · ISO 100 · 35 mm``."""
        parts = []
        if self.exposure_time:
            parts.append(_exposure_time(self.exposure_time))
        if self.f_number:
            parts.append(f"f/{self.f_number:g}")
        if self.iso:
            parts.append(f"ISO {self.iso}")
        if self.focal_length:
            parts.append(f"{self.focal_length:g} mm")
        return " · ".join(parts)


def _exposure_time(seconds: float) -> str:
    if not _SHORT <= seconds < _LONG:
        return f"{seconds:g} s"
    return f"{Fraction(1, round(1 / seconds))} s"
