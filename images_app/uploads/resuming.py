"""Files that arrive in parts: begin, append, join, drop; on any storage, from any host."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any
from uuid import UUID, uuid4

from django.core.files import File
from django.core.files.storage import storages
from django.db import IntegrityError
from django.http import Http404
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from images_app.access import Viewer
from images_app.conf import get_limits, get_settings
from images_app.database import atomic, on_commit
from images_app.exceptions import (
    BytesGone,
    ImagesAppError,
    OffsetMismatch,
    StorageUnavailable,
    UploadRefused,
)
from images_app.models import AbstractImage, ImageQuerySet, PartialUpload, get_image_model
from images_app.ownership import mark_once
from images_app.quotas import check_quota, lock_owner
from images_app.storages import delete_stored
from images_app.temporary import temporary_file
from images_app.uploads.receiving import Taken, Target, take_in
from images_app.validation import check_length

logger = logging.getLogger("images_app.uploads")

FOLDER = "partial"
MOST_UNFINISHED = 100
"""Uploads that one user may have begun and not finished."""
MOST_PARTS = 5000
"""Parts of one file: their names are written anew with each."""
_BLOCK = 64 * 1024
# What can be another time, of the same bytes.
_MAY_PASS_LATER = frozenset({"quota_user", "quota_gallery"})


def begin(viewer: Viewer, target: Target, *, length: int, metadata: str = "") -> PartialUpload:
    """Make room for a file that is to come.

    Args:
        viewer: whose image it will be; logged in.
        target: where it goes; whether the viewer may add there was decided before.
        length: of the whole file, in bytes.
        metadata: what the client wants to be told again.

    Raises:
        UploadRefused: when the file would be too large, or there are too many already.

    """
    check_length(length, get_limits())
    user: Any = viewer.user
    with atomic(PartialUpload):
        lock_owner(user)
        unfinished = PartialUpload.objects.unfinished().filter(owner=user.pk)
        if unfinished.count() >= MOST_UNFINISHED:
            raise UploadRefused("too_many_uploads", limit=MOST_UNFINISHED)
        check_quota(user, target.gallery, length)
        upload: PartialUpload = PartialUpload.objects.create(
            owner=user,
            gallery=target.gallery,
            position=target.position,
            duplicates=target.duplicates,
            metadata=metadata,
            length=length,
            storage_alias=get_settings().storage,
        )
    return upload


def find_upload(user: Any, public_id: UUID) -> PartialUpload | None:
    """Answer with an upload of this user that can still be resumed, or has become an image."""
    uploads = PartialUpload.objects.filter(owner=user.pk, public_id=public_id)
    found: PartialUpload | None = uploads.select_related("gallery").first()
    return None if found is None or found.expires_at <= timezone.now() else found


def check_part(upload: PartialUpload, offset: int, length: int) -> None:
    """Refuse a part that does not fit.

    Raises:
        OffsetMismatch: when the upload is not, or not any more, where the part begins.
        UploadRefused: when there is more than was announced, or in too many parts.

    """
    if offset != upload.offset:
        raise OffsetMismatch(offset=upload.offset)
    if offset + length > upload.length:
        raise UploadRefused("too_large", limit=filesizeformat(upload.length))
    if length and len(upload.parts) >= MOST_PARTS:
        raise UploadRefused("too_many_parts", limit=MOST_PARTS)


def append(upload: PartialUpload, offset: int, part: IO[bytes], length: int) -> None:
    """Keep one more part.

    The bytes are stored first and counted then, by one statement that only one of several who
    send the same part can win; the others' bytes go again.

    Args:
        upload: as it was read; changed to what it is afterwards.
        offset: in the whole file.
        part: readable from its start.
        length: of the part, in bytes.

    Raises:
        OffsetMismatch, UploadRefused: see ``check_part``.
        Http404: when the upload was dropped meanwhile.
        StorageUnavailable: when the part is not stored.

    """
    check_part(upload, offset, length)
    if length == 0:
        return
    name = _store(upload, offset, part)
    moved = {
        "offset": offset + length,
        "parts": [*upload.parts, name],
        "touched_at": timezone.now(),
    }
    try:
        # What has been at this offset has these parts: it never comes back to one.
        is_moved = PartialUpload.objects.filter(pk=upload.pk, offset=offset).update(**moved)
    except BaseException:
        delete_parts(upload.storage_alias, [name])
        raise
    if not is_moved:
        delete_parts(upload.storage_alias, [name])
        now_at = PartialUpload.objects.filter(pk=upload.pk).values_list("offset", flat=True).first()
        if now_at is None:
            raise Http404
        raise OffsetMismatch(offset=now_at)
    for field, value in moved.items():
        setattr(upload, field, value)


def finish(upload: PartialUpload, viewer: Viewer, target: Target, *, file_name: str) -> Taken:
    """Make an image of an upload whose bytes have all arrived.

    The image gets the public id of the upload, of which there is only one: whoever comes second,
    or again because the answer was lost, gets the same image. While the uploader has to choose,
    or has no room, the parts stay; what is not let in for what it is goes at once.

    Raises:
        ImagesAppError: see ``take_in``.

    """
    made = _made_of(upload, viewer)
    if made is not None:
        _settle(upload, made)  # whoever made it may have been killed before
        return Taken(image=made)
    try:
        with _joined(upload) as joined:
            file = File(joined, name=file_name)
            taken = take_in(file, viewer, target, public_id=upload.public_id)
    except (ImagesAppError, IntegrityError) as error:
        made = _made_of(upload, viewer)  # by another, meanwhile
        if made is None:
            if _is_hopeless(error):
                drop(upload)
            if isinstance(error, IntegrityError):  # that image is in the trash, or another's now
                raise BytesGone("became an image already") from error
            raise
        return Taken(image=made)
    for image in taken.duplicates:
        if image.public_id == upload.public_id:  # likewise
            return Taken(image=image)
    if taken.image is not None:
        _settle(upload, taken.image)
    return taken


def _is_hopeless(error: Exception) -> bool:
    """Tell whether the same bytes would be refused another time, too."""
    if isinstance(error, UploadRefused):
        return error.code not in _MAY_PASS_LATER
    return isinstance(error, (BytesGone, IntegrityError))


def drop(upload: PartialUpload) -> None:
    """Forget an upload and its parts; an image that it has become stays."""
    with atomic(PartialUpload):
        # Locked, so that none is added between: who is late finds no upload, and cleans up.
        for row in PartialUpload.objects.select_for_update().filter(pk=upload.pk):
            row.delete()  # its parts follow


def delete_parts(alias: str, names: list[str]) -> None:
    """Delete stored parts; those that stay are found by ``orphaned_parts``."""
    delete_stored((alias, name) for name in names)


def _made_of(upload: PartialUpload, viewer: Viewer) -> AbstractImage | None:
    """Answer with the image that an upload has become already."""
    known = PartialUpload.objects.filter(pk=upload.pk).values_list("image", flat=True).first()
    if known is None:
        own = ImageQuerySet(get_image_model()).filter(trashed_at=None, owner=viewer.user.pk)
        made: AbstractImage | None = own.filter(public_id=upload.public_id).first()
        return made
    seen = ImageQuerySet(get_image_model()).visible_to(viewer)
    used: AbstractImage | None = seen.filter(pk=known).first()
    return used


def _settle(upload: PartialUpload, image: AbstractImage) -> None:
    """Note what an upload has become, and let go of its parts."""
    rows = PartialUpload.objects.filter(pk=upload.pk)
    names = [name for parts in rows.values_list("parts", flat=True) for name in parts]
    rows.update(image=image.pk, parts=[])
    on_commit(PartialUpload, lambda: delete_parts(upload.storage_alias, names), robust=True)


def _store(upload: PartialUpload, offset: int, part: IO[bytes]) -> str:
    part.seek(0)
    mark_once(upload.storage_alias)
    try:
        # A name that nobody else takes: not every object store refuses to overwrite, and of two
        # who send the same part the one that is late deletes its own.
        name = f"{FOLDER}/{upload.public_id}/{offset}-{uuid4().hex[:8]}"
        return storages[upload.storage_alias].save(name, File(part))
    except Exception as error:
        # Object stores raise their own types for whatever their network does.
        logger.exception("code=storage_unavailable storage=%s", upload.storage_alias)
        raise StorageUnavailable(type(error).__name__) from error


@contextmanager
def _joined(upload: PartialUpload) -> Iterator[IO[bytes]]:
    """Open all parts as one file: a nameless temporary one, so that each is fetched once.

    Raises:
        BytesGone: when they are not there, or not all.
        StorageUnavailable: when they cannot be fetched, or there is no room for them here.

    """
    with temporary_file() as joined:
        try:
            for name in upload.parts:
                with storages[upload.storage_alias].open(name, "rb") as part:
                    for block in iter(lambda: part.read(_BLOCK), b""):
                        joined.write(block)
        except FileNotFoundError as error:
            raise BytesGone(type(error).__name__) from error
        except Exception as error:
            logger.exception("code=storage_unavailable storage=%s", upload.storage_alias)
            raise StorageUnavailable(type(error).__name__) from error
        if joined.tell() != upload.length:
            raise BytesGone("too short")
        yield joined
