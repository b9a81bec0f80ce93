"""Housekeeping: bytes go when their records are gone for good, never before."""

from __future__ import annotations

import logging
from typing import Any

from django.core.files.storage import storages
from django.db import transaction
from django.db.models.signals import post_delete, pre_delete

from images_app.models import AbstractImage, Rendition, get_image_model
from images_app.models.rendition import rendition_name

logger = logging.getLogger("images_app.housekeeping")


def connect() -> None:
    """Follow the deletion of images and renditions; called once, by the app's config."""
    pre_delete.connect(_forget_image, sender=get_image_model(), dispatch_uid="images_app.image")
    post_delete.connect(_forget_rendition, sender=Rendition, dispatch_uid="images_app.rendition")


def _forget_image(sender: Any, instance: AbstractImage, using: str, **_: Any) -> None:
    """Note all names of an image in one query, before its rows are gone."""
    stored = [(instance.storage_alias, instance.storage_name)]
    for rendition in Rendition.objects.using(using).filter(image=instance.pk):
        name = rendition_name(
            instance.public_id, rendition.version, rendition.fingerprint, rendition.format
        )
        stored.append((rendition.storage_alias, name))
    transaction.on_commit(lambda: _delete_bytes(stored), using=using)


def _forget_rendition(
    sender: Any, instance: Rendition, using: str, origin: Any = None, **_: Any
) -> None:
    """Delete the bytes of a rendition that went alone; with its image, the image's rule applies."""
    if isinstance(origin, Rendition) or getattr(origin, "model", None) is Rendition:
        stored = [(instance.storage_alias, instance.storage_name)]
        transaction.on_commit(lambda: _delete_bytes(stored), using=using)


def _delete_bytes(stored: list[tuple[str, str]]) -> None:
    """Delete files; what the storage refuses is logged and stays, the others still go."""
    for alias, name in stored:
        try:
            storages[alias].delete(name)
        except Exception:
            logger.exception("code=not_deleted storage=%s", alias)
