"""Housekeeping: bytes go when their records are gone for good, never before."""

from __future__ import annotations

import logging
from typing import Any

from django.core.files.storage import storages
from django.db import transaction
from django.db.models.signals import post_delete, post_save, pre_delete

from images_app.conf import RENDITIONS
from images_app.kept import delete_made
from images_app.models import AbstractImage, PartialUpload, Rendition, get_image_model
from images_app.models.rendition import rendition_name
from images_app.storages import delete_stored

logger = logging.getLogger("images_app.housekeeping")


def connect() -> None:
    """Follow the deletion of images and renditions; called once, by the app's config."""
    pre_delete.connect(_forget_image, sender=get_image_model(), dispatch_uid="images_app.image")
    post_save.connect(
        _forget_superseded, sender=get_image_model(), dispatch_uid="images_app.superseded"
    )
    post_delete.connect(_forget_rendition, sender=Rendition, dispatch_uid="images_app.rendition")
    pre_delete.connect(_forget_parts, sender=PartialUpload, dispatch_uid="images_app.upload")


def _forget_image(sender: Any, instance: AbstractImage, using: str, **_: Any) -> None:
    """Note all names of an image in one query, before its rows are gone."""
    rows = type(instance)._base_manager.using(using).filter(pk=instance.pk)
    # The place read anew: it may have been moved or replaced since the instance was read.
    fields = ("storage_alias", "version", "fingerprint", "format")
    found = rows.values_list(
        "storage_alias", "storage_name", *(f"renditions__{field}" for field in fields)
    )
    stored, made = set(), []
    for alias, name, rendition_alias, *identity in found:
        stored.add((alias, name))
        if rendition_alias is not None:
            made.append((rendition_alias, rendition_name(instance.public_id, *identity)))
    folder = str(instance.public_id)
    aliases = {RENDITIONS, *(alias for alias, _ in made)}

    def delete_all() -> None:
        delete_stored(stored)
        delete_made(made)
        for alias in aliases:
            _delete_folder(alias, folder)

    transaction.on_commit(delete_all, using=using)


def _forget_superseded(
    sender: Any, instance: AbstractImage, *, created: bool, using: str, **_: Any
) -> None:
    """Delete the renditions of former versions: their URLs answer 404 from now on."""
    if not created:
        older = Rendition.objects.using(using).filter(image=instance.pk)
        older.filter(version__lt=instance.version).delete()


def _forget_rendition(
    sender: Any, instance: Rendition, using: str, origin: Any = None, **_: Any
) -> None:
    """Delete the bytes of a rendition that went alone; with its image, the image's rule applies."""
    if isinstance(origin, Rendition) or getattr(origin, "model", None) is Rendition:
        stored = [(instance.storage_alias, instance.storage_name)]
        transaction.on_commit(lambda: delete_made(stored), using=using)


def _forget_parts(sender: Any, instance: PartialUpload, using: str, **_: Any) -> None:
    """Delete what has arrived of an upload that goes with its user, gallery or image."""
    stored = [(instance.storage_alias, name) for name in instance.parts]
    transaction.on_commit(lambda: delete_stored(stored), using=using)


def _delete_folder(alias: str, folder: str) -> None:
    """Delete what no record knew of, such as a rendition that was being made just then."""
    try:
        storage = storages[alias]
        versions, _files = storage.listdir(folder)
        for version in versions:
            for file in storage.listdir(f"{folder}/{version}")[1]:
                storage.delete(f"{folder}/{version}/{file}")
    except (FileNotFoundError, NotImplementedError):  # nothing left, or nothing to look with
        return
    except Exception:
        logger.exception("code=not_deleted storage=%s", alias)
