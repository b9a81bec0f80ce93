"""``images_move``: originals to another storage, while the site runs."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections import Counter
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count, QuerySet, Sum
from django.utils.translation import gettext as _

from images_app.checks import complaints_about, private_aliases
from images_app.conf import RENDITIONS
from images_app.exceptions import StorageUnavailable
from images_app.management.progress import Progress
from images_app.management.users import printable
from images_app.models import AbstractImage
from images_app.moving import GRACE, Moved, Mover, in_batches, originals_elsewhere
from images_app.ownership import NotOurs, begin_run, mark_if_empty

_MOST_REFUSALS = 5  # in a row, by the storage that they are to go to


class Command(BaseCommand):
    """See the module."""

    help = (
        "Move originals to another storage, while the site runs. Each is copied, read back and "
        "compared with its checksum; then its record changes, and a while later the old file "
        "goes. What changes meanwhile wins. Interrupted, it goes on where it stopped when it is "
        "started again. Exit code 1 if any original could not be moved; these stay as they are."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--to", required=True, help="the alias in STORAGES to move to")
        parser.add_argument("--from", dest="only_from", help="only what is in this alias")
        parser.add_argument(
            "--batch", type=int, default=100, help="records that are read at once (100)"
        )
        parser.add_argument(
            "--grace",
            type=float,
            default=GRACE,
            help=f"seconds that an old file is kept for requests that know it ({GRACE:.0f})",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be moved")
        parser.add_argument("--json", action="store_true", help="answer as one line of JSON")

    def handle(self, *, to: str, only_from: str | None, **options: Any) -> None:
        """Run."""
        self._refuse(to, only_from, options)
        images = originals_elsewhere(to, only_from)
        if options["dry_run"]:
            self._tell_what_is_there(images, is_json=options["json"])
            return
        self._begin(images, to)
        counts = self._move(images, to, options)
        self._tell(counts, is_json=options["json"])
        if counts["failed"] or counts["remaining"]:
            raise SystemExit(1)

    def _refuse(self, to: str, only_from: str | None, options: dict[str, Any]) -> None:
        """Refuse what cannot be meant, before a byte travels."""
        if to not in settings.STORAGES or to == RENDITIONS:
            there = ", ".join(alias for alias in private_aliases() if alias != RENDITIONS)
            message = _("%(alias)s is no alias in STORAGES for originals; there are %(there)s.")
            raise CommandError(message % {"alias": to, "there": there})
        if to == only_from:
            raise CommandError(_("--to and --from are the same."))
        if options["batch"] < 1 or options["grace"] < 0:
            raise CommandError(_("--batch begins at 1, --grace at 0."))
        for complaint in complaints_about(to):
            raise CommandError(complaint)

    def _begin(self, images: QuerySet[AbstractImage], to: str) -> None:
        """Refuse to take originals away from another site, or to mix them with another's."""
        from_where = images.order_by().values_list("storage_alias", flat=True).distinct()
        known = [alias for alias in from_where if alias in settings.STORAGES]
        with suppress(StorageUnavailable):  # what is full or away refuses the originals, too
            mark_if_empty(to)
        try:
            begin_run([to, *known])
        except NotOurs as error:
            lines = [str(error), _("Nothing was moved.")]
            raise CommandError("\n".join(lines)) from error
        except StorageUnavailable as error:
            text = _("A storage could not be asked (%(error)s). Run it again later.")
            raise CommandError(text % {"error": error}) from error

    def _move(
        self, images: QuerySet[AbstractImage], to: str, options: dict[str, Any]
    ) -> dict[str, int]:
        counts = dict.fromkeys(("moved", "bytes", "skipped", "failed", "remaining"), 0)
        mover, refused = Mover(to, grace=options["grace"]), 0
        progress = Progress(sys.stderr, images.count())
        try:
            for image in in_batches(images, options["batch"]):
                moved = mover.move(image)
                progress.step(str(image))
                self._count(moved, counts, progress)
                refused = refused + 1 if moved.problem == "not_stored" else 0
                if refused == _MOST_REFUSALS:
                    # Full, or away: the others would fare no better.
                    counts["remaining"] = images.filter(pk__gt=image.pk).count()
                    break
                mover.sweep()
        finally:
            progress.clear()
        if mover.left:
            text = _("Waiting %(seconds)s seconds for requests that may know the old files.")
            self._note(text % {"seconds": f"{options['grace']:g}"})
        mover.sweep(is_patient=True)
        return counts

    def _count(self, moved: Moved, counts: dict[str, int], progress: Progress) -> None:
        if not moved.problem:
            counts["moved"] += 1
            counts["bytes"] += moved.image.byte_size
            return
        counts["failed" if moved.is_failure else "skipped"] += 1
        progress.clear()
        self._note(f"{moved.image.pk} {printable(moved.image)}: {moved.problem}: {moved.reason}")

    def _note(self, text: str) -> None:
        self.stderr.write(text)

    def _tell(self, counts: dict[str, int], *, is_json: bool) -> None:
        if is_json:
            self.stdout.write(json.dumps(counts))
            return
        text = _("%(moved)s originals moved, %(skipped)s skipped, %(failed)s failed.")
        self.stdout.write(text % counts)
        if counts["remaining"]:
            text = _("Stopped, since the storage takes nothing: %(remaining)s were not tried.")
            self.stdout.write(text % counts)

    def _tell_what_is_there(self, images: QuerySet[AbstractImage], *, is_json: bool) -> None:
        rows = images.order_by().values_list("storage_alias")
        found = rows.annotate(Count("pk"), Sum("byte_size")).order_by("storage_alias")
        sums: Counter[str] = Counter()
        for _alias, number, length in found:
            sums.update(moved=number, bytes=length)
        if is_json:
            there = {alias: {"images": n, "bytes": length} for alias, n, length in found}
            self.stdout.write(json.dumps({"would_move": sums["moved"], "from": there}))
            return
        for alias, number, length in found:
            self.stdout.write(f"{alias}: {number} ({length} bytes)")
        self.stdout.write(_("%(count)s originals would be moved.") % {"count": sums["moved"]})
