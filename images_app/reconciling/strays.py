"""Stored bytes that no record names: what a crash, a kill or a rollback left behind."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from uuid import UUID

from django.conf import settings
from django.core.files.storage import Storage, storages

from images_app.conf import RENDITIONS, get_settings
from images_app.database import stored_time
from images_app.exceptions import BytesGone, StorageUnavailable
from images_app.models import ImageQuerySet, PartialUpload, Rendition, get_image_model
from images_app.models.rendition import rendition_name
from images_app.ownership import is_mark
from images_app.reconciling import quarantine
from images_app.reconciling.asking import goes_on
from images_app.reconciling.findings import Finding, Kind, Step, Work
from images_app.reconciling.listing import list_folder
from images_app.renditions.stored import failures_told_apart
from images_app.storages.filesystem import PARTIAL_PREFIX

STAGE = "strays"
_AT_ONCE = 200  # names in one query
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# The end of Django's for a name that was taken.
_ORIGINAL = re.compile(r"[0-9a-f]{2}/[0-9a-f]{32}(_\w{7})?\.[a-z0-9]{1,5}")
_RENDITION = re.compile(rf"({_UUID})/\d+/[0-9a-f]{{16}}(_\w{{7}})?\.[a-z0-9]{{1,5}}")
_OUR_FOLDER = re.compile(rf"[0-9a-f]{{2}}|(partial/)?{_UUID}(/\d+)?|partial")
_PART = re.compile(rf"partial/({_UUID})/\d+-[0-9a-f]{{8}}(_\w{{7}})?")

_Known = Callable[[str, Sequence[str]], set[str]]


def storages_in_use() -> tuple[str, ...]:
    """Answer with the aliases that records name, or new bytes go to."""
    found = {get_settings().storage, RENDITIONS}
    for rows in (ImageQuerySet(get_image_model()), Rendition.objects):
        found.update(rows.order_by().values_list("storage_alias", flat=True).distinct())
    return tuple(sorted(found & settings.STORAGES.keys()))


def check_strays(work: Work, after: str) -> Iterator[Step]:
    """Look at every stored file, one top-level folder after the other.

    Raises:
        StorageUnavailable: when a storage cannot be asked; nothing is deleted then.

    """
    done = tuple(after.rpartition("/")[::2]) if after else ()  # an alias and a folder of it
    for alias in aliases_of(work):
        with failures_told_apart(alias):
            storage = storages[alias]
            folders, files = list_folder(storage, "")
        for folder in sorted({*folders, ""}):
            key = f"{alias}/{folder}"
            if (alias, folder) <= done:
                continue
            with failures_told_apart(alias):
                names, unreadable = (files, []) if not folder else _walk(storage, folder)
            found = [*_unread(alias, unreadable), *_check(alias, storage, names, work)]
            yield Step(stage=STAGE, after=key, number=len(names), findings=tuple(found))
        if work.fix:
            with failures_told_apart(alias):
                quarantine.delete_expired(alias)


def aliases_of(work: Work) -> list[str]:
    """Return the aliases of the storages that are searched."""
    return sorted({*storages_in_use(), *work.storages})


def is_original(name: str) -> bool:
    """Return whether a name is of the kind that originals get."""
    return _ORIGINAL.fullmatch(name) is not None


def count_originals(alias: str, work: Work) -> tuple[int, int]:
    """Return how many originals in a storage a record names, and how many of them are strays.

    Raises:
        StorageUnavailable: when the storage cannot be asked.

    """
    known = stray = 0
    with failures_told_apart(alias):
        storage = storages[alias]
        for folder in list_folder(storage, "")[0]:
            names = [name for name in _walk(storage, folder)[0] if is_original(name)]
            found = list(_check(alias, storage, names, dataclasses.replace(work, fix=False)))
            stray += sum(finding.kind is Kind.STRAY for finding in found)
            for start in range(0, len(names), _AT_ONCE):
                known += len(_known_originals(alias, names[start : start + _AT_ONCE]))
    return known, stray


def _walk(storage: Storage, folder: str) -> tuple[list[str], list[str]]:
    """Return the files in and below a folder, and the folders that cannot be read."""
    try:
        folders, files = list_folder(storage, folder)
    except Exception as error:
        # A disk's lost+found, or a folder that was damaged; the others are looked at.
        if goes_on(storage, error):
            return [], [folder]
        raise
    names, unreadable = [f"{folder}/{name}" for name in files], []
    for inner in folders:
        more, closed = _walk(storage, f"{folder}/{inner}")
        names += more
        unreadable += closed
    return names, unreadable


def _unread(alias: str, folders: Sequence[str]) -> Iterator[Finding]:
    for folder in folders:
        kind = Kind.UNREADABLE if _OUR_FOLDER.fullmatch(folder) else Kind.FOREIGN
        yield Finding(kind=kind, storage=alias, name=f"{folder}/")


def _check(alias: str, storage: Storage, names: Sequence[str], work: Work) -> Iterator[Finding]:
    names = [name for name in names if not is_mark(name) and not quarantine.is_in_quarantine(name)]
    for start in range(0, len(names), _AT_ONCE):
        batch = names[start : start + _AT_ONCE]
        known = _known_originals(alias, batch) | _known_renditions(alias, batch) | _parts(batch)
        for name in sorted(set(batch) - known):
            yield from _judge(alias, storage, name, work)


def _judge(alias: str, storage: Storage, name: str, work: Work) -> Iterator[Finding]:
    if not _is_ours(name):
        yield Finding(kind=Kind.FOREIGN, storage=alias, name=name)
        return
    is_kept = work.fix and is_original(name)
    try:
        with failures_told_apart(alias, may_be_absent=True):
            saved_at = _saved_at(storage, name)
            elsewhere = _named_elsewhere(alias, name)
            # An upload, a rendition or a move may be about to record it, or somebody still reads
            # what was moved a moment ago.
            if max([saved_at, *elsewhere]) > work.older_than:
                return
            if saved_at in elsewhere:  # two aliases lead to one file; E006 cannot see it of all
                yield Finding(kind=Kind.FOREIGN, storage=alias, name=name)
                return
            if is_kept:
                quarantine.put_away(storage, name)
            elif work.fix:
                storage.delete(name)
    except BytesGone:
        return
    except StorageUnavailable as error:
        if not goes_on(storage, error.__cause__):
            raise
        yield Finding(kind=Kind.STRAY, storage=alias, name=name)
        return
    yield Finding(
        kind=Kind.STRAY, storage=alias, name=name, is_fixed=work.fix, is_in_quarantine=is_kept
    )


def _is_ours(name: str) -> bool:
    is_partial = name.rpartition("/")[2].startswith(PARTIAL_PREFIX)
    return is_partial or any(p.fullmatch(name) for p in (_ORIGINAL, _RENDITION, _PART))


def _saved_at(storage: Storage, name: str) -> dt.datetime:
    return stored_time(storage.get_modified_time(name))


def _named_elsewhere(alias: str, name: str) -> list[dt.datetime]:
    """Answer with when files of this name were saved that records name by other aliases."""
    originals = ImageQuerySet(get_image_model()).filter(storage_name=name)
    aliases = {RENDITIONS} if _RENDITION.fullmatch(name) else set[str]()
    aliases.update(originals.order_by().values_list("storage_alias", flat=True))
    found = []
    for other in (aliases - {alias}) & settings.STORAGES.keys():
        with suppress(FileNotFoundError):
            found.append(_saved_at(storages[other], name))
    return found


def _known_originals(alias: str, names: Sequence[str]) -> set[str]:
    names = [name for name in names if _ORIGINAL.fullmatch(name)]
    rows = ImageQuerySet(get_image_model()).filter(storage_alias=alias, storage_name__in=names)
    return set(rows.values_list("storage_name", flat=True))


def _known_renditions(alias: str, names: Sequence[str]) -> set[str]:
    ids = {UUID(match[1]) for name in names if (match := _RENDITION.fullmatch(name))}
    rows = Rendition.objects.filter(storage_alias=alias, image__public_id__in=ids)
    fields = ("image__public_id", "version", "fingerprint", "format")
    return {rendition_name(*values) for values in rows.values_list(*fields)}


def _parts(names: Sequence[str]) -> set[str]:
    """Answer with the names of parts whose upload is still under way."""
    ids = {name: UUID(match[1]) for name in names if (match := _PART.fullmatch(name))}
    open_ones = PartialUpload.objects.filter(public_id__in=set(ids.values()))
    known = set(open_ones.values_list("public_id", flat=True))
    return {name for name, public_id in ids.items() if public_id in known}
