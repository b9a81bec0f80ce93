"""``images_import DIR --gallery NAME --owner USER``: bring in a tree of files."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from images_app.exceptions import ImagesAppError
from images_app.ingest import checksum_of, ingest_image
from images_app.management.progress import Progress
from images_app.management.users import find_user
from images_app.models import Gallery

_HIDDEN = "."  # what the system keeps beside pictures (.DS_Store, .thumbnails) is none


class Command(BaseCommand):
    """See the module."""

    help = (
        "Import a tree of image files into a gallery, in the order of their names. "
        "What the owner has in the gallery already, by checksum, is skipped. "
        "Exit code 1 if any file failed; the others are kept."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("directory", type=Path, help="a folder, searched with its subfolders")
        parser.add_argument(
            "--gallery", required=True, help="title of the owner's gallery; made if missing"
        )
        parser.add_argument("--owner", required=True, help="user name of the owner")

    def handle(self, *, directory: Path, gallery: str, owner: str, **options: Any) -> None:
        """Run."""
        if not directory.is_dir():
            message = f"{directory} is not a folder."
            raise CommandError(message)
        user = find_user(owner)
        target = _find_or_make_gallery(gallery, user)
        paths = list(_files_below(directory))
        progress = Progress(sys.stderr, len(paths))
        counts = {"imported": 0, "skipped": 0, "failed": 0}
        for path in paths:
            try:
                counts[_import(path, directory, target, user)] += 1
            except (ImagesAppError, OSError) as error:
                counts["failed"] += 1
                progress.clear()
                self.stderr.write(f"{path.relative_to(directory)}: {_reason(error)}")
            progress.step(path.name)
        progress.clear()
        self.stdout.write(
            "{imported} imported, {skipped} already there, {failed} failed.".format(**counts)
        )
        if counts["failed"]:
            raise SystemExit(1)


def _find_or_make_gallery(title: str, owner: Any) -> Gallery:
    found = Gallery.objects.filter(title=title, owner=owner).order_by("id").first()
    return found or Gallery.objects.create(title=title, owner=owner)


def _files_below(directory: Path) -> Iterator[Path]:
    """Yield files in a stable order; links are not followed out of the tree."""
    for path in sorted(directory.rglob("*")):
        parts = path.relative_to(directory).parts
        if (
            path.is_file()
            and not path.is_symlink()
            and not any(part.startswith(_HIDDEN) for part in parts)
        ):
            yield path


def _import(path: Path, directory: Path, gallery: Gallery, owner: Any) -> str:
    with path.open("rb") as opened:
        file = File(opened, name=path.name)
        if gallery.images.filter(checksum=checksum_of(file), trashed_at=None).exists():
            return "skipped"
        ingest_image(file, owner=owner, gallery=gallery)
    return "imported"


def _reason(error: Exception) -> str:
    if isinstance(error, ImagesAppError):
        return _(error.public_message) % error.params
    return getattr(error, "strerror", None) or type(error).__name__
