"""``images_clean``: delete what has expired; for a daily timer."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from images_app.audit import delete_old_entries
from images_app.exceptions import StorageUnavailable
from images_app.ownership import NotOurs, begin_run, mark_if_known, unmarked
from images_app.reconciling import delete_expired, storages_in_use
from images_app.trash import delete_trashed, expired
from images_app.uploads import expire


class Command(BaseCommand):
    """See the module."""

    help = (
        "Delete for good the images that have been in the trash for TRASH_DAYS, uploads that were "
        "broken off and not resumed within UPLOAD_DAYS, originals that have been in quarantine for "
        "QUARANTINE_DAYS, and entries of the access log that are older than ACCESS_LOG_DAYS."
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
        entries = delete_old_entries()
        if not self._may_take_away():
            return
        deleted = sum(delete_trashed(image) for image in images.iterator(chunk_size=100))
        uploads = expire(now)
        self.stdout.write(
            f"Deleted: {deleted} images, {uploads} unfinished uploads, {entries} log entries."
        )
        if kept := sum(delete_expired(alias) for alias in storages_in_use()):
            self.stdout.write(f"Deleted: {kept} originals that were in quarantine.")

    def _may_take_away(self) -> bool:
        """Return whether the bytes are ours; a run that marks a storage takes nothing away.

        Raises:
            CommandError: when a storage is another site's, or cannot be asked.

        """
        aliases = storages_in_use()
        try:
            # All of them, not only the first.
            marked = [alias for alias in unmarked(aliases) if mark_if_known(alias)]
            begin_run(aliases)
        except StorageUnavailable as error:
            message = f"A storage could not be asked ({error}). Run it again later."
            raise CommandError(message) from error
        except NotOurs as error:
            lines = [str(error), _("No image was deleted.")]
            raise CommandError("\n".join(lines)) from error
        for alias in marked:
            text = _(
                "STORAGES['%(alias)s'] has got the mark of this site. "
                "No image was deleted this time."
            )
            self.stdout.write(text % {"alias": alias})
        return not marked
