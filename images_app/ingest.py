"""Ingest: the only way that bytes come in. The record comes last, so a row means bytes."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import IO, Any, cast

from django.core.files import File
from django.core.files.storage import storages

from images_app.conf import get_engine, get_limits, get_settings
from images_app.database import atomic, database_failures_told, on_commit, stored_time
from images_app.engines import Header, Inspection
from images_app.engines.jpeg import ended, missing_end
from images_app.engines.splicing import spliced, whole_file
from images_app.exceptions import StorageUnavailable
from images_app.http import safe_filename
from images_app.models import (
    AbstractImage,
    CameraData,
    Gallery,
    Location,
    get_image_model,
    shown_size,
)
from images_app.ownership import mark_once
from images_app.quotas import check_quota
from images_app.signals import image_ingested
from images_app.slots import decode_slot
from images_app.specs import EXTENSIONS
from images_app.storages import delete_stored
from images_app.stripping import stripped
from images_app.validation import HEAD_LENGTH, Limits, check_header, check_length, check_type

logger = logging.getLogger("images_app.ingest")


NOT_CHECKED = ("public_id", "owner", "host_content_type")
"""Fields that the database judges alone: Django would ask a copy whether there is such a row."""


@dataclass(frozen=True, kw_only=True)
class Original:
    """An original that was let in and stored, and has no record yet."""

    storage_alias: str
    storage_name: str
    checksum: str  # SHA-256, in hex
    byte_size: int
    header: Header
    inspection: Inspection

    @property
    def facts(self) -> dict[str, Any]:
        """What an image's record says of its original."""
        header, inspection = self.header, self.inspection
        width, height = shown_size(header.width, header.height, inspection.orientation)
        return {
            "storage_alias": self.storage_alias,
            "storage_name": self.storage_name,
            "checksum": self.checksum,
            "byte_size": self.byte_size,
            "format": header.format,
            "width": width,
            "height": height,
            "orientation": inspection.orientation,
            "frames": min(inspection.frames, header.frames),
            "dominant_color": inspection.dominant_color,
        }


def ingest_image(
    file: File[bytes],
    *,
    owner: Any = None,
    gallery: Gallery | None = None,
    position: int | None = None,
    **fields: Any,
) -> AbstractImage:
    """Let one file in: check it, store it, make its record, announce it on commit.

    Within a transaction of the caller's that is rolled back later, the stored file stays
    behind without a record, until ``images_reconcile``: Django tells nobody of a rollback.

    Args:
        file: binary and seekable, such as an UploadedFile; it stays open. Its ``name`` is
            kept for downloads only, and gives the title where none is passed.
        owner: a user, or None.
        gallery: where the image is put, if anywhere.
        position: its place there, else the last one.
        fields: further values of the record (``title``, ``alt_text``, ``taken_at``, ...).

    Raises:
        UploadRefused: with a code and a sentence that say why; nothing was kept.
        StorageUnavailable: when storage or database do not take it; nothing was kept.
        Busy: when too much else is being decoded; nothing was kept.

    """
    model = get_image_model()
    with database_failures_told(), storing_original(file) as original, atomic(model):
        image = model(owner=owner, **_described(file, original, fields))
        check_quota(owner, gallery, original.byte_size, public_id=image.public_id)
        image.full_clean(exclude=NOT_CHECKED, validate_unique=False)
        image.save()
        record_extras(image, original.inspection)
        if gallery is not None:
            gallery.append(image, position)
        on_commit(model, lambda: _announce(image), robust=True)
    return image


@contextmanager
def storing_original(file: File[bytes]) -> Iterator[Original]:
    """Check a file and store it, for the block to record; if that fails, the bytes go again.

    Raises:
        UploadRefused, StorageUnavailable, Busy: see ingest_image.

    """
    limits, alias = get_limits(), get_settings().storage
    checksum, length = _read_through(file, limits)
    header, inspection = _examine(file, limits)
    with as_kept(file) as kept:
        if kept is not file:
            checksum, length = _read_through(kept, limits)
            header, without = _examine(kept, limits)
            # Camera and time are recorded all the same; the place is not.
            inspection = replace(without, camera=inspection.camera, taken_at=inspection.taken_at)
        name = _store(alias, kept, header)
    try:
        yield Original(
            storage_alias=alias,
            storage_name=name,
            checksum=checksum,
            byte_size=length,
            header=header,
            inspection=inspection,
        )
    except BaseException:
        delete_stored([(alias, name)])
        raise


@contextmanager
def as_kept(file: File[bytes]) -> Iterator[File[bytes]]:
    """Hand out a file as it will be kept: itself, or without what STRIP_ORIGINALS takes away.

    Its checksum is that of the original, by which duplicates are known.

    Raises:
        UploadRefused: when it cannot be taken apart.

    """
    with stripped(_ended(file)) if get_settings().strip_originals else nullcontext(file) as kept:
        yield kept


def _ended(file: File[bytes]) -> File[bytes]:
    """Return a file that ends where its picture does, if it is a JPEG that lacks its end."""
    source = whole_file(cast("IO[bytes]", file))
    end = missing_end(source) if source.read(2) == b"\xff\xd8" else None
    return file if end is None else File(spliced(source, ended(end)), name=file.name)


def record_extras(image: AbstractImage, inspection: Inspection) -> None:
    """Record what stands in tables of its own, to keep a swapped image small."""
    if inspection.camera:
        CameraData.objects.create(image_id=image.pk, **vars(inspection.camera))
    if inspection.location:
        Location.objects.create(image_id=image.pk, **vars(inspection.location))


def forget_extras(image: AbstractImage) -> None:
    """Forget what those tables say of a former original."""
    CameraData.objects.filter(image=image.pk).delete()
    Location.objects.filter(image=image.pk).delete()


def kept_name(file: File[bytes]) -> str:
    """Answer with the name of a file as it is kept for downloads."""
    return safe_filename(PurePosixPath(file.name or "").name)


def checksum_of(file: File[bytes]) -> str:
    """Answer with the SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    file.seek(0)
    for chunk in file.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def _read_through(file: File[bytes], limits: Limits) -> tuple[str, int]:
    """Measure and checksum, giving up as soon as there is too much."""
    digest, length = hashlib.sha256(), 0
    file.seek(0)
    for chunk in file.chunks():
        length += len(chunk)
        if length > limits.max_bytes:
            break
        digest.update(chunk)
    check_length(length, limits)
    return digest.hexdigest(), length


def _examine(file: File[bytes], limits: Limits) -> tuple[Header, Inspection]:
    """Look at ever more of the file, and only at what has passed so far."""
    engine = get_engine()
    file.seek(0)
    check_type(file.read(HEAD_LENGTH), limits)
    with decode_slot(get_settings().render_patience):
        header = engine.read_header(file, limits.formats, max_pixels=limits.max_pixels)
        check_header(header, limits)
        return header, engine.inspect(file, limits.formats)


def _store(alias: str, file: File[bytes], header: Header) -> str:
    random = uuid.uuid4().hex
    file.seek(0)
    mark_once(alias)
    try:
        return storages[alias].save(f"{random[:2]}/{random}.{EXTENSIONS[header.format]}", file)
    except Exception as error:
        # Object stores raise their own types for whatever their network does.
        logger.exception("code=storage_unavailable storage=%s", alias)
        raise StorageUnavailable(type(error).__name__) from error


def _described(file: File[bytes], original: Original, fields: dict[str, Any]) -> dict[str, Any]:
    file_name = kept_name(file)
    return {
        "file_name": file_name,
        "title": PurePosixPath(file_name).stem.replace("_", " ").strip(),
        "taken_at": aware(original.inspection.taken_at),
        **fields,
        **original.facts,
    }


def aware(taken_at: dt.datetime | None) -> dt.datetime | None:
    """Return a camera's time as records have it; a naive one is by our clock.

    In its first and last year, another zone may be off the calendar: a camera that lost its clock
    claims such years, and no picture is refused for that.
    """
    if taken_at is None or not dt.MINYEAR < taken_at.year < dt.MAXYEAR:
        return None
    return stored_time(taken_at)


def _announce(image: AbstractImage) -> None:
    logger.info("ingested image=%s format=%s bytes=%s", image.pk, image.format, image.byte_size)
    # Whoever listens, the image is in: their failures are logged and change nothing.
    image_ingested.send_robust(sender=type(image), image=image)
