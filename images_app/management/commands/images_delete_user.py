"""``images_delete_user USER``: delete a person, with a word on what becomes of their images."""

from __future__ import annotations

import logging
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from images_app.management.users import find_user, refusals_told
from images_app.people import Belongings, delete_person


class Command(BaseCommand):
    """See the module."""

    help = (
        "Delete a user, with their grants and share links, in one transaction. Who owns images "
        "or galleries needs one of --hand-over-to and --delete-images. "
        "Exit code 1 if a file could not be deleted; the log says why."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("user", help="user name of the person")
        fate = parser.add_mutually_exclusive_group()
        fate.add_argument(
            "--hand-over-to", metavar="OTHER", help="user name of who gets images and galleries"
        )
        fate.add_argument(
            "--delete-images",
            action="store_true",
            help="delete images and galleries for good; images of others in them stay",
        )
        parser.add_argument(
            "--keep-account",
            action="store_true",
            help="keep the user's row, not active and without a password",
        )
        parser.add_argument("--no-input", action="store_true", help="do not ask")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen")

    def handle(
        self, *, user: str, hand_over_to: str | None, no_input: bool, dry_run: bool, **options: Any
    ) -> None:
        """Run."""
        person = find_user(user)
        wanted = {
            "hand_over_to": None if hand_over_to is None else find_user(hand_over_to),
            "delete_images": options["delete_images"],
            "keep_account": options["keep_account"],
        }
        with refusals_told():
            counts = delete_person(person, **wanted, dry_run=True)
        self.stdout.write(_said(user, counts))
        if dry_run:
            self.stdout.write(f"Would {_plan(user, counts, **wanted)}. Nothing was changed.")
            return
        if not no_input:
            _confirm(_plan(user, counts, **wanted))
        with _failures_counted() as heard, refusals_told():
            delete_person(person, **wanted)
        self.stdout.write("Deactivated." if options["keep_account"] else "Deleted.")
        if heard.failures:
            self.stderr.write(f"{heard.failures} times a file could not be deleted; see the log.")
            raise SystemExit(1)


def _said(name: str, counts: Belongings) -> str:
    return (
        f"{name}: {counts.images} images ({counts.trashed} in the trash, "
        f"{counts.hung_elsewhere} in galleries of others), {counts.galleries} galleries, "
        f"{counts.grants} grants, {counts.links} share links, "
        f"{counts.entries} lines of the access log."
    )


def _plan(
    name: str, counts: Belongings, *, hand_over_to: Any, delete_images: bool, keep_account: bool
) -> str:
    owned = f"{counts.images} images and {counts.galleries} galleries"
    parts = [f"{'deactivate' if keep_account else 'delete'} {name}"]
    if hand_over_to is not None:
        parts.append(f"hand over {owned} to {hand_over_to.get_username()}")
    elif delete_images:
        parts.append(f"delete {owned} for good")
    parts.append(f"end {counts.grants} grants and {counts.links} share links")
    return ", ".join(parts)


def _confirm(plan: str) -> None:
    try:
        answer = input(f"{plan[0].upper()}{plan[1:]}? Type yes: ")
    except EOFError:
        answer = ""
    if answer.strip() != "yes":
        raise CommandError("Nothing was changed.")


class _Listener(logging.Handler):
    """Hears of the files that stay: after the commit, their deletion no longer raises."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.failures = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count one."""
        self.failures += 1


@contextmanager
def _failures_counted() -> Iterator[_Listener]:
    listener, logger = _Listener(), logging.getLogger("images_app.storages")
    logger.addHandler(listener)
    try:
        yield listener
    finally:
        logger.removeHandler(listener)
