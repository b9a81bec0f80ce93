"""Where an image was taken: a table of its own, and who is told of it."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext_lazy as _

from images_app.models.gallery import GalleryItem
from images_app.models.image import IMAGE_MODEL
from images_app.models.querysets import WrittenModel

_DIGITS = 5  # after the point, of degrees as they are shown: a metre


class Location(WrittenModel):
    """The place that the camera wrote down. It is told to nobody, unless ``with_locations``."""

    image = models.OneToOneField(
        IMAGE_MODEL,
        verbose_name=_("image"),
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="location_data",
    )
    latitude = models.FloatField(_("latitude"))  # degrees, north is positive
    longitude = models.FloatField(_("longitude"))  # degrees, east is positive
    altitude = models.FloatField(_("altitude"), null=True, blank=True)  # metres above the sea

    class Meta:
        verbose_name = _("location")
        verbose_name_plural = _("locations")
        default_permissions = ()  # no list of places anywhere
        constraints = [
            models.CheckConstraint(
                condition=models.Q(latitude__range=(-90, 90), longitude__range=(-180, 180)),
                name="images_app_location_is_on_earth",
            )
        ]

    def __str__(self) -> str:
        return f"{self.latitude:.{_DIGITS}f}, {self.longitude:.{_DIGITS}f}"


def with_locations(images: QuerySet[Any], galleries: QuerySet[Any]) -> Any:
    """Read locations along, and annotate ``shows_location``: whether a gallery tells of it.

    Args:
        images: of which each is to be shown to somebody.
        galleries: those that they may see at VIEW.

    """
    telling = galleries.filter(shows_locations=True).order_by().values("pk")
    hung = GalleryItem.objects.filter(image=OuterRef("pk"), gallery__in=telling)
    return images.select_related("location_data").annotate(shows_location=Exists(hung))
