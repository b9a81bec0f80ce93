"""Replacing: an image gets another original, and with it another version and other URLs."""

from __future__ import annotations

import logging
from typing import Any

from django.core.files import File
from django.db.models import F

from images_app.database import atomic, database_failures_told, on_commit
from images_app.ingest import (
    NOT_CHECKED,
    aware,
    forget_extras,
    kept_name,
    record_extras,
    storing_original,
)
from images_app.models import AbstractImage, ImageQuerySet, get_image_model
from images_app.quotas import check_quota
from images_app.signals import image_replaced
from images_app.storages import delete_stored

logger = logging.getLogger("images_app.ingest")


def replace_original(image: AbstractImage, file: File[bytes]) -> AbstractImage:
    """Give an image another original, through the same gate as an upload.

    The version rises, so that no URL means two pictures: former ones answer 404. The former
    original and its renditions are deleted after the commit. Title, texts, focal point, owner
    and galleries stay; when the picture was taken is read anew, where the new one says so.

    Args:
        image: as it was read; it may be stale.
        file: see ``ingest_image``.

    Returns:
        The image as the database has it now.

    Raises:
        UploadRefused, StorageUnavailable, Busy: see ``ingest_image``; nothing was changed.
        ObjectDoesNotExist: when the image was deleted meanwhile; nothing was kept.

    """
    model = get_image_model()
    with database_failures_told(), storing_original(file) as original, atomic(model):
        current = _next_version(image)
        check_quota(current.owner, None, original.byte_size - current.byte_size)
        former = (current.storage_alias, current.storage_name)
        facts: dict[str, Any] = {"file_name": kept_name(file), **original.facts}
        taken_at = aware(original.inspection.taken_at)
        if taken_at is not None:
            facts["taken_at"] = taken_at
        for name, value in facts.items():
            setattr(current, name, value)
        current.full_clean(exclude=NOT_CHECKED, validate_unique=False)
        current.save(update_fields=[*facts, "updated_at"])
        forget_extras(current)
        record_extras(current, original.inspection)
        on_commit(model, lambda: delete_stored([former]), robust=True)
        on_commit(model, lambda: _announce(current), robust=True)
    return current


def _next_version(image: AbstractImage) -> AbstractImage:
    """Raise the version, and read the image anew.

    Writing first locks the row, and lets SQLite wait for others instead of failing.
    """
    rows = ImageQuerySet(get_image_model()).filter(pk=image.pk)
    rows.update(version=F("version") + 1)
    current: AbstractImage = rows.get()
    return current


def _announce(image: AbstractImage) -> None:
    logger.info("replaced image=%s version=%s bytes=%s", image.pk, image.version, image.byte_size)
    image_replaced.send_robust(sender=type(image), image=image)
