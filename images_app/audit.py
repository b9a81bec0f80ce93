"""Audit: every decision is announced, and written down where the settings ask for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from secrets import randbelow
from threading import Lock
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import Error, connections, router, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from images_app.access import Level, UnlockedLink, Viewer
from images_app.conf import get_settings
from images_app.models import (
    AccessEntry,
    Gallery,
    GalleryQuerySet,
    ImageQuerySet,
    get_image_model,
)
from images_app.models.access_entry import Kind, Reason
from images_app.models.querysets import WrittenQuerySet
from images_app.signals import access_decided

logger = logging.getLogger("images_app.access")

_DENIAL = "denial"
_PRUNE_EVERY = 3600.0  # seconds between two looks of one process at entries that are too old
_PRUNE_AGAIN = 10.0  # where the last look left some
_PRUNED_AT_ONCE = 5000
_next_prune = 0.0


class _Strangers:
    """How many denials of strangers this process may still write: they cost them nothing."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._minute, self._written, self._left_out = 0, 0, 0

    def may_write(self) -> bool:
        """Return whether one more is written, and log how many were not in the last minutes."""
        settings = get_settings()
        minute = int(time.monotonic() // 60)
        with self._lock:
            if minute != self._minute:
                self._tell()
                self._minute, self._written = minute, 0
            is_drawn = settings.access_log_sample <= 1 or not randbelow(settings.access_log_sample)
            most = settings.access_log_strangers
            if is_drawn and (not most or self._written < most):
                self._written += 1
                return True
            self._left_out += is_drawn
            return False

    def _tell(self) -> None:
        if self._left_out:
            logger.warning("code=denials_left_out number=%s", self._left_out)
            self._left_out = 0


_strangers = _Strangers()


def allowed(
    viewer: Viewer,
    kind: Kind,
    public_id: UUID,
    level: Level,
    *,
    reason: str = "",
    link: Any = None,
    watermark: str | None = None,
) -> None:
    """Note that a viewer was let in.

    Args:
        viewer: who.
        kind: to what.
        public_id: of the image, gallery or link.
        level: that was asked for.
        reason: what else there is to say.
        link: the share link through which, where that is known.
        watermark: that the bytes bear, as in ``ImageQuerySet.visible_to``.

    """
    if not _is_wanted(kind):
        return
    through = _link_of(viewer, kind, public_id, level, watermark) if link is None else link.pk
    entry = _entry(viewer, kind, public_id, level, is_allowed=True, reason=reason, link_id=through)
    _announce(entry, kind)


def denied(
    viewer: Viewer, kind: Kind, public_id: UUID, level: Level, *, reason: str = "", link: Any = None
) -> None:
    """Note that a viewer was refused, and why, which is never shown; arguments as in ``allowed``.

    It asks as much for what is absent as for what is forbidden, so that both take as long.
    """
    if not (_is_wanted(_DENIAL) or logger.isEnabledFor(logging.INFO)):
        return
    reason = reason or _reason(viewer, kind, public_id)
    through = None if link is None else link.pk
    entry = _entry(viewer, kind, public_id, level, is_allowed=False, reason=reason, link_id=through)
    logger.info(
        "denied kind=%s id=%s level=%s user=%s reason=%s",
        *(kind.value, public_id, level.name, viewer.user.pk, entry.reason),
    )
    _announce(entry, _DENIAL)


def _is_wanted(name: str) -> bool:
    return name in get_settings().access_log or access_decided.has_listeners(AccessEntry)


def _entry(viewer: Viewer, kind: Kind, public_id: UUID, level: Level, **values: Any) -> AccessEntry:
    # Whoever it is, active or not; but a host may know users that are no records.
    user: Any = viewer.user if isinstance(viewer.user, get_user_model()) else None
    return AccessEntry(
        at=timezone.now(), user=user, kind=kind, public_id=public_id, level=level, **values
    )


def _announce(entry: AccessEntry, name: str) -> None:
    access_decided.send_robust(sender=AccessEntry, entry=entry)
    if name not in get_settings().access_log:
        return
    if name == _DENIAL and entry.user_id is None and not _strangers.may_write():
        return
    with _apart():
        entry.save(force_insert=True)
    _prune_sometimes()


@contextmanager
def _apart() -> Iterator[None]:
    """Log what the database refuses: a log that cannot be written is no reason to show nothing.

    A transaction around it goes on. Without one, there is none to begin: one statement is enough.
    """
    alias = router.db_for_write(AccessEntry)
    try:
        is_alone = connections[alias].get_autocommit()
        with nullcontext() if is_alone else transaction.atomic(using=alias):
            yield
    except Error:
        logger.exception("code=access_log_unavailable")


def _link_of(
    viewer: Viewer, kind: Kind, public_id: UUID, level: Level, watermark: str | None
) -> Any:
    """Answer with the key of the link without which the viewer would not have been let in."""

    def is_seen(*links: UnlockedLink) -> bool:
        rows = _rows(kind, replace(viewer, links=links), level, watermark)
        return bool(rows.filter(public_id=public_id).exists())

    if not viewer.links or is_seen():
        return None
    return next((link.id for link in viewer.links if is_seen(link)), None)


def _rows(kind: Kind, viewer: Viewer, level: Level, watermark: str | None = None) -> Any:
    if kind is Kind.GALLERY:
        return GalleryQuerySet(Gallery).visible_to(viewer, level, annotate=False).order_by()
    images = ImageQuerySet(get_image_model())
    return images.visible_to(viewer, level, annotate=False, watermark=watermark).order_by()


def _reason(viewer: Viewer, kind: Kind, public_id: UUID) -> str:
    """Tell why nothing was shown, by one query whatever the reason."""
    model: Any = Gallery if kind is Kind.GALLERY else get_image_model()
    rows = WrittenQuerySet(model)
    seen = Exists(_rows(kind, viewer, Level.PREVIEW).filter(pk=OuterRef("pk")))
    # Beside the row, not on it: a host's model may have a field of any name.
    trashed_at = () if kind is Kind.GALLERY else ("trashed_at",)
    row = rows.filter(public_id=public_id).values_list(seen, *trashed_at).first()
    if row is None:
        return Reason.ABSENT
    is_seen, *trashed = row
    if any(trashed):
        return Reason.TRASHED
    return Reason.LEVEL if is_seen else Reason.FORBIDDEN


def _prune_sometimes() -> None:
    global _next_prune  # noqa: PLW0603 (of the process: there is nothing else to keep it in)
    if time.monotonic() < _next_prune:
        return
    _next_prune = time.monotonic() + _PRUNE_EVERY  # first: the other threads need not look
    with _apart():
        if delete_old_entries(_PRUNED_AT_ONCE) >= _PRUNED_AT_ONCE:
            _next_prune = time.monotonic() + _PRUNE_AGAIN


def delete_old_entries(most: int | None = None) -> int:
    """Delete the entries that are older than ``ACCESS_LOG_DAYS``, and answer with their number.

    Args:
        most: about how many at once, the oldest first; those of one instant go together.

    """
    limit = timezone.now() - timedelta(days=get_settings().access_log_days)
    old = AccessEntry.objects.filter(at__lt=limit).order_by()
    if most is not None:
        # A time, no list of keys: databases take only so many values.
        for last in old.order_by("at").values_list("at", flat=True)[most - 1 : most]:
            old = old.filter(at__lte=last)
    return old.delete()[0]
