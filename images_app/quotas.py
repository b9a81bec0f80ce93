"""Quotas: how much one owner may keep, and how many images may hang in one gallery."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import Sum
from django.template.defaultfilters import filesizeformat

from images_app.conf import get_settings
from images_app.database import database_of
from images_app.exceptions import UploadRefused
from images_app.models import Gallery, ImageQuerySet, PartialUpload, get_image_model


def check_quota(
    owner: Any, gallery: Gallery | None, byte_size: int, *, public_id: UUID | None = None
) -> None:
    """Refuse what would be more than the settings allow.

    To be called first in the transaction that records the image: it locks the rows of owner and
    gallery, so that others who add at the same time wait for its end and count what it has added.
    Without quotas, nothing is locked or asked.

    Args:
        owner: whose bytes they will be; None for nobody's, which are not counted.
        gallery: where one more image will hang, if anywhere.
        byte_size: how many bytes there will be more; fewer are never refused.
        public_id: of the image. An upload that becomes it is counted with it already.

    Raises:
        UploadRefused: with the code ``quota_user`` or ``quota_gallery``.

    """
    settings = get_settings()
    # Always in this order: two who wait for each other would wait for ever.
    if settings.max_user_bytes and owner is not None and byte_size > 0:
        lock_owner(owner)
        if used_bytes(owner, without=public_id) + byte_size > settings.max_user_bytes:
            raise UploadRefused("quota_user", limit=filesizeformat(settings.max_user_bytes))
    if settings.max_gallery_images and gallery is not None:
        _lock(Gallery, gallery.pk)
        if gallery.items.count() >= settings.max_gallery_images:
            raise UploadRefused("quota_gallery", limit=settings.max_gallery_images)


def used_bytes(owner: Any, *, without: UUID | None = None) -> int:
    """Answer with the bytes of all originals of an owner and of what they are still sending.

    What is in the trash counts: its bytes are kept.

    Args:
        owner: a user.
        without: the ``public_id`` of an upload that is not to be counted.

    """
    images = ImageQuerySet(get_image_model()).filter(owner=owner.pk)
    uploads = PartialUpload.objects.unfinished().filter(owner=owner.pk)
    if without is not None:
        uploads = uploads.exclude(public_id=without)
    kept: int = images.aggregate(n=Sum("byte_size"))["n"] or 0
    coming: int = uploads.aggregate(n=Sum("length"))["n"] or 0
    return kept + coming


def lock_owner(owner: Any) -> None:
    """Let nobody else add for this owner until the transaction ends."""
    _lock(get_user_model(), owner.pk)


def _lock(model: Any, key: Any) -> None:
    # In the transaction that will write: a host's router may send users elsewhere.
    rows = model._base_manager.using(database_of(get_image_model()))
    # Evaluated, or nothing is locked.
    list(rows.select_for_update().filter(pk=key).values_list("pk"))
