"""Answering: a queryset narrowed by a condition, and what pages need to know of each row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import (
    BooleanField,
    Case,
    PositiveSmallIntegerField,
    Q,
    QuerySet,
    Value,
    When,
)

from images_app.access import Access, Level, Viewer
from images_app.policies.staff import is_privileged_staff

ANYONE = Viewer(user=AnonymousUser())
NOBODY = Q(pk__in=[])
Condition = Callable[[Any, Viewer, Access], Q]


def has_key(viewer: Viewer) -> bool:
    """Tell whether rows can be this viewer's: None would own what has no owner."""
    return viewer.is_authenticated and viewer.user.pk is not None


def answer(
    queryset: QuerySet[Any],
    viewer: Viewer,
    access: Access,
    condition: Condition,
    *,
    annotate: bool,
) -> QuerySet[Any]:
    """Keep the rows that fulfil a condition, or all for privileged staff.

    Args:
        queryset: of images or galleries.
        viewer: who asks.
        access: a level or a right.
        condition: answers with the Q of a model, a viewer and an access.
        annotate: whether ``viewer_level`` and ``anyone`` are wanted, see Policy.

    """
    model = queryset.model
    is_staff = is_privileged_staff(viewer, model, access)
    kept = queryset if is_staff else queryset.filter(condition(model, viewer, access))
    if not annotate:
        return kept
    level = _level(Level.ORIGINAL) if is_staff else _best_level(model, viewer, access, condition)
    anyone = Case(
        When(condition(model, ANYONE, access), then=True),
        default=False,
        output_field=BooleanField(),
    )
    annotated: QuerySet[Any] = kept.annotate(viewer_level=level, anyone=anyone)
    return annotated


def _best_level(model: Any, viewer: Viewer, access: Access, condition: Condition) -> Any:
    """Answer with the best level, asking only about those above what the filter has settled."""
    settled = access if isinstance(access, Level) else Level.ORIGINAL
    better = [level for level in sorted(Level, reverse=True) if level > settled]
    if not better:
        return _level(settled)
    return Case(
        *(When(condition(model, viewer, level), then=Value(level.value)) for level in better),
        default=Value(settled.value),
        output_field=PositiveSmallIntegerField(),
    )


def _level(level: Level) -> Value:
    return Value(level.value, PositiveSmallIntegerField())
