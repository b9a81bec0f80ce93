"""Uploads that nobody has gone on with: they and their parts go."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.core.files.storage import Storage, storages

from images_app.conf import get_settings
from images_app.models import PartialUpload
from images_app.uploads.resuming import FOLDER, delete_parts, drop

logger = logging.getLogger("images_app.uploads")


def expire(now: datetime) -> int:
    """Remove the uploads that cannot be resumed any more, and all parts without an upload.

    Args:
        now: the present time.

    Returns:
        How many uploads have gone.

    """
    gone = 0
    for upload in PartialUpload.objects.expired(now).iterator():
        # Somebody may have gone on with it meanwhile.
        is_still = PartialUpload.objects.filter(pk=upload.pk, touched_at=upload.touched_at)
        if is_still.exists():
            drop(upload)
            gone += 1
    for alias, name in orphaned_parts():
        delete_parts(alias, [name])
    return gone


def orphaned_parts() -> Iterator[tuple[str, str]]:
    """Answer with the (alias, name) of all stored parts that no upload counts.

    They are left by a process that was killed, and by the deletion of a user or a gallery. Of an
    upload that goes on none is named: a part may just be arriving.
    """
    used = PartialUpload.objects.unfinished().values_list("storage_alias", flat=True).distinct()
    for alias in {get_settings().storage, *used.order_by()}:
        storage = storages[alias]
        for folder in _listed(storage, FOLDER, folders=True):
            if not _goes_on(folder):
                for name in _listed(storage, f"{FOLDER}/{folder}", folders=False):
                    yield alias, f"{FOLDER}/{folder}/{name}"


def _goes_on(folder: str) -> bool:
    try:
        public_id = UUID(folder)
    except ValueError:
        return False
    return PartialUpload.objects.unfinished().filter(public_id=public_id).exists()


def _listed(storage: Storage, path: str, *, folders: bool) -> list[str]:
    try:
        found = storage.listdir(path)
    except (FileNotFoundError, NotImplementedError):  # nothing there, or nothing to look with
        return []
    return list(found[0 if folders else 1])
