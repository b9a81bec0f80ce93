"""``images_reconcile``: find records without bytes, bytes without records, and wrong bytes."""

from __future__ import annotations

import dataclasses
import json
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from images_app.checks import complaints_about
from images_app.exceptions import StorageUnavailable
from images_app.management.progress import Progress
from images_app.management.users import printable
from images_app.ownership import NotOurs, adopt, mark_if_known, refuse_unless_ours
from images_app.reconciling import (
    Finding,
    Position,
    Work,
    aliases_of,
    count_steps,
    reconcile,
)

_GRACE = 60  # minutes; no upload takes longer from its bytes to its record

_SENTENCES = {
    "missing": "the original is not there; restore it from a backup",
    "unreadable": "it cannot be read; look at the storage, or restore it from a backup",
    "damaged": "the original is not what was uploaded; restore it from a backup",
    "rendition_missing": "a rendition's bytes are not there",
    "rendition_drifted": "a rendition's bytes have another length",
    "rendition_outdated": "a rendition of a former version, or of no preset",
    "stray": "bytes that no record names",
    "foreign": "no file of this app; left alone",
}


# Of what was fixed, what is in quarantine, and what was missing.
_DONE = {
    (True, False, False): " Deleted.",
    (True, True, False): " Put into quarantine.",
    (True, False, True): " Brought back from quarantine.",
    (False, True, True): " It is in quarantine; --fix brings it back.",
}


class Command(BaseCommand):
    """See the module."""

    help = (
        "Compare the records of images and renditions with the stored bytes. "
        "Without --fix nothing is changed, but a storage without a mark gets the mark of this site "
        "where records name files in it. With --fix, bytes that no record names go, originals into "
        "quarantine for QUARANTINE_DAYS, and so do records of renditions that have no bytes; they "
        "are made again when somebody looks. Originals in quarantine that a record names come "
        "back. Originals are never deleted while a record names them, nor records of images. "
        "Exit code 1 if anything is left that is wrong."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--dry-run", action="store_true", help="change nothing (the default)")
        what.add_argument("--fix", action="store_true", help="take away what is of no use")
        what.add_argument(
            "--adopt-storage",
            action="append",
            default=[],
            metavar="ALIAS",
            help="from now on this database owns the files there, whatever their mark says",
        )
        parser.add_argument(
            "--most",
            type=int,
            metavar="N",
            help="let up to N originals of a storage go, even if they are most of what is there",
        )
        parser.add_argument(
            "--checksums", action="store_true", help="read every original, and compare its SHA-256"
        )
        parser.add_argument(
            "--grace",
            type=int,
            default=_GRACE,
            metavar="MINUTES",
            help="leave bytes alone that are younger; an upload may be about to record them",
        )
        parser.add_argument(
            "--storage",
            action="append",
            default=[],
            metavar="ALIAS",
            help="search this one for strays, too, such as one that was moved away from",
        )
        parser.add_argument(
            "--state", type=Path, metavar="FILE", help="note there how far it got, and go on there"
        )
        parser.add_argument("--json", action="store_true", help="a line of JSON for each finding")

    def handle(self, *, json: bool, state: Path | None, **options: Any) -> None:
        """Run."""
        work = _work_of(options)
        start = _read_state(state)
        with _refusals_told():
            self._mark(work, options["adopt_storage"])
            self._run(work, start, state, as_json=json)

    def _mark(self, work: Work, adopted: list[str]) -> None:
        """Mark what is adopted, and what is certainly ours; never in a run that takes away.

        Of the others, tell whose they are.
        """
        for alias in adopted:
            adopt(alias)
            self.stderr.write(f"STORAGES[{alias!r}] belongs to this database now.")
        if work.fix:
            return
        for alias in aliases_of(work):
            if mark_if_known(alias):
                self.stderr.write(f"STORAGES[{alias!r}] has got the mark of this site.")
        try:
            refuse_unless_ours(aliases_of(work))
        except NotOurs as error:
            self.stderr.write(str(error))

    def _run(
        self, work: Work, start: Position | None, state: Path | None, *, as_json: bool
    ) -> None:
        progress, counts, left = Progress(sys.stderr, count_steps()), Counter[str](), 0
        try:
            for step in reconcile(work, start):
                for finding in step.findings:
                    progress.clear()
                    self.stdout.write(_as_json(finding) if as_json else _as_text(finding))
                    counts[finding.kind] += 1
                    left += not finding.is_fixed
                progress.step(step.stage, step.number)
                _write_state(state, Position(stage=step.stage, after=step.after))
        finally:
            progress.clear()
        if state is not None:
            state.unlink(missing_ok=True)
        self._sum_up(counts, left, as_json=as_json)
        if left:
            raise SystemExit(1)

    def _sum_up(self, counts: Counter[str], left: int, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"found": dict(counts), "left": left}))
            return
        found = ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items()))
        self.stdout.write(f"Found: {found or 'nothing wrong'}. Left: {left}.")


@contextmanager
def _refusals_told() -> Iterator[None]:
    try:
        yield
    except StorageUnavailable as error:
        message = f"A storage could not be asked ({error}). Run it again later."
        raise CommandError(message) from error
    except NotOurs as error:
        lines = [str(error), _("Nothing was changed.")]
        raise CommandError("\n".join(lines)) from error


def _work_of(options: dict[str, Any]) -> Work:
    named = [*options["storage"], *options["adopt_storage"]]
    unknown = [alias for alias in named if alias not in settings.STORAGES]
    if unknown:
        message = f"STORAGES has no {', '.join(unknown)}; there are {', '.join(settings.STORAGES)}."
        raise CommandError(message)
    for complaint in (each for alias in named for each in complaints_about(alias)):
        raise CommandError(complaint)
    if options["grace"] < 0:
        raise CommandError("--grace is a number of minutes, 0 or more.")
    if options["most"] is not None and options["most"] < 0:
        raise CommandError("--most is a number of originals, 0 or more.")
    return Work(
        fix=options["fix"],
        checksums=options["checksums"],
        older_than=timezone.now() - timedelta(minutes=options["grace"]),
        storages=tuple(options["storage"]),
        most=options["most"],
    )


def _as_json(finding: Finding) -> str:
    return json.dumps(dataclasses.asdict(finding))


def _as_text(finding: Finding) -> str:
    whose = "" if finding.image is None else f" (image {finding.image})"
    done = _DONE.get((finding.is_fixed, finding.is_in_quarantine, finding.kind == "missing"), "")
    place = printable(f"{finding.storage}:{finding.name}")
    return f"{place}{whose}: {_SENTENCES[finding.kind]}.{done}"


def _read_state(path: Path | None) -> Position | None:
    if path is None or not path.exists():
        return None
    try:
        return Position(**json.loads(path.read_text()))
    except (ValueError, TypeError, OSError) as error:
        message = f"{path} is no state of images_reconcile; delete it to begin anew."
        raise CommandError(message) from error


def _write_state(path: Path | None, position: Position) -> None:
    """Note a position, at once: a kill leaves the former note or this one."""
    if path is None:
        return
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(dataclasses.asdict(position)))
    new.replace(path)
