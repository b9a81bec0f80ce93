"""What an export tells of grants, share links and the access log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import F, Q, QuerySet

from images_app.models import Grant
from images_app.people.belongings import entries_about, grants_of, links_of
from images_app.people.seen import CHUNK, chosen, is_true, with_what_is_seen

_KINDS = ("gallery", "image")
_GRANT_FIELDS = ("level", "right", "ends_at", "created_at")
_LINK_FIELDS = (
    *("public_id", "note", "level", "watermark", "has_password", "ends_at", "max_views", "views"),
    *("last_view_at", "created_at", "revoked_at"),
)
_ENTRY_FIELDS = ("at", "kind", "public_id", "level", "is_allowed", "reason")


def held_grants(person: Any) -> Iterator[dict[str, Any]]:
    """Tell of the grants that let this person in, themselves or through a group."""
    held = grants_of(person)
    if hasattr(person, "groups"):
        groups = person.groups.order_by().values("pk")
        held = _either(held, Grant.objects.filter(group__in=groups))
    rows = held.annotate(to_group=F("group__name"))
    return _records(rows, person, "to_group", *_GRANT_FIELDS)


def given_grants(person: Any) -> Iterator[dict[str, Any]]:
    """Tell of the grants on the person's things, and who has them."""
    on_galleries = Grant.objects.filter(gallery__owner=person)
    given = _either(on_galleries, Grant.objects.filter(image__owner=person))
    user_name = F(f"user__{get_user_model().USERNAME_FIELD}")
    rows = given.annotate(to_user=user_name, to_group=F("group__name"))
    return _records(rows, person, "to_user", "to_group", *_GRANT_FIELDS)


def link_records(person: Any) -> Iterator[dict[str, Any]]:
    """Tell of the share links that the person made; whether there is a password, never which."""
    rows = links_of(person).annotate(has_password=is_true(~Q(password="")))
    return _records(rows, person, *_LINK_FIELDS)


def entry_records(person: Any) -> Iterator[dict[str, Any]]:
    """Tell what the access log says of the person."""
    rows = entries_about(person).order_by("pk").values(*_ENTRY_FIELDS)
    for row in rows.iterator(chunk_size=CHUNK):
        yield chosen(row, _ENTRY_FIELDS)


def _either(some: QuerySet[Any], others: QuerySet[Any]) -> QuerySet[Any]:
    """Return the grants of both, each found by its own index; OR would read every grant."""
    keys = some.order_by().values("pk").union(others.order_by().values("pk"), all=True)
    return Grant.objects.filter(pk__in=keys)


def _records(rows: QuerySet[Any], person: Any, *fields: str) -> Iterator[dict[str, Any]]:
    """Tell of rows that are on a gallery or an image."""
    columns = [f"{kind}__{name}" for kind in _KINDS for name in ("public_id", "title")]
    columns += [f"sees_{kind}" for kind in _KINDS]
    known = with_what_is_seen(rows, person, *_KINDS).order_by("pk")
    for row in known.values("gallery_id", *columns, *fields).iterator(chunk_size=CHUNK):
        yield {**_subject(row), **chosen(row, fields)}


def _subject(row: dict[str, Any]) -> dict[str, Any]:
    """Name the gallery or image; one that the person may not see has no name here."""
    kind = "gallery" if row["gallery_id"] is not None else "image"
    is_seen = row[f"sees_{kind}"]
    named = {name: row[f"{kind}__{name}"] if is_seen else None for name in ("public_id", "title")}
    return {"on": kind, **named}
