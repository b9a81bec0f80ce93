"""Keyset pages: a link names the last row seen, so deep pages cost what the first one does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

_LONGEST_CURSOR = 200


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
        queryset: rows, in any order.
        order: fields or annotations, ``-`` for descending, that no two rows share all of.
        size: rows at most.
        after: a cursor, taken from Page.next.
        before: a cursor, taken from Page.previous.

    """
    everything, backwards = queryset, before is not None
    key = _parse(before if backwards else after, len(order))
    directed = [_flip(name) for name in order] if backwards else list(order)
    try:
        queryset = queryset if key is None else queryset.filter(_beyond(directed, key))
    except (TypeError, ValueError):  # a date where a number belongs, or the reverse
        key = None
    if key is None:
        backwards, directed = False, list(order)
    rows = list(queryset.order_by(*directed)[: size + 1])
    if key is not None and not rows:  # the rows behind a kept link are gone
        return keyset_page(everything, order, size)
    has_more = len(rows) > size
    rows = rows[:size]
    if backwards:
        rows.reverse()
    has_previous = has_more if backwards else key is not None
    has_next = backwards or has_more
    return Page(
        rows=rows,
        previous=_cursor(rows[0], order) if rows and has_previous else None,
        next=_cursor(rows[-1], order) if rows and has_next else None,
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


def _cursor(row: Any, order: Sequence[str]) -> str:
    return "_".join(_write(getattr(row, name.removeprefix("-"))) for name in order)


def _write(value: Any) -> str:
    return (
        value.isoformat().replace("+00:00", "Z") if isinstance(value, dt.datetime) else str(value)
    )


def _parse(cursor: str | None, length: int) -> list[Any] | None:
    parts = (cursor or "").split("_")
    if len(parts) != length or len(cursor or "") > _LONGEST_CURSOR:
        return None
    try:
        return [_read(part) for part in parts]
    except ValueError:
        return None


def _read(text: str) -> int | dt.datetime:
    if "T" not in text:
        number = int(text)
        if abs(number) >= 2**63:
            raise ValueError(text)
        return number
    value = dt.datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError(text)
    try:
        return value.astimezone(dt.UTC)
    except OverflowError as error:  # in the first or last hours of the calendar
        raise ValueError(text) from error
