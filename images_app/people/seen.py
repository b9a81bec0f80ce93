"""What a person may be told of in an export: what is theirs, and what they may see at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet

from images_app.access import Level, Viewer
from images_app.models import Gallery, GalleryQuerySet, ImageQuerySet, get_image_model

CHUNK = 500
"""Rows that are in memory together."""


def seen_galleries(person: Any) -> QuerySet[Any]:
    """Answer with the keys of the galleries that the person owns or may see."""
    visible = GalleryQuerySet(Gallery).visible_to(Viewer(user=person), annotate=False)
    return _own_or(Gallery, person, visible)


def with_what_is_seen(rows: QuerySet[Any], person: Any, *kinds: str) -> QuerySet[Any]:
    """Annotate rows that name an image or a gallery with ``sees_image``, ``sees_gallery``."""
    viewer = Viewer(user=person)
    images = ImageQuerySet(get_image_model()).visible_to(viewer, Level.PREVIEW, annotate=False)
    seen = {"image": _own_or(get_image_model(), person, images), "gallery": seen_galleries(person)}
    sees = {f"sees_{kind}": Exists(seen[kind].filter(pk=OuterRef(f"{kind}_id"))) for kind in kinds}
    annotated: QuerySet[Any] = rows.annotate(**sees)
    return annotated


def is_true(condition: Q) -> ExpressionWrapper[Any]:
    """Make a condition a column."""
    return ExpressionWrapper(condition, BooleanField())


def chosen(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Keep some columns of a row, a level by its name."""
    return {name: _named(row[name]) if name == "level" else row[name] for name in names}


def _named(level: int | None) -> str | None:
    return None if level is None else Level(level).name.lower()


def _own_or(model: Any, person: Any, visible: QuerySet[Any]) -> QuerySet[Any]:
    """Answer with keys; a policy shows nothing to who is not active, and nothing in the trash."""
    condition = Q(owner=person.pk) | Q(pk__in=visible.order_by().values("pk"))
    found: QuerySet[Any] = model._base_manager.filter(condition).order_by().values("pk")
    return found
