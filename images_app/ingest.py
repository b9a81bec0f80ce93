"""Ingest: the only way that bytes come in. The record comes last, so a row means bytes."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import uuid
from pathlib import PurePosixPath
from typing import Any

from django.core.files import File
from django.core.files.storage import Storage, storages
from django.db import transaction
from django.utils import timezone

from images_app.conf import ORIGINALS, get_engine, get_limits, get_settings
from images_app.engines import Header, Inspection
from images_app.exceptions import StorageUnavailable
from images_app.http import safe_filename
from images_app.models import (
    AbstractImage,
    CameraData,
    Gallery,
    get_image_model,
    shown_size,
)
from images_app.signals import image_ingested
from images_app.slots import decode_slot
from images_app.specs import EXTENSIONS
from images_app.validation import HEAD_LENGTH, Limits, check_header, check_length, check_type

logger = logging.getLogger("images_app.ingest")


def ingest_image(
    file: File[bytes], *, owner: Any = None, gallery: Gallery | None = None, **fields: Any
) -> AbstractImage:
    """Let one file in: check it, store it, make its record, announce it on commit.

    Within a transaction of the caller's that is rolled back later, the stored file stays
    behind without a record: Django tells nobody of a rollback.

    Args:
        file: binary and seekable, such as an UploadedFile; it stays open. Its ``name`` is
            kept for downloads only, and gives the title where none is passed.
        owner: a user, or None.
        gallery: where the image is appended, if anywhere.
        fields: further values of the record (``title``, ``alt_text``, ``taken_at``, ...).

    Raises:
        UploadRefused: with a code and a sentence that say why; nothing was kept.
        StorageUnavailable: when the storage does not take the bytes; nothing was kept.
        Busy: when too much else is being decoded; nothing was kept.

    """
    limits = get_limits()
    checksum, length = _read_through(file, limits)
    with decode_slot(get_settings().render_patience):
        header, inspection = _examine(file, limits)
    storage = storages[ORIGINALS]
    name = _store(storage, file, header)
    try:
        with transaction.atomic():
            image = _make_record(file, header, inspection, owner, fields)
            image.storage_alias, image.storage_name = ORIGINALS, name
            image.checksum, image.byte_size = checksum, length
            image.full_clean(exclude=["public_id"], validate_unique=False)
            image.save()
            if inspection.camera:
                CameraData.objects.create(image_id=image.pk, **vars(inspection.camera))
            if gallery is not None:
                gallery.append(image)
            transaction.on_commit(lambda: _announce(image), robust=True)
    except BaseException:
        storage.delete(name)
        raise
    return image


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
    header = engine.read_header(file, limits.formats, max_pixels=limits.max_pixels)
    check_header(header, limits)
    return header, engine.inspect(file, limits.formats)


def _store(storage: Storage, file: File[bytes], header: Header) -> str:
    random = uuid.uuid4().hex
    file.seek(0)
    try:
        return storage.save(f"{random[:2]}/{random}.{EXTENSIONS[header.format]}", file)
    except Exception as error:
        # Object stores raise their own types for whatever their network does.
        logger.exception("code=storage_unavailable storage=%s", ORIGINALS)
        raise StorageUnavailable(type(error).__name__) from error


def _make_record(
    file: File[bytes], header: Header, inspection: Inspection, owner: Any, fields: dict[str, Any]
) -> AbstractImage:
    file_name = safe_filename(PurePosixPath(file.name or "").name)
    width, height = shown_size(header.width, header.height, inspection.orientation)
    values: dict[str, Any] = {
        "title": PurePosixPath(file_name).stem.replace("_", " ").strip(),
        "taken_at": _aware(inspection.taken_at),
        **fields,
    }
    return get_image_model()(
        owner=owner,
        file_name=file_name,
        format=header.format,
        width=width,
        height=height,
        orientation=inspection.orientation,
        frames=min(inspection.frames, header.frames),
        dominant_color=inspection.dominant_color,
        **values,
    )


def _aware(taken_at: dt.datetime | None) -> dt.datetime | None:
    """Read a naive time as ours; in its first and last year, another zone may be off the calendar.

    A camera that lost its clock claims such years, and no picture is refused for that.
    """
    if taken_at is None or not dt.MINYEAR < taken_at.year < dt.MAXYEAR:
        return None
    return timezone.make_aware(taken_at) if timezone.is_naive(taken_at) else taken_at


def _announce(image: AbstractImage) -> None:
    logger.info("ingested image=%s format=%s bytes=%s", image.pk, image.format, image.byte_size)
    # Whoever listens, the image is in: their failures are logged and change nothing.
    image_ingested.send_robust(sender=type(image), image=image)
