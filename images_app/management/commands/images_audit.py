"""``images_audit``: the access log as CSV, and the end of its old entries."""

from __future__ import annotations

import csv
import os
import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from images_app.access import Level
from images_app.audit import delete_old_entries
from images_app.models import AccessEntry

_COLUMNS = ("at", "user", "kind", "id", "level", "verdict", "reason", "link")
_DELETED_AT_ONCE = 5000
_READ_AT_ONCE = 2000
# The beginning of a formula, after what spreadsheets skip before one: at the beginning of the
# cell, or behind what a spreadsheet that expects other separators would end the cell with.
_FORMULA = re.compile(
    r"""(^|[,;|\t\r\n])(?=[\s"'\u200b\u200e\u200f\u2060\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20])"""
    r"|^(?=[\t\r\n])"
)


class Command(BaseCommand):
    """See the module."""

    help = (
        "Write the access log as CSV, oldest first, to standard output; times are in UTC. What a "
        "spreadsheet would run as a formula is preceded by an apostrophe."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--since", help="a date or a time, such as 2026-11-21 or ...T10:00")
        parser.add_argument("--until", help="likewise; not included")
        parser.add_argument("--user", help="only of this user name")
        parser.add_argument(
            "--id", help="only of this image, gallery or share link, and what the link has shown"
        )
        parser.add_argument("--denied", action="store_true", help="only what was refused")
        parser.add_argument(
            "--delete-old",
            action="store_true",
            help="instead, delete what is older than ACCESS_LOG_DAYS",
        )

    def handle(self, *, delete_old: bool, **options: Any) -> None:
        """Run."""
        filters = {name: options[name] for name in ("since", "until", "user", "id", "denied")}
        if not delete_old:
            self._write(_entries(**filters))
        elif not set(filters.values()) <= {None, False}:
            message = "--delete-old deletes by age alone, and goes with no other option."
            raise CommandError(message)
        else:
            self.stdout.write(f"{_delete_old()} entries deleted.")

    def _write(self, entries: QuerySet[AccessEntry]) -> None:
        writer = csv.writer(self.stdout)
        try:
            writer.writerow(_COLUMNS)
            for row in _rows(entries):
                writer.writerow([_harmless(cell) for cell in row])
            self.stdout.flush()
        except BrokenPipeError:  # whoever reads, such as `head`, has had enough
            # Or Python would complain when it closes the standard output.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _delete_old() -> int:
    """Delete in parts, between which others may write."""
    number = 0
    while deleted := delete_old_entries(_DELETED_AT_ONCE):
        number += deleted
    return number


def _entries(
    *, since: str | None, until: str | None, user: str | None, denied: bool, **others: Any
) -> QuerySet[AccessEntry]:
    entries = AccessEntry.objects.order_by("at", "pk")
    first, end = _moment(since), _moment(until)
    if first is not None and end is not None and first >= end:
        message = "--since must be before --until."
        raise CommandError(message)
    if first is not None:
        entries = entries.filter(at__gte=first)
    if end is not None:
        entries = entries.filter(at__lt=end)
    if user is not None:
        entries = entries.filter(user=_user(user))
    if others["id"] is not None:
        key = _id(others["id"])
        entries = entries.filter(Q(public_id=key) | Q(link__public_id=key))
    return entries.filter(is_allowed=False) if denied else entries


def _rows(entries: QuerySet[AccessEntry]) -> Iterator[tuple[str, ...]]:
    name = f"user__{get_user_model().USERNAME_FIELD}"
    wanted = ("at", name, "kind", "public_id", "level", "is_allowed", "reason", "link__public_id")
    rows = entries.values_list(*wanted).iterator(chunk_size=_READ_AT_ONCE)
    for at, user, kind, public_id, level, is_allowed, reason, link in rows:
        yield (
            at.isoformat(timespec="milliseconds"),
            "" if user is None else str(user),
            kind,
            str(public_id),
            "" if level is None else Level(level).name.lower(),
            "allowed" if is_allowed else "denied",
            reason,
            "" if link is None else str(link),
        )


def _harmless(cell: str) -> str:
    return _FORMULA.sub(r"\1'", cell)


def _moment(text: str | None) -> datetime | None:
    """Read a date or a time, in the time zone of the settings where it names none."""
    if text is None:
        return None
    try:
        day = parse_date(text)
        moment = datetime.combine(day, time.min) if day else parse_datetime(text)
        if moment is not None and timezone.is_naive(moment):
            moment = timezone.make_aware(moment)
        moment = None if moment is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        message = f"{text!r} is no date and no time. Write 2026-11-21 or 2026-11-21T10:00."
        raise CommandError(message)
    return moment if settings.USE_TZ else timezone.make_naive(moment)


def _user(name: str) -> Any:
    model = get_user_model()
    found = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()
    if found is None:
        message = f"No user has the name {name!r}."
        raise CommandError(message)
    return found


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        message = f"{text!r} is no id."
        raise CommandError(message) from error
