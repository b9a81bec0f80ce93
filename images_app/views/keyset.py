"""Keyset pages: a link names the last row seen, so deep pages cost what the first one does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of rows and the cursors of its neighbours, None at either end."""

    rows: Sequence[Any]
    previous: str | None
    next: str | None


def keyset_page(
    queryset: QuerySet[Any],
    order: Sequence[str],
    size: int,
    *,
    after: str | None = None,
    before: str | None = None,
) -> Page:
    """Answer with the page after or before a cursor; the first where the cursor leads nowhere.

    Args:
        queryset: rows with a ``public_id``, in any order.
        order: fields or annotations, ``-`` for descending, that no two rows share all of.
        size: rows at most.
        after: a cursor, taken from Page.next: the public id of the last row seen.
        before: a cursor, taken from Page.previous.

    """
    backwards = before is not None
    key = _key_of(queryset, before if backwards else after, order)
    if key is None:
        backwards = False
    directed = [_flip(name) for name in order] if backwards else list(order)
    beyond = queryset if key is None else queryset.filter(_beyond(directed, key))
    rows = list(beyond.order_by(*directed)[: size + 1])
    if key is not None and not rows:  # nothing is left behind a kept link
        return keyset_page(queryset, order, size)
    has_more = len(rows) > size
    rows = rows[:size]
    if backwards:
        rows.reverse()
    has_previous = has_more if backwards else key is not None
    has_next = backwards or has_more
    return Page(
        rows=rows,
        previous=str(rows[0].public_id) if rows and has_previous else None,
        next=str(rows[-1].public_id) if rows and has_next else None,
    )


def neighbours(queryset: QuerySet[Any], order: Sequence[str], key: Sequence[Any]) -> list[Any]:
    """Answer with the rows right before and right after a key, None at either end."""
    return [
        queryset.filter(_beyond(directed, key)).order_by(*directed).first()
        for directed in ([_flip(name) for name in order], order)
    ]


def _flip(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _beyond(order: Sequence[str], key: Sequence[Any]) -> Q:
    """Answer with: the first field is beyond, or it ties and the next one is, and so on."""
    condition, tied = Q(), Q()
    for name, value in zip(order, key, strict=True):
        field = name.removeprefix("-")
        lookup = "lt" if name.startswith("-") else "gt"
        condition |= tied & Q(**{f"{field}__{lookup}": value})
        tied &= Q(**{field: value})
    return condition


def _key_of(queryset: QuerySet[Any], cursor: str | None, order: Sequence[str]) -> Any:
    """Answer with the values that a cursor's row is ordered by, if the viewer may see the row.

    The cursor is the row's public id and nothing else, so that a link shows no inner keys.
    """
    try:
        public_id = UUID(cursor or "")
    except ValueError:
        return None
    names = [name.removeprefix("-") for name in order]
    return queryset.filter(public_id=public_id).values_list(*names).first()
