"""Sources: an image is fetched once, and looked for again; what it needs is always here."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib.auth import get_permission_codename
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.core.files import File
from django.db import DatabaseError
from django.db.models import QuerySet
from django.utils import timezone

from images_app.access import Viewer
from images_app.conf import get_limits, get_policy
from images_app.contrib.remote.conf import get_remote
from images_app.contrib.remote.fetching import Fetched, Fetcher, Validators
from images_app.contrib.remote.models import RemoteSource
from images_app.contrib.remote.network import Network
from images_app.contrib.remote.targets import parse_target
from images_app.exceptions import ImagesAppError, StorageUnavailable
from images_app.ingest import ingest_image
from images_app.models import AbstractImage, Gallery, ImageQuerySet, get_image_model
from images_app.replacing import replace_original

logger = logging.getLogger("images_app.remote")
network = Network()


def fetch_image(
    url: str, *, owner: Any, gallery: Gallery | None = None, user: Any = None
) -> AbstractImage:
    """Fetch an image from the web, through the same gate as an upload.

    Args:
        url: of a host that IMAGES_APP["REMOTE"] names.
        owner: of the image, or None.
        gallery: where the image is appended, if anywhere.
        user: on whose behalf; None for an operator's command.

    Raises:
        PermissionDenied: when this user may not; see may_fetch.
        RemoteRefused: when nothing was fetched, saying why.
        UploadRefused, StorageUnavailable, Busy: see ingest_image.

    """
    if user is not None and not may_fetch(user, gallery):
        raise PermissionDenied
    with _fetching(url) as fetched:
        image = ingest_image(_named_file(fetched), owner=owner, gallery=gallery)
        try:
            _record(image, parse_target(url).url, fetched)
        except BaseException as error:
            image.delete()
            if isinstance(error, DatabaseError):
                raise StorageUnavailable(type(error).__name__) from error
            raise
    return image


def may_fetch(user: Any, gallery: Gallery | None = None) -> bool:
    """Tell whether a user is staff that may add images and remote sources, here."""
    permissions = [
        f"{model._meta.app_label}.{get_permission_codename('add', model._meta)}"
        for model in (get_image_model(), RemoteSource)
    ]
    if not (user.is_active and user.is_staff and user.has_perms(permissions)):
        return False
    return gallery is None or get_policy().may_add(Viewer(user=user), gallery)


def refresh(source: RemoteSource) -> str:
    """Look whether an image has changed where it came from; if it has, replace the original.

    Whatever goes wrong is noted, and the image stays as it is.

    Returns:
        ``unchanged``, ``replaced``, or the code of what went wrong.

    """
    seen: dict[str, Any] = {}
    try:
        with _fetching(source.url, source.validators) as fetched:
            outcome = _keep(source, fetched)
            seen = _columns(fetched, source.checksum)
    except ImagesAppError as error:
        outcome = error.code
    except ObjectDoesNotExist:
        outcome = "image_gone"
    if outcome == RemoteSource.REPLACED:
        seen["fetched_at"] = timezone.now()
    seen |= {"outcome": outcome, "checked_at": timezone.now()}
    # Not by save(): the image may have been deleted meanwhile, and its source with it.
    RemoteSource.objects.filter(pk=source.pk).update(**seen)
    for name, value in seen.items():
        setattr(source, name, value)
    return outcome


def due_sources(older_than: dt.timedelta) -> QuerySet[RemoteSource]:
    """Answer with the sources that were not looked at for so long, the oldest first."""
    due = RemoteSource.objects.filter(
        checked_at__lte=timezone.now() - older_than, image__trashed_at=None
    )
    return due.order_by("checked_at", "pk")


def _keep(source: RemoteSource, fetched: Fetched) -> str:
    """Put other bytes into the place of the original."""
    if fetched.file is None or fetched.checksum == source.checksum:
        return RemoteSource.UNCHANGED
    image = ImageQuerySet(get_image_model()).get(pk=source.pk)
    replace_original(image, _named_file(fetched))
    return RemoteSource.REPLACED


@contextmanager
def _fetching(url: str, known: Validators | None = None) -> Iterator[Fetched]:
    fetcher = Fetcher(
        remote=get_remote(),
        limits=get_limits(),
        network=network,
        folder=settings.FILE_UPLOAD_TEMP_DIR,
    )
    try:
        with fetcher.fetch(url, known) as fetched:
            yield fetched
    except ImagesAppError as error:
        logger.warning("not fetched: %s", error)
        raise


def _record(image: AbstractImage, url: str, fetched: Fetched) -> None:
    now = timezone.now()
    RemoteSource.objects.create(
        image_id=image.pk,
        url=url,
        fetched_at=now,
        checked_at=now,
        outcome=RemoteSource.FETCHED,
        **_columns(fetched),
    )


def _columns(fetched: Fetched, checksum: str = "") -> dict[str, str]:
    validators = fetched.validators
    return {
        "final_url": validators.url,
        "etag": validators.etag,
        "last_modified": validators.last_modified,
        "checksum": fetched.checksum or checksum,
    }


def _named_file(fetched: Fetched) -> File[bytes]:
    return File(fetched.file, name=fetched.file_name)
