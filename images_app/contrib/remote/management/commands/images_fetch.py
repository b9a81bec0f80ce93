"""``images_fetch --owner USER --gallery TITLE URL...`` and ``images_fetch --refresh``."""

from __future__ import annotations

import datetime as dt
import sys
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from images_app.contrib.remote.conf import get_remote
from images_app.contrib.remote.models import RemoteSource
from images_app.contrib.remote.sources import due_sources, fetch_image, refresh
from images_app.exceptions import ImagesAppError
from images_app.management.progress import Progress
from images_app.management.users import find_user, printable
from images_app.models import Gallery

_MOST_HOURS = 24 * 36_500
_GOOD = (RemoteSource.UNCHANGED, RemoteSource.REPLACED)


class Command(BaseCommand):
    """See the module."""

    help = (
        "Fetch images from the hosts that IMAGES_APP['REMOTE'] names into a gallery, or, with "
        "--refresh, look whether those that were fetched have changed where they came from. "
        "Exit code 1 if any failed; the others are kept, and so is an image whose source is gone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("urls", nargs="*", metavar="URL")
        parser.add_argument("--owner", help="user name of the owner")
        parser.add_argument("--gallery", help="title of the owner's gallery; made if missing")
        parser.add_argument("--refresh", action="store_true", help="look again, and fetch nothing")
        parser.add_argument(
            "--older-than",
            type=float,
            default=0.0,
            metavar="HOURS",
            help="with --refresh: only what was not looked at for so long",
        )

    def handle(
        self, *, urls: list[str], owner: str | None, gallery: str | None, **options: Any
    ) -> None:
        """Run."""
        try:
            get_remote()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        if options["refresh"]:
            if urls or owner or gallery:
                message = "--refresh takes no URL, --owner or --gallery."
                raise CommandError(message)
            if not 0 <= options["older_than"] <= _MOST_HOURS:
                message = f"--older-than is a number of hours, at most {_MOST_HOURS}."
                raise CommandError(message)
            has_failed = self._refresh(options["older_than"])
        else:
            if not (urls and owner and gallery):
                message = "Give --owner, --gallery and one URL or more, or --refresh."
                raise CommandError(message)
            has_failed = self._fetch(urls, owner, gallery)
        if has_failed:
            raise SystemExit(1)

    def _fetch(self, urls: list[str], owner_name: str, title: str) -> bool:
        owner, progress, failed = find_user(owner_name), Progress(sys.stderr, len(urls)), 0
        target = Gallery.objects.filter(title=title, owner=owner).order_by("id").first()
        for url in urls:
            shown = url.partition("?")[0]
            try:
                image = fetch_image(url, owner=owner, gallery=target)
                if target is None:  # no empty one is left where nothing can be fetched
                    target = Gallery.objects.create(title=title, owner=owner)
                    target.append(image)
            except ImagesAppError as error:
                failed += 1
                progress.clear()
                reason = _(error.public_message) % error.params
                detail = f" ({error.detail})" if error.detail else ""
                self.stderr.write(f"{printable(shown)}: {reason}{detail}")
            progress.step(shown)
        progress.clear()
        self.stdout.write(f"{len(urls) - failed} fetched, {failed} failed.")
        return failed > 0

    def _refresh(self, hours: float) -> bool:
        sources = list(due_sources(dt.timedelta(hours=hours)))
        progress, counts = Progress(sys.stderr, len(sources)), Counter[str]()
        for source in sources:
            outcome = refresh(source)
            counts[outcome if outcome in _GOOD else "failed"] += 1
            if outcome not in _GOOD:
                progress.clear()
                self.stderr.write(f"{printable(source.shown_url)}: {outcome}")
            progress.step(source.shown_url)
        progress.clear()
        self.stdout.write(
            f"{counts['unchanged']} unchanged, {counts['replaced']} replaced, "
            f"{counts['failed']} failed."
        )
        return counts["failed"] > 0
