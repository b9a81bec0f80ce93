"""``images_clean``: delete what has expired; for a daily timer."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from images_app.audit import delete_old_entries
from images_app.trash import delete_trashed, expired
from images_app.uploads import expire


class Command(BaseCommand):
    """See the module."""

    help = (
        "Delete for good the images that have been in the trash for TRASH_DAYS, uploads that were "
        "broken off and not resumed within UPLOAD_DAYS, and entries of the access log that are "
        "older than ACCESS_LOG_DAYS."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--dry-run", action="store_true", help="count the images only")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        """Run."""
        now = timezone.now()
        images = expired(now)
        if dry_run:
            self.stdout.write(f"{images.count()} images would be deleted.")
            return
        deleted = sum(delete_trashed(image) for image in images.iterator(chunk_size=100))
        uploads, entries = expire(now), delete_old_entries()
        self.stdout.write(
            f"Deleted: {deleted} images, {uploads} unfinished uploads, {entries} log entries."
        )
