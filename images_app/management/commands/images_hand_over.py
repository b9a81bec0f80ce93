"""``images_hand_over FROM TO``: galleries and images get another owner."""

from __future__ import annotations

from argparse import ArgumentParser
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q

from images_app.management.users import find_user, printable, refusals_told
from images_app.models import Gallery
from images_app.people import HandedOver, galleries_of, hand_over, images_of


class Command(BaseCommand):
    """See the module."""

    help = (
        "Hand over the galleries and images of one person to another, all or one gallery, in one "
        "transaction. Share links that the giver made to them are revoked. With --ownerless, "
        "list what nobody owns, or hand it over."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "people", nargs="*", metavar="USER", help="FROM TO; with --ownerless only TO, or none"
        )
        parser.add_argument("--ownerless", action="store_true", help="what nobody owns")
        parser.add_argument("--gallery", help="only this one, by its title or public id")
        parser.add_argument(
            "--with-images",
            action="store_true",
            help="with --gallery: the giver's images in it go along",
        )
        parser.add_argument(
            "--keep-links",
            action="store_true",
            help="share links of the giver go on as the taker's, instead of being revoked",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would happen")

    def handle(
        self,
        *,
        people: list[str],
        ownerless: bool,
        gallery: str | None,
        with_images: bool,
        keep_links: bool,
        dry_run: bool,
        **options: Any,
    ) -> None:
        """Run."""
        if with_images and gallery is None:
            raise CommandError("--with-images is for --gallery; without it all images go.")
        if ownerless and not people:
            self._list_ownerless()
            return
        giver, taker = _people(people, ownerless=ownerless)
        with refusals_told():
            counts = hand_over(
                giver,
                taker,
                gallery=None if gallery is None else _find_gallery(giver, gallery),
                with_images=with_images or gallery is None,
                keep_links=keep_links,
                dry_run=dry_run,
            )
        self.stdout.write(_said(counts, keep_links=keep_links))
        if dry_run:
            self.stdout.write("Nothing was changed.")

    def _list_ownerless(self) -> None:
        counts = []
        for kind, rows in (("gallery", galleries_of(None)), ("image", images_of(None))):
            counts.append(rows.count())
            for row in rows.order_by("pk").iterator(chunk_size=500):
                self.stdout.write(f"{kind} {row.public_id} {printable(row)}")
        self.stdout.write(f"{counts[0]} galleries and {counts[1]} images have no owner.")


def _people(names: list[str], *, ownerless: bool) -> tuple[Any, Any]:
    if len(names) != (1 if ownerless else 2):
        raise CommandError("Name two users, FROM and TO; with --ownerless only TO.")
    return None if ownerless else find_user(names[0]), find_user(names[-1])


def _find_gallery(giver: Any, wanted: str) -> Gallery:
    named = Q(title=wanted)
    with suppress(ValueError):  # a title, then
        named |= Q(public_id=UUID(wanted))
    found = list(galleries_of(giver).filter(named).order_by("pk"))
    if not found:
        message = f"There is no gallery {wanted!r} of theirs."
        raise CommandError(message)
    if len(found) > 1:
        keys = ", ".join(str(gallery.public_id) for gallery in found)
        message = f"There are {len(found)} galleries {wanted!r}; choose one by its id: {keys}."
        raise CommandError(message)
    gallery: Gallery = found[0]
    return gallery


def _said(counts: HandedOver, *, keep_links: bool) -> str:
    ending = "kept" if keep_links else "revoked"
    return (
        f"{counts.galleries} galleries and {counts.images} images handed over, "
        f"{counts.grants} grants ended, {counts.links} share links {ending}."
    )
