"""DefaultPolicy: visibility of galleries, grants, ownership, and staff with model permissions."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_permission_codename
from django.contrib.auth.models import AnonymousUser
from django.db.models import (
    BooleanField,
    Case,
    Exists,
    Model,
    OuterRef,
    PositiveSmallIntegerField,
    Q,
    QuerySet,
    Value,
    When,
)
from django.utils import timezone

from images_app.access import Access, Level, Right, Viewer

_ANYONE = Viewer(user=AnonymousUser())
_NOBODY = Q(pk__in=[])
# Which model permission lets staff do what. Sharing shows an image to others, which changes it.
_PERMISSION_ACTIONS = {Right.CHANGE: "change", Right.SHARE: "change", Right.DELETE: "delete"}


class DefaultPolicy:
    """Who may see what, in five sentences.

    A public gallery shows its images to anyone at VIEW, a gallery for members to every
    logged-in user at VIEW. A grant on a gallery or an image gives its user or group that
    level until it ends; a right gives ORIGINAL besides. Owners of a gallery see its images
    at ORIGINAL, owners of an image have every right on it. Staff with the model permission
    see everything and do what their permissions say. Of several ways in, the best counts.
    """

    def images(
        self, viewer: Viewer, queryset: QuerySet[Any], access: Access, *, annotate: bool = True
    ) -> QuerySet[Any]:
        """See Policy."""
        visible = _filtered(queryset, viewer, access, _image_condition)
        return _annotated(visible, viewer, access, _image_condition) if annotate else visible

    def galleries(
        self, viewer: Viewer, queryset: QuerySet[Any], access: Access, *, annotate: bool = True
    ) -> QuerySet[Any]:
        """See Policy."""
        visible = _filtered(queryset, viewer, access, _gallery_condition)
        return _annotated(visible, viewer, access, _gallery_condition) if annotate else visible

    def viewer_kind(self, viewer: Viewer) -> str | None:
        """See Policy: what staff may do depends on their permissions, so they are of no kind."""
        if not viewer.is_authenticated:
            return "anonymous"
        if viewer.user.pk is None or getattr(viewer.user, "is_staff", False):
            return None
        return "grouped" if hasattr(viewer.user, "groups") else "alone"

    def may_add(self, viewer: Viewer, gallery: Model) -> bool:
        """See Policy: adding takes the right to change the gallery."""
        galleries = type(gallery)._default_manager.filter(pk=gallery.pk)
        return self.galleries(viewer, galleries, Right.CHANGE).exists()


def _filtered(
    queryset: QuerySet[Any], viewer: Viewer, access: Access, condition: Any
) -> QuerySet[Any]:
    if _is_privileged_staff(viewer, queryset.model, access):
        return queryset
    return queryset.filter(condition(queryset.model, viewer, access))


def _annotated(
    queryset: QuerySet[Any], viewer: Viewer, access: Access, condition: Any
) -> QuerySet[Any]:
    model = queryset.model
    if _is_privileged_staff(viewer, model, access):
        level: Any = Value(Level.ORIGINAL.value, PositiveSmallIntegerField())
    else:
        level = _level_expression(model, viewer, access, condition)
    anyone = Case(
        When(condition(model, _ANYONE, access), then=True),
        default=False,
        output_field=BooleanField(),
    )
    annotated: QuerySet[Any] = queryset.annotate(viewer_level=level, anyone=anyone)
    return annotated


def _level_expression(model: Any, viewer: Viewer, access: Access, condition: Any) -> Any:
    """Answer with the best level, asking only about those above what the filter has settled."""
    settled = access if isinstance(access, Level) else Level.ORIGINAL
    better = [level for level in sorted(Level, reverse=True) if level > settled]
    if not better:
        return Value(settled.value, PositiveSmallIntegerField())
    return Case(
        *(When(condition(model, viewer, level), then=Value(level.value)) for level in better),
        default=Value(settled.value),
        output_field=PositiveSmallIntegerField(),
    )


def _image_condition(model: Any, viewer: Viewer, access: Access) -> Q:
    condition = _own_condition(model, viewer, access)
    if isinstance(access, Level):  # a right on a gallery is none on what hangs in it
        items = model._meta.get_field("gallery_items").related_model
        gallery_model = items._meta.get_field("gallery").related_model
        there = _gallery_condition(gallery_model, viewer, access, prefix="gallery__")
        condition |= Q(Exists(items._default_manager.filter(there, image=OuterRef("pk"))))
    return condition


def _gallery_condition(model: Any, viewer: Viewer, access: Access, prefix: str = "") -> Q:
    condition = _own_condition(model, viewer, access, prefix)
    if isinstance(access, Level) and access <= Level.VIEW:
        open_to = ["public", "members"] if viewer.is_authenticated else ["public"]
        condition |= Q(**{f"{prefix}visibility__in": open_to})
    return condition


def _own_condition(model: Any, viewer: Viewer, access: Access, prefix: str = "") -> Q:
    """Owner, or holder of a grant that has not ended.

    The viewer's grants are few and the same for every row, so they are one subquery that
    does not depend on the row, and the database asks it once.
    """
    user: Any = viewer.user
    if not viewer.is_authenticated or user.pk is None:  # None would own what has no owner
        return _NOBODY
    grants = model._meta.get_field("grants")
    holders = Q(user=user.pk)
    if hasattr(user, "groups"):
        members = user._meta.get_field("groups").related_query_name()
        holders |= Q(**{f"group__{members}": user.pk})
    subject = grants.field.attname
    held = grants.related_model._default_manager.filter(
        holders,
        Q(ends_at__isnull=True) | Q(ends_at__gt=viewer.at or timezone.now()),
        _grant_condition(access),
        **{f"{subject}__isnull": False},
    ).values(subject)
    return Q(**{f"{prefix}owner": user.pk}) | Q(**{f"{prefix}pk__in": held})


def _grant_condition(access: Access) -> Q:
    if isinstance(access, Right):
        return Q(right=access.value)
    return Q(level__gte=access.value) | Q(right__isnull=False)


def _is_privileged_staff(viewer: Viewer, model: Any, access: Access) -> bool:
    user: Any = viewer.user
    if not (viewer.is_authenticated and getattr(user, "is_staff", False)):
        return False
    actions = ["view", "change"] if isinstance(access, Level) else [_PERMISSION_ACTIONS[access]]
    label = model._meta.app_label
    return any(
        user.has_perm(f"{label}.{get_permission_codename(action, model._meta)}")
        for action in actions
    )
