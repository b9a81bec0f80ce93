"""The trash: images that nobody sees any more, until they are restored or deleted for good."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import F
from django.utils import timezone

from images_app.conf import get_settings, get_signer
from images_app.database import atomic, database_of, on_commit
from images_app.kept import delete_made
from images_app.models import ImageQuerySet, Rendition, get_image_model
from images_app.models.rendition import rendition_name

_AT_ONCE = 100  # images in a transaction


def trash(images: ImageQuerySet) -> int:
    """Put images into the trash, and return how many were not in it before.

    From then on they are absent for everyone. Galleries and grants stay as they are, so that
    restoring brings all of it back. Renditions stay too, unless URLs are signed: who verifies a
    signature may look at nothing but the file, so those files go, and the version rises, so that
    whoever is making one just now cannot record it. After a restore they are made again.
    """
    if get_signer() is None:
        return images.filter(trashed_at=None).update(trashed_at=timezone.now())
    keys = list(images.filter(trashed_at=None).order_by("pk").values_list("pk", flat=True))
    batches = (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))
    return sum(_trash_signed(images.model, batch) for batch in batches)


def _trash_signed(model: Any, keys: list[int]) -> int:
    """Put a few images into the trash; the files of their renditions go after the commit."""
    using = database_of(model)
    with atomic(model):
        rows = model._base_manager.using(using).filter(pk__in=keys, trashed_at=None)
        number: int = rows.update(trashed_at=timezone.now(), version=F("version") + 1)
        renditions = Rendition.objects.using(using)
        outdated = renditions.filter(image__in=keys, version__lt=F("image__version"))
        fields = ("storage_alias", "image__public_id", "version", "fingerprint", "format")
        found = list(outdated.values_list("pk", *fields))
        made = [(alias, rendition_name(*identity)) for _pk, alias, *identity in found]
        # Without signals, which would have each of them asked for its image again.
        gone = renditions.filter(pk__in=[row[0] for row in found])
        gone._raw_delete(using)  # noqa: SLF001
        on_commit(model, lambda: delete_made(made), robust=True)
    return number


def restore(images: ImageQuerySet) -> int:
    """Take images out of the trash, and return how many were in it."""
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
