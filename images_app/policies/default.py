"""DefaultPolicy: visibility, grants, share links, ownership, staff with model permissions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from django.db.models import (
    Exists,
    Model,
    OuterRef,
    Q,
    QuerySet,
)
from django.utils import timezone

from images_app.access import Access, Level, Right, Viewer
from images_app.policies.answering import NOBODY, answer, has_key
from images_app.policies.base import Reason
from images_app.policies.staff import is_privileged_staff


class DefaultPolicy:
    """Who may see what, in six sentences.

    A public gallery shows its images to anyone at VIEW, a gallery for members to every
    logged-in user at VIEW. A grant on a gallery or an image gives its user or group that
    level until it ends; a right gives ORIGINAL besides. A share link gives its level to whoever
    has unlocked it, until it ends or is revoked. Owners of a gallery see its images
    at ORIGINAL, owners of an image have every right on it. Staff with the model permission
    see everything and do what their permissions say. Of several ways in, the best counts.
    """

    honours_links = True

    def images(
        self, viewer: Viewer, queryset: QuerySet[Any], access: Access, *, annotate: bool = True
    ) -> QuerySet[Any]:
        """See Policy."""
        return answer(queryset, viewer, access, _image_condition, annotate=annotate)

    def galleries(
        self, viewer: Viewer, queryset: QuerySet[Any], access: Access, *, annotate: bool = True
    ) -> QuerySet[Any]:
        """See Policy."""
        return answer(queryset, viewer, access, _gallery_condition, annotate=annotate)

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

    def explain(self, viewer: Viewer, obj: Model) -> list[Reason]:
        """See Policy: the same conditions, asked one by one."""
        found = [
            Reason(way="staff", access=access)
            for access in (Level.ORIGINAL, *Right)
            if is_privileged_staff(viewer, obj, access)
        ]
        found += _reasons(viewer, obj)
        galleries: Any = getattr(obj, "galleries", None)  # which an image has
        for gallery in galleries.order_by("pk") if galleries is not None else ():
            found += [
                replace(reason, gallery=gallery)
                for reason in _reasons(viewer, gallery)
                if isinstance(reason.access, Level)  # a right there is none on what hangs there
            ]
        return found


def _image_condition(model: Any, viewer: Viewer, access: Access) -> Q:
    condition = _own_condition(model, viewer, access)
    if isinstance(access, Level):  # a right on a gallery is none on what hangs in it
        items = model._meta.get_field("gallery_items").related_model
        gallery_model = items._meta.get_field("gallery").related_model
        there = _gallery_condition(gallery_model, viewer, access, prefix="gallery__")
        condition |= Q(Exists(items._default_manager.filter(there, image=OuterRef("pk"))))
    return condition


def _gallery_condition(model: Any, viewer: Viewer, access: Access, prefix: str = "") -> Q:
    seen = _by_visibility(model, viewer, access, prefix)
    return seen | _own_condition(model, viewer, access, prefix)


def _own_condition(model: Any, viewer: Viewer, access: Access, prefix: str = "") -> Q:
    """Return the ways in that both images and galleries have."""
    condition = _by_ownership(model, viewer, access, prefix)
    for grants in _held_grants(model, viewer, access):
        # Looked up for each row: what a viewer holds may be much, and to read all of it for a
        # row that is there, and none of it for one that is not, would tell the two apart.
        on_it = {_subject_of(model, "grants"): OuterRef(f"{prefix}pk")}
        condition |= Q(Exists(grants.filter(**on_it)))
    for links in _held_links(model, viewer, access):
        # Few, and the same for every row: one subquery that the database asks once.
        condition |= Q(**{f"{prefix}pk__in": links.values(_subject_of(model, "share_links"))})
    return condition


def _subject_of(model: Any, relation: str) -> str:
    """Name the column by which grants or links point at rows of this model."""
    name: str = model._meta.get_field(relation).field.attname
    return name


def _by_visibility(model: Any, viewer: Viewer, access: Access, prefix: str = "") -> Q:
    if not isinstance(access, Level) or access > Level.VIEW:
        return NOBODY
    open_to = ["public", "members"] if viewer.is_authenticated else ["public"]
    return Q(**{f"{prefix}visibility__in": open_to})


def _by_ownership(model: Any, viewer: Viewer, access: Access, prefix: str = "") -> Q:
    return Q(**{f"{prefix}owner": viewer.user.pk}) if has_key(viewer) else NOBODY


def _held_grants(model: Any, viewer: Viewer, access: Access) -> Iterator[QuerySet[Any]]:
    """Yield the viewer's grants on rows of this model that have not ended, own and groups'.

    Two querysets, for no index serves both: a database that is asked for the user's or a group's
    in one condition joins every grant with every member of its group.
    """
    if not has_key(viewer):
        return
    user: Any = viewer.user
    grants: Any = model._meta.get_field("grants").related_model._default_manager
    lasting = grants.filter(
        Q(ends_at__isnull=True) | Q(ends_at__gt=viewer.at or timezone.now()),
        _grant_condition(access),
    )
    yield lasting.filter(user=user.pk)
    if hasattr(user, "groups"):
        groups = user._meta.get_field("groups")
        theirs = {groups.related_query_name(): user.pk}
        # No join: SQLite would go through all grants on a row instead of the few groups.
        its_groups = groups.related_model._default_manager.filter(**theirs).order_by()
        yield lasting.filter(group__in=its_groups.values("pk"))


def _grant_condition(access: Access) -> Q:
    if isinstance(access, Right):
        return Q(right=access.value)
    return Q(level__gte=access.value) | Q(right__isnull=False)


def _held_links(model: Any, viewer: Viewer, access: Access) -> Iterator[QuerySet[Any]]:
    """Yield the live share links that the viewer has unlocked, to rows of this model."""
    if not viewer.links or not isinstance(access, Level):  # a link gives no rights
        return
    unlocked = Q()
    for link in viewer.links:
        unlocked |= Q(pk=link.id, password_version=link.password_version)
    links = model._meta.get_field("share_links")
    yield links.related_model._default_manager.live(viewer.at).filter(
        unlocked, level__gte=access.value, **{f"{links.field.attname}__isnull": False}
    )


_HELD: dict[str, Callable[[Any, Viewer, Access], Iterator[QuerySet[Any]]]] = {
    "grants": _held_grants,
    "share_links": _held_links,
}


def _reasons(viewer: Viewer, obj: Any) -> Iterator[Reason]:
    """Answer with the ways in to one row, each at its best level and with every right."""
    model, best_first = type(obj), sorted(Level, reverse=True)
    rows = model._default_manager.filter(pk=obj.pk)
    ways = {"owner": _by_ownership}
    if hasattr(obj, "visibility"):
        ways["visibility"] = _by_visibility
    for way, condition in ways.items():
        open_to = [a for a in (*best_first, *Right) if rows.filter(condition(model, viewer, a))]
        yield from (Reason(way=way, access=access) for access in _best(open_to))
    for relation, held in _HELD.items():
        known: dict[Any, list[Access]] = {}
        for access in (*best_first, *Right):
            for found in held(model, viewer, access):
                for row in found.filter(**{_subject_of(model, relation): obj.pk}):
                    known.setdefault(row, []).append(access)
        for row, accesses in known.items():
            way = "grant" if relation == "grants" else "link"
            yield from (Reason(way=way, access=a, through=row) for a in _best(accesses))


def _best(accesses: list[Access]) -> list[Access]:
    """Keep the first, which is the best level, and the rights."""
    return accesses[:1] + [access for access in accesses[1:] if isinstance(access, Right)]
