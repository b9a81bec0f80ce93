"""The one authorisation function: what a viewer may reach, asked of the policy."""

from __future__ import annotations

from typing import Any, Self

from django.db import models

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
