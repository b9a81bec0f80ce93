"""Stored bytes that no record names: what a crash, a kill or a rollback left behind."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from uuid import UUID

from django.conf import settings
from django.core.files.storage import Storage, storages

from images_app.conf import RENDITIONS, get_settings
from images_app.database import stored_time
from images_app.exceptions import BytesGone
from images_app.models import ImageQuerySet, PartialUpload, Rendition, get_image_model
from images_app.models.rendition import rendition_name
from images_app.reconciling.findings import Finding, Kind, Step, Work
from images_app.renditions.stored import failures_told_apart
from images_app.storages.filesystem import PARTIAL_PREFIX

STAGE = "strays"
_AT_ONCE = 200  # names in one query
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# The end of Django's for a name that was taken.
_ORIGINAL = re.compile(r"[0-9a-f]{2}/[0-9a-f]{32}(_\w{7})?\.[a-z0-9]{1,5}")
_RENDITION = re.compile(rf"({_UUID})/\d+/[0-9a-f]{{16}}(_\w{{7}})?\.[a-z0-9]{{1,5}}")
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
    for alias in sorted({*storages_in_use(), *work.storages}):
        with failures_told_apart(alias):
            storage = storages[alias]
            folders, files = _list(storage, "")
        for folder in sorted({*folders, ""}):
            key = f"{alias}/{folder}"
            if after and key <= after:
                continue
            with failures_told_apart(alias):
                names = files if folder == "" else list(_files_below(storage, folder))
            found = list(_check(alias, storage, names, work))
            yield Step(stage=STAGE, after=key, number=len(names), findings=tuple(found))


def _list(storage: Storage, folder: str) -> tuple[list[str], list[str]]:
    try:
        return storage.listdir(folder)
    except FileNotFoundError:  # nothing was stored yet, or the last file went meanwhile
        return [], []


def _files_below(storage: Storage, folder: str) -> Iterator[str]:
    folders, files = _list(storage, folder)
    yield from (f"{folder}/{name}" for name in files)
    for inner in folders:
        yield from _files_below(storage, f"{folder}/{inner}")


def _check(alias: str, storage: Storage, names: Sequence[str], work: Work) -> Iterator[Finding]:
    for start in range(0, len(names), _AT_ONCE):
        batch = names[start : start + _AT_ONCE]
        known = _known_originals(alias, batch) | _known_renditions(alias, batch) | _parts(batch)
        for name in sorted(set(batch) - known):
            yield from _judge(alias, storage, name, work)


def _judge(alias: str, storage: Storage, name: str, work: Work) -> Iterator[Finding]:
    if not _is_ours(name):
        yield Finding(kind=Kind.FOREIGN, storage=alias, name=name)
        return
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
            if work.fix:
                storage.delete(name)
    except BytesGone:
        return
    yield Finding(kind=Kind.STRAY, storage=alias, name=name, is_fixed=work.fix)


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
