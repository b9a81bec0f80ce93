"""The trash: images that nobody sees any more, until they are restored or deleted for good."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import timezone

from images_app.conf import get_settings
from images_app.database import atomic
from images_app.models import ImageQuerySet, get_image_model


def trash(images: ImageQuerySet) -> int:
    """Put images into the trash, and answer with how many were not in it before.

    From then on they are absent for everyone, signed URLs included. Galleries, grants and
    renditions stay as they are, so that restoring brings all of it back.
    """
    return images.filter(trashed_at=None).update(trashed_at=timezone.now())


def restore(images: ImageQuerySet) -> int:
    """Take images out of the trash, and answer with how many were in it."""
    return images.exclude(trashed_at=None).update(trashed_at=None)


def expired(now: dt.datetime) -> ImageQuerySet:
    """Answer with the images that have been in the trash for ``TRASH_DAYS``."""
    limit = now - dt.timedelta(days=get_settings().trash_days)
    return ImageQuerySet(get_image_model()).filter(trashed_at__lte=limit)


def delete_trashed(image: Any) -> bool:
    """Delete an image for good, unless somebody has restored it meanwhile."""
    model = get_image_model()
    with atomic(model):
        rows = ImageQuerySet(model).filter(pk=image.pk, trashed_at=image.trashed_at)
        # Written, so that a restoring waits, or has been seen.
        if not rows.update(trashed_at=image.trashed_at):
            return False
        rows.get().delete()
    return True
