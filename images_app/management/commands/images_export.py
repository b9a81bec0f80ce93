"""``images_export USER DIR``: everything of one person, in a folder."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from images_app.management.progress import Progress
from images_app.management.users import find_user, printable, refusals_told
from images_app.people import ExportedImage, export_person, images_of

_PROBLEMS = {
    "damaged": "the bytes are not those that were uploaded.",
    "bytes_gone": "the file is gone.",
    "storage_unavailable": "the storage cannot be reached.",
}


class Command(BaseCommand):
    """See the module."""

    help = (
        "Export a person's images, byte for byte and with their checksums verified, and what is "
        "recorded of them: texts, galleries, grants, share links, access log. "
        "Exit code 1 if any image failed; the others are there."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("user", help="user name of the person")
        parser.add_argument("directory", type=Path, help="a folder, new or empty")

    def handle(self, *, user: str, directory: Path, **options: Any) -> None:
        """Run."""
        person = find_user(user)
        progress = Progress(sys.stderr, images_of(person).count())

        def report(exported: ExportedImage) -> None:
            title = printable(exported.image)
            if exported.problem:
                progress.clear()
                self.stderr.write(f"{exported.image.pk} {title}: {_PROBLEMS[exported.problem]}")
            progress.step(title)

        with refusals_told():
            counts = export_person(person, directory, report)
        progress.clear()
        self.stdout.write(
            f"{counts.images - counts.failed} images exported, {counts.failed} failed."
        )
        if counts.failed:
            raise SystemExit(1)
