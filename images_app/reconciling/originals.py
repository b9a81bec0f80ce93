"""Records of images beside the bytes of their originals."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from django.core.files.storage import storages

from images_app.exceptions import BytesGone, StorageUnavailable
from images_app.models import AbstractImage, ImageQuerySet, get_image_model
from images_app.reconciling import quarantine
from images_app.reconciling.asking import goes_on
from images_app.reconciling.findings import Finding, Kind, Step, Work
from images_app.renditions.stored import failures_told_apart, open_stored

STAGE = "originals"
_AT_ONCE = 100  # images
_BLOCK = 1 << 18  # bytes


def check_originals(work: Work, after: str) -> Iterator[Step]:
    """Look for every image's original, those in the trash included.

    Raises:
        StorageUnavailable: when a storage cannot be asked; nothing is concluded from that.

    """
    last = int(after or 0)
    while images := list(_images().filter(pk__gt=last).order_by("pk")[:_AT_ONCE]):
        found = [finding for image in images for finding in _check(image, work)]
        last = images[-1].pk
        yield Step(stage=STAGE, after=str(last), number=len(images), findings=tuple(found))


def _images() -> Any:
    return ImageQuerySet(get_image_model())


def _check(image: AbstractImage, work: Work) -> Iterator[Finding]:
    kind = _problem(image, work)
    # It may have been deleted, replaced or moved since it was read.
    if kind is not None and _images().filter(pk=image.pk, **_place(image)).exists():
        yield _finding(image, kind, work)


def _finding(image: AbstractImage, kind: Kind, work: Work) -> Finding:
    alias, name = image.storage_alias, image.storage_name
    is_back = is_there = False
    if kind is Kind.MISSING:
        with failures_told_apart(alias):
            is_back = work.fix and quarantine.bring_back(storages[alias], name)
            is_there = not is_back and quarantine.find(storages[alias], name) is not None
    return Finding(
        kind=kind,
        storage=alias,
        name=name,
        image=image.pk,
        is_fixed=is_back,
        is_in_quarantine=is_there,
    )


def _place(image: AbstractImage) -> dict[str, str]:
    return {"storage_alias": image.storage_alias, "storage_name": image.storage_name}


def _problem(image: AbstractImage, work: Work) -> Kind | None:
    alias, name = image.storage_alias, image.storage_name
    try:
        with failures_told_apart(alias, may_be_absent=True):
            length = storages[alias].size(name)
        if length != image.byte_size:
            return Kind.DAMAGED
        if work.checksums and _checksum(alias, name) != image.checksum:
            return Kind.DAMAGED
    except BytesGone:
        return Kind.MISSING
    except StorageUnavailable as error:
        if goes_on(storages[alias], error.__cause__):
            return Kind.UNREADABLE
        raise
    return None


def _checksum(alias: str, name: str) -> str:
    digest = hashlib.sha256()
    with closing(open_stored(alias, name)) as file, failures_told_apart(alias):
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
