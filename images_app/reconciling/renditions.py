"""Records of renditions beside their bytes; whatever is amiss can go, and is made again."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.files.storage import storages

from images_app.conf import get_engine
from images_app.exceptions import BytesGone, StorageUnavailable
from images_app.meanings import meanings
from images_app.models import Rendition
from images_app.reconciling.asking import goes_on
from images_app.reconciling.findings import Finding, Kind, Step, Work
from images_app.renditions.stored import failures_told_apart

STAGE = "renditions"
_AT_ONCE = 200  # rows


def check_renditions(work: Work, after: str) -> Iterator[Step]:
    """Look for every rendition's bytes.

    Raises:
        StorageUnavailable: when a storage cannot be asked; nothing is concluded from that.

    """
    last, known = int(after or 0), _fingerprints()
    rows = Rendition.objects.select_related("image").order_by("pk")
    while batch := list(rows.filter(pk__gt=last)[:_AT_ONCE]):
        last = batch[-1].pk
        found = [finding for row in batch for finding in _check(row, work, known)]
        yield Step(stage=STAGE, after=str(last), number=len(batch), findings=tuple(found))


def _fingerprints() -> set[tuple[str, str]]:
    """Answer with (fingerprint, format) of everything that a preset makes."""
    version = get_engine().output_version
    return {
        (spec.fingerprint(version), spec.format)
        for meaning in meanings().values()
        for spec in meaning.specs
    }


def _check(row: Rendition, work: Work, known: set[tuple[str, str]]) -> Iterator[Finding]:
    kind = _problem(row, known)
    if kind is None:
        return
    finding = Finding(
        kind=kind,
        storage=row.storage_alias,
        name=row.storage_name,
        image=row.image_id,
        is_fixed=work.fix,
    )
    if work.fix:
        row.delete()  # its bytes follow
    yield finding


def _problem(row: Rendition, known: set[tuple[str, str]]) -> Kind | None:
    if row.version != row.image.version or (row.fingerprint, row.format) not in known:
        return Kind.RENDITION_OUTDATED
    try:
        with failures_told_apart(row.storage_alias, may_be_absent=True):
            length = storages[row.storage_alias].size(row.storage_name)
    except BytesGone:
        return Kind.RENDITION_MISSING
    except StorageUnavailable as error:
        if goes_on(storages[row.storage_alias], error.__cause__):
            return Kind.RENDITION_MISSING  # it is made again like one that is not there
        raise
    return None if length == row.byte_size else Kind.RENDITION_DRIFTED
