"""Whose bytes these are: each storage carries a mark that names the site whose database knows it.

A mark is an object named ``.images-app-site/<id of the site>-<number of runs>``. The database
has the same id, and counts the runs that take stored bytes away. A mark of another id belongs to
another database; one with more runs than the database remembers means that the database is older
than the bytes: a restored backup, or a copy of a database that went on. Neither may delete here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.core.signals import setting_changed
from django.db import Error, router, transaction
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from images_app.exceptions import StorageUnavailable
from images_app.models import AbstractImage, ImageQuerySet, Installation, Rendition, get_image_model
from images_app.storages.filesystem import PARTIAL_PREFIX

logger = logging.getLogger("images_app.ownership")

FOLDER = ".images-app-site"
_MARK = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(\d{1,18})")
_CONTENT = b"Names the site whose database knows these files. Leave it here.\n"
_LOOKED_AT = 20  # records whose bytes are looked for before a storage counts as nobody's
_seen: set[str] = set()  # aliases that this process has looked at


@dataclass(frozen=True, kw_only=True, order=True)
class Mark:
    """One mark beside the bytes."""

    site: UUID
    runs: int

    @property
    def name(self) -> str:
        """Its name in the storage."""
        return f"{FOLDER}/{self.site}-{self.runs}"


class NotOurs(Exception):
    """A refusal to take bytes away from storages; ``str`` tells people why and what to do."""


def is_mark(name: str) -> bool:
    """Return whether a stored name is in the folder of marks, of this storage or one inside."""
    *folders, last = name.split("/")
    return FOLDER in folders and not last.startswith(PARTIAL_PREFIX)


def mark_once(alias: str) -> None:
    """Mark a storage that gets its first bytes; look only once in each process.

    Nothing happens before the commit, for only then does the id of the site exist. A failure is
    logged and hinders nobody; the next process tries again.
    """
    if alias not in _seen:
        mark = partial(_mark_quietly, alias)
        transaction.on_commit(mark, using=_database(), robust=True)


def mark_if_known(alias: str) -> bool:
    """Mark a storage without a mark where records name bytes that are there.

    Returns:
        Whether a mark was written.

    Raises:
        StorageUnavailable: when the storage cannot be asked.

    """
    with _asking(alias) as storage:
        if _marks(storage) or not any(map(storage.exists, _recorded(alias))):
            return False
        _write(storage, _our_mark())
    return True


def mark_if_empty(alias: str) -> None:
    """Mark a storage that has neither mark nor file, and gets its first ones now.

    Raises:
        StorageUnavailable: when the storage cannot be asked.

    """
    with _asking(alias) as storage:
        if not _marks(storage) and _is_empty(storage):
            _write(storage, _our_mark())


def adopt(alias: str) -> None:
    """Make this database the owner of a storage, whatever its marks say.

    Raises:
        StorageUnavailable: when the storage cannot be asked.

    """
    with _asking(alias) as storage:
        found, _row = _marks(storage), _our_mark()
        most = max((mark.runs for mark in found), default=0)
        # Another database that counts itself the owner is behind from now on.
        _installation().filter(runs__lte=most).update(runs=most + 1)
        ours = _our_mark()
        _write(storage, ours)
        for mark in found - {ours}:
            storage.delete(mark.name)


def refuse_unless_ours(aliases: Iterable[str]) -> None:
    """Raise NotOurs unless this database may take bytes away from all of these storages.

    Raises:
        NotOurs: when one of them is another site's, or has no mark, or when the database is
            older than its bytes.
        StorageUnavailable: when a storage cannot be asked.

    """
    if complaints := [text for alias in sorted(set(aliases)) for text in _complaints(alias)]:
        raise NotOurs("\n".join(complaints))


def begin_run(aliases: Iterable[str]) -> None:
    """Note a run that takes bytes away, in the database and beside the bytes.

    Args:
        aliases: of every storage that it may take from.

    Raises:
        NotOurs, StorageUnavailable: see ``refuse_unless_ours``; nothing was noted then.

    """
    aliases = sorted(set(aliases))
    refuse_unless_ours(aliases)
    _installation().update(runs=F("runs") + 1)
    # In this order: a mark that is behind the database, after a kill between, is no harm.
    ours = _our_mark()
    for alias in aliases:
        with _asking(alias) as storage:
            older = {m for m in _marks(storage) if m.site == ours.site and m.runs < ours.runs}
            if older:
                _write(storage, ours)
            for mark in older:
                storage.delete(mark.name)


def unmarked(aliases: Iterable[str]) -> list[str]:
    """Return those storages that have no mark, and may have bytes of ours or of somebody else.

    Raises:
        StorageUnavailable: when a storage cannot be asked.

    """
    return [alias for alias in sorted(set(aliases)) if _lacks_mark(alias)]


def _complaints(alias: str) -> Iterator[str]:
    if _lacks_mark(alias):
        yield _(
            "STORAGES['%(alias)s'] has no mark that says whose files they are. Run "
            "`images_reconcile` without --fix: it marks a storage where it finds files of this "
            "database. If it finds none and they are yours all the same, run `images_reconcile "
            "--adopt-storage %(alias)s`."
        ) % {"alias": alias}
        return
    ours = _our_mark()
    with _asking(alias) as storage:
        found = _marks(storage)
    if others := sorted(str(mark.site) for mark in found if mark.site != ours.site):
        yield _(
            "STORAGES['%(alias)s'] belongs to the site %(other)s; this database is the site "
            "%(site)s. Look whether DATABASES and STORAGES are those that you mean. If this "
            "database is the owner from now on, run `images_reconcile --adopt-storage %(alias)s`."
        ) % {"alias": alias, "other": others[0], "site": ours.site}
    elif (runs := max((mark.runs for mark in found), default=0)) > ours.runs:
        yield _(
            "STORAGES['%(alias)s'] has seen %(runs)s runs that take files away; this database "
            "remembers %(own)s. So it is an older backup, or another copy of it works on the same "
            "files. Restore a newer backup if there is one. If this database is the owner from "
            "now on, run `images_reconcile --adopt-storage %(alias)s`."
        ) % {"alias": alias, "runs": runs, "own": ours.runs}


def _lacks_mark(alias: str) -> bool:
    """Return whether a storage should have a mark and has none.

    An empty one needs none, unless originals should be there: what is recorded of renditions can
    go, for they are made again.
    """
    with _asking(alias) as storage:
        if _marks(storage):
            return False
        try:
            is_empty = _is_empty(storage)
        except NotImplementedError:  # nothing to look with, so nothing is ever marked
            return False
    return not is_empty or _originals(alias).exists()


def _is_empty(storage: Storage) -> bool:
    try:
        folders, files = storage.listdir("")
    except FileNotFoundError:
        return True
    return not files and set(folders) <= {FOLDER}


def _mark_quietly(alias: str) -> None:
    _seen.add(alias)
    try:
        with _asking(alias) as storage:
            found, ours = _marks(storage), _our_mark()
            if not found:
                _write(storage, ours)
            elif any(mark.site != ours.site for mark in found):
                logger.warning("code=storage_of_another_site storage=%s", alias)
    except NotImplementedError:
        pass
    except Exception:
        # Whatever a storage or a database raises: this is about housekeeping, not about an image.
        logger.warning("code=not_marked storage=%s", alias, exc_info=True)


@contextmanager
def _asking(alias: str) -> Iterator[Storage]:
    """Yield a storage; raise StorageUnavailable where it cannot be asked."""
    try:
        yield storages[alias]
    except (NotImplementedError, Error):
        raise
    except Exception as error:
        # Object stores raise their own types for whatever their network does.
        raise StorageUnavailable(type(error).__name__) from error


def _marks(storage: Storage) -> set[Mark]:
    try:
        _folders, names = storage.listdir(FOLDER)
    except (FileNotFoundError, NotImplementedError):
        return set()
    found = (_MARK.fullmatch(name) for name in names)
    return {Mark(site=UUID(match[1]), runs=int(match[2])) for match in found if match}


def _write(storage: Storage, mark: Mark) -> None:
    saved = storage.save(mark.name, ContentFile(_CONTENT))
    if saved != mark.name:  # another process was faster
        storage.delete(saved)


def _our_mark() -> Mark:
    row = _installation().get_or_create()[0]
    return Mark(site=row.site_id, runs=row.runs)


def _installation() -> QuerySet[Installation]:
    # Where it is written: a replica may not have it yet.
    return Installation.objects.using(_database()).filter(pk=1)


def _database() -> str:
    return router.db_for_write(Installation)


def _recorded(alias: str) -> Iterator[str]:
    """Yield names that records say are in a storage, the oldest and the newest ones."""
    originals = _originals(alias)
    for order in ("pk", "-pk"):
        names = originals.order_by(order).values_list("storage_name", flat=True)
        yield from names[: _LOOKED_AT // 2]
    made = Rendition.objects.filter(storage_alias=alias).select_related("image")
    yield from (row.storage_name for row in made.order_by("-pk")[:_LOOKED_AT])


def _originals(alias: str) -> QuerySet[AbstractImage]:
    return ImageQuerySet(get_image_model()).filter(storage_alias=alias)


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "STORAGES":
        _seen.clear()


setting_changed.connect(_forget)
