"""Single flight: of all who want the same cold rendition, one makes it and the others wait.

The lease is a row, so that it holds across threads, processes and machines that share the
database. It runs out by itself when its holder is killed.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import Error, IntegrityError, connections
from django.db.models import Q
from django.utils import timezone

from images_app.database import atomic, database_of
from images_app.exceptions import BytesGone
from images_app.models import RenditionLease

logger = logging.getLogger("images_app.renditions")

Identity = dict[str, Any]
LEASE = 5.0  # seconds until a silent holder counts as dead
_AHEAD = 2  # leases; what ends later was made by a clock that was wrong, not one a little ahead


@contextmanager
def lease(identities: Sequence[Identity]) -> Iterator[list[Identity]]:
    """Try to become the one who makes these renditions of one image; never waits.

    Yields:
        Those whose lease is ours; they are kept alive, and given back at the end.

    """
    holder = uuid.uuid4()
    ours = _take(identities, holder)
    if not ours:
        yield ours
        return
    done = threading.Event()
    keeper = threading.Thread(target=_keep, args=(holder, done), daemon=True)
    keeper.start()
    try:
        yield ours
    finally:
        done.set()
        keeper.join()
        RenditionLease.objects.filter(holder=holder).delete()


def _take(identities: Sequence[Identity], holder: uuid.UUID) -> list[Identity]:
    """Lease what nobody holds, or only somebody who died, and answer with that."""
    now = timezone.now()
    values = {"holder": holder, "ends_at": now + timedelta(seconds=LEASE)}
    leases = [RenditionLease(**identity, **values) for identity in identities]
    # Of several who insert the same at once, the database lets one, and tells nobody which.
    try:
        with atomic(RenditionLease):
            RenditionLease.objects.bulk_create(leases, ignore_conflicts=True)
    except IntegrityError as error:  # no conflict of leases: these are ignored
        raise BytesGone("image deleted") from error
    taken = RenditionLease.objects.filter(holder=holder).values_list("fingerprint", "format")
    ours = set(taken)
    for identity in identities:
        key = identity["fingerprint"], identity["format"]
        if key not in ours:
            dead = RenditionLease.objects.filter(~_is_alive(now), **identity)
            if dead.update(**values) == 1:
                ours.add(key)
    return [each for each in identities if (each["fingerprint"], each["format"]) in ours]


def _keep(holder: uuid.UUID, done: threading.Event) -> None:
    """Renew the lease while its holder is busy; most are done before the first time."""
    is_used = False
    while not done.wait(LEASE / 3):
        is_used = True
        ends_at = timezone.now() + timedelta(seconds=LEASE)
        try:
            RenditionLease.objects.filter(holder=holder).update(ends_at=ends_at)
        except Error:  # its holder will meet the same
            logger.exception("code=lease_not_renewed")
            break
    if is_used:
        connections[database_of(RenditionLease)].close()


def is_leased(identity: Identity) -> bool:
    """Tell whether somebody is at it, and alive."""
    return RenditionLease.objects.filter(_is_alive(timezone.now()), **identity).exists()


def _is_alive(now: datetime) -> Q:
    """Return the condition for leases that have not ended, and end no later than any can."""
    return Q(ends_at__gt=now, ends_at__lte=now + _AHEAD * timedelta(seconds=LEASE))
