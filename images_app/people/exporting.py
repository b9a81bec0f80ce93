"""Exporting: everything of one person in a folder, originals byte for byte, checked on the way."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.files.storage import storages
from django.utils import timezone

from images_app.exceptions import BytesGone, ImagesAppError, StorageUnavailable
from images_app.models import AbstractImage
from images_app.people.access_records import (
    entry_records,
    given_grants,
    held_grants,
    link_records,
)
from images_app.people.names import damaged_name, export_name
from images_app.people.records import gallery_records, image_record, read_images
from images_app.people.writing import (
    give_name,
    make_private_folder,
    partial_file,
    write_json,
)
from images_app.storages import open_range

logger = logging.getLogger("images_app.people")

RECORDS = "export.json"
_IMAGES = "images"
_READ = 256 * 1024  # bytes


@dataclass(frozen=True, kw_only=True)
class ExportedImage:
    """What became of one original."""

    name: str  # of the file, below the folder; "" where there is none
    problem: str  # "", or "damaged", "bytes_gone", "storage_unavailable"
    image: AbstractImage


@dataclass(frozen=True, kw_only=True)
class Exported:
    """How many originals there were, and how many are not there whole."""

    images: int
    failed: int


def export_person(
    person: Any, folder: Path, report: Callable[[ExportedImage], None] | None = None
) -> Exported:
    """Write everything of one person into a folder, which is new or empty.

    Each file has its name once it is whole; ``export.json`` comes last. Nothing is in memory as
    a whole, and nothing is written elsewhere.

    Args:
        person: a user.
        folder: where; made with mode 0700, its files with 0600.
        report: called after each image.

    Raises:
        OSError: when the folder is not empty, or cannot be written to.

    """
    make_private_folder(folder)
    make_private_folder(folder / _IMAGES)
    counts = {"images": 0, "failed": 0}

    def count(exported: ExportedImage) -> None:
        counts["images"] += 1
        counts["failed"] += bool(exported.problem)
        if report is not None:
            report(exported)

    with partial_file(folder) as (file, partial):
        write_json(file, _document(person, folder / _IMAGES, count))
        give_name(file, partial, RECORDS)
    return Exported(**counts)


def _document(person: Any, folder: Path, report: Callable[[ExportedImage], None]) -> dict[str, Any]:
    """Answer with the whole of it, most of which is read while it is written."""
    return {
        "person": person.get_username(),
        "exported_at": timezone.now(),
        "images": _export_images(person, folder, report),
        "galleries": gallery_records(person),
        "grants_held": held_grants(person),
        "grants_given": given_grants(person),
        "share_links": link_records(person),
        "access_log": entry_records(person),
    }


def _export_images(
    person: Any, folder: Path, report: Callable[[ExportedImage], None]
) -> Iterator[dict[str, Any]]:
    for number, image in enumerate(read_images(person), start=1):
        exported = _export_original(image, folder, export_name(image, number))
        yield {"file": exported.name, "problem": exported.problem, **image_record(image)}
        report(exported)


def _export_original(image: AbstractImage, folder: Path, name: str) -> ExportedImage:
    """Copy one original; damaged bytes are the person's too, and say so in their name."""
    digest, problem = hashlib.sha256(), ""
    try:
        with partial_file(folder) as (file, partial):
            for chunk in _read(image):
                digest.update(chunk)
                file.write(chunk)
            if digest.hexdigest() != image.checksum:
                name, problem = damaged_name(name), "damaged"
            give_name(file, partial, name)
    except ImagesAppError as error:
        logger.warning("%s image=%s storage=%s", error, image.pk, image.storage_alias)
        return ExportedImage(name="", problem=error.code, image=image)
    return ExportedImage(name=f"{folder.name}/{name}", problem=problem, image=image)


def _read(image: AbstractImage) -> Iterator[bytes]:
    """Yield an original's bytes; what its storage fails with is told apart from our own disk's."""
    try:
        storage = storages[image.storage_alias]
        with closing(open_range(storage, image.storage_name, 0, image.byte_size)) as file:
            while chunk := file.read(_READ):
                yield chunk
    except FileNotFoundError as error:
        raise BytesGone from error
    except Exception as error:
        # Object stores raise their own types for whatever their network does.
        raise StorageUnavailable(type(error).__name__) from error
