"""The one authorisation function: what a viewer may reach, asked of the policy."""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.db.models import F, FilteredRelation, Q, Value

from images_app.access import Access, Level, Viewer
from images_app.conf import get_policy


class ImageQuerySet(models.QuerySet[Any]):
    """Images."""

    def visible_to(
        self, viewer: Viewer, access: Access = Level.VIEW, *, annotate: bool = True
    ) -> Self:
        """Keep the images that the viewer may reach at ``access``; nothing in the trash is."""
        images = self.filter(trashed_at=None)
        visible: Self = get_policy().images(viewer, images, access, annotate=annotate)  # type: ignore[assignment]
        return visible

    def with_rendition(self, fingerprint: str, image_format: str) -> Self:
        """Add what is recorded of one rendition of each image, without a query of its own.

        ``rendition_key`` says of which; ``rendition_alias`` and ``rendition_size`` (bytes) are
        None where it has not been made.
        """
        same = Q(
            renditions__version=F("version"),
            renditions__fingerprint=fingerprint,
            renditions__format=image_format,
        )
        return self.annotate(
            made=FilteredRelation("renditions", condition=same),
            rendition_key=Value(f"{fingerprint}.{image_format}"),
            rendition_alias=F("made__storage_alias"),
            rendition_size=F("made__byte_size"),
        )


class GalleryQuerySet(models.QuerySet[Any]):
    """Galleries."""

    def visible_to(
        self, viewer: Viewer, access: Access = Level.PREVIEW, *, annotate: bool = True
    ) -> Self:
        """Keep the galleries that the viewer may reach at ``access``."""
        visible: Self = get_policy().galleries(viewer, self, access, annotate=annotate)  # type: ignore[assignment]
        return visible


ImageManager = models.Manager.from_queryset(ImageQuerySet)
GalleryManager = models.Manager.from_queryset(GalleryQuerySet)
