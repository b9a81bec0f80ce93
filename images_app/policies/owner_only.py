"""OwnerOnlyPolicy: everyone has what they own, and nobody anything else."""

from __future__ import annotations

from typing import Any

from django.db.models import BooleanField, Model, PositiveSmallIntegerField, QuerySet, Value

from images_app.access import Access, Level, Viewer


class OwnerOnlyPolicy:
    """The smallest useful policy: owners have every right on what is theirs, staff have none.

    Visibility, grants and what hangs in whose gallery say nothing here: the image of somebody
    else is not shown to the owner of the gallery that it hangs in.
    """

    def images(
        self, viewer: Viewer, queryset: QuerySet[Any], access: Access, *, annotate: bool = True
    ) -> QuerySet[Any]:
        """See Policy."""
        return _owned(viewer, queryset, annotate=annotate)

    def galleries(
        self, viewer: Viewer, queryset: QuerySet[Any], access: Access, *, annotate: bool = True
    ) -> QuerySet[Any]:
        """See Policy."""
        return _owned(viewer, queryset, annotate=annotate)

    def may_add(self, viewer: Viewer, gallery: Model) -> bool:
        """See Policy: owners add to their galleries."""
        galleries = type(gallery)._default_manager.filter(pk=gallery.pk)
        return _owned(viewer, galleries, annotate=False).exists()

    def viewer_kind(self, viewer: Viewer) -> str:
        """See Policy: the query differs in the user's key alone."""
        return "owner" if _may_own(viewer) else "nobody"


def _may_own(viewer: Viewer) -> bool:
    # A user without a key would own all that has no owner.
    return viewer.is_authenticated and viewer.user.pk is not None


def _owned(viewer: Viewer, queryset: QuerySet[Any], *, annotate: bool) -> QuerySet[Any]:
    owned = queryset.filter(owner=viewer.user.pk) if _may_own(viewer) else queryset.none()
    if not annotate:
        return owned
    annotated: QuerySet[Any] = owned.annotate(
        viewer_level=Value(Level.ORIGINAL.value, PositiveSmallIntegerField()),
        anyone=Value(value=False, output_field=BooleanField()),
    )
    return annotated
