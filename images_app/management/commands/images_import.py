"""``images_import PATH --gallery NAME --owner USER``: bring in a tree of files, or a ZIP."""

from __future__ import annotations

import os
import stat
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, NoReturn

from django.core.files import File
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from images_app.archives import (
    Archive,
    ArchiveLimits,
    copied,
    is_companion,
    is_hidden,
    name_order,
)
from images_app.conf import get_limits
from images_app.exceptions import ImagesAppError
from images_app.ingest import as_kept, checksum_of, ingest_image
from images_app.management.progress import Progress
from images_app.management.users import find_user, printable
from images_app.models import Gallery
from images_app.validation import HEAD_LENGTH, check_length, check_type

_MIB = 2**20
_TITLE = 200  # characters
# Of a dry run.
_WORDS = {"imported": "new", "skipped": "already there", "beside": "no picture"}


@dataclass(frozen=True, kw_only=True)
class _Item:
    """A file to bring in."""

    name: str  # its path below the folder, or in the archive
    read: Callable[[], AbstractContextManager[File[bytes]]]


@dataclass(frozen=True, kw_only=True)
class _Import:
    """Where files go."""

    gallery: Gallery | None  # None where a dry run makes none
    owner: Any
    dry_run: bool
    seen: set[str] = field(default_factory=set)  # checksums of this run

    def take(self, item: _Item) -> str:
        """Bring one file in, and return what became of it."""
        if is_companion(item.name):
            return "beside"
        with ExitStack() as stack:
            file = stack.enter_context(item.read())
            _check_head(file)
            checksum = checksum_of(stack.enter_context(as_kept(file)))
            if checksum in self.seen or self._has(checksum):
                return "skipped"
            if not self.dry_run:
                ingest_image(file, owner=self.owner, gallery=self.gallery)
            self.seen.add(checksum)
            return "imported"

    def _has(self, checksum: str) -> bool:
        if self.gallery is None:
            return False
        return bool(self.gallery.images.filter(checksum=checksum, trashed_at=None).exists())


class Command(BaseCommand):
    """See the module."""

    help = (
        "Import a folder of image files, or a ZIP archive, into a gallery, in the order of their "
        "names. What is in the gallery already, by checksum, is skipped, so that an import that "
        "was interrupted can be run again; so is what cameras and systems put beside pictures, by "
        "its name. Exit code 1 if any file failed; the others are kept. "
        "Of an archive that shows an attack nothing is read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "path", type=Path, help="a folder, searched with its subfolders, or a ZIP archive"
        )
        parser.add_argument(
            "--gallery", required=True, help="title of the owner's gallery; made if missing"
        )
        parser.add_argument("--owner", required=True, help="user name of the owner")
        parser.add_argument(
            "--dry-run", action="store_true", help="list what would come in, and change nothing"
        )
        parser.add_argument(
            "--max-entries",
            type=int,
            default=ArchiveLimits.max_entries,
            help="the most entries of an archive (default %(default)s)",
        )
        parser.add_argument(
            "--max-total",
            type=int,
            default=ArchiveLimits.max_total_bytes // _MIB,
            help="the most MiB that an archive may unpack to (default %(default)s)",
        )

    def handle(
        self, *, path: Path, gallery: str, owner: str, dry_run: bool = False, **options: Any
    ) -> None:
        """Run."""
        user = find_user(owner)
        limits = ArchiveLimits(
            max_entry_bytes=get_limits().max_bytes,
            max_entries=options["max_entries"],
            max_total_bytes=options["max_total"] * _MIB,
        )
        with (
            _items_of(path, limits) as items,
            _gallery_of(user, gallery, dry_run=dry_run) as target,
        ):
            counts = self._run(items, _Import(gallery=target, owner=user, dry_run=dry_run))
        word = "would be imported" if dry_run else "imported"
        beside = f"{counts['beside']} no pictures, " if counts["beside"] else ""
        self.stdout.write(
            f"{counts['imported']} {word}, {counts['skipped']} already there, "
            f"{beside}{counts['failed']} failed."
        )
        if counts["failed"]:
            raise SystemExit(1)

    def _run(self, items: list[_Item], into: _Import) -> dict[str, int]:
        progress = Progress(sys.stderr, len(items))
        counts = dict.fromkeys(("imported", "skipped", "beside", "failed"), 0)
        for item in items:
            try:
                outcome = into.take(item)
            except (ImagesAppError, OSError) as error:
                outcome = "failed"
                progress.clear()
                self.stderr.write(f"{printable(item.name)}: {_reason(error)}")
            counts[outcome] += 1
            if into.dry_run and outcome != "failed":
                self.stdout.write(f"{printable(item.name)}: {_WORDS[outcome]}")
            progress.step(item.name.rpartition("/")[2])
        progress.clear()
        return counts


@contextmanager
def _gallery_of(owner: Any, title: str, *, dry_run: bool) -> Iterator[Gallery | None]:
    """Yield the owner's gallery, made if missing; one that stays empty is removed again.

    In a dry run none is made.
    """
    found = _find_gallery(title, owner)
    if found is not None or dry_run:
        yield found
        return
    made = Gallery.objects.create(title=title, owner=owner)
    try:
        yield made
    finally:
        # Asked anew: somebody else may have added to it meanwhile.
        Gallery.objects.filter(pk=made.pk, items=None).delete()


def _find_gallery(title: str, owner: Any) -> Gallery | None:
    if not 1 <= len(title) <= _TITLE or not title.isprintable():
        message = f"The title of a gallery has 1 to {_TITLE} visible characters."
        raise CommandError(message)
    return Gallery.objects.filter(title=title, owner=owner).order_by("id").first()


def _check_head(file: File[bytes]) -> None:
    """Refuse what is surely no image, before it is read through."""
    limits = get_limits()
    check_length(file.size, limits)
    file.seek(0)
    check_type(file.read(HEAD_LENGTH), limits)


@contextmanager
def _items_of(path: Path, limits: ArchiveLimits) -> Iterator[list[_Item]]:
    """Hand out the files of a folder or an archive, in the order of their names."""
    if path.is_dir():
        items = _items_below(path, limits.max_entry_bytes)
        yield sorted(items, key=lambda item: name_order(item.name))
        return
    try:
        opened = path.open("rb") if path.is_file() else None
    except OSError as error:
        raise CommandError(_named(path, error)) from error
    if opened is None:
        what = "is neither a folder nor a ZIP archive" if path.exists() else "does not exist"
        message = f"{printable(path)} {what}."
        raise CommandError(message)
    with opened:
        try:
            archive = Archive(opened, limits)
        except (ImagesAppError, OSError) as error:
            raise CommandError(_named(path, error)) from error
        yield [_Item(name=each.name, read=partial(archive.read, each)) for each in archive.entries]


def _items_below(directory: Path, most: int) -> Iterator[_Item]:
    """Yield the ordinary files of a tree; links are not followed, and devices not opened.

    The folder itself may be a link: whoever runs the command has named it.
    """
    unreadable: list[OSError] = []
    for folder, folders, names in os.walk(directory, onerror=unreadable.append):
        folders[:] = [name for name in folders if not is_hidden(name)]
        for name in names:
            if not is_hidden(name) and _is_ordinary(os.path.join(folder, name)):  # noqa: PTH118
                below = Path(folder, name).relative_to(directory).as_posix()
                yield _Item(name=below, read=partial(_read_below, directory, below, most))
    for error in unreadable:
        name = Path(error.filename).relative_to(directory).as_posix()
        yield _Item(name=name, read=partial(_fail, error))


def _is_ordinary(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return True  # opening it says what is wrong


@contextmanager
def _read_below(directory: Path, name: str, most: int) -> Iterator[File[bytes]]:
    """Hand out a copy, for what is written to meanwhile would not be what was checked."""
    with _open_below(directory, name.split("/")) as source, ExitStack() as stack:
        before = os.fstat(source.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise OSError(0, _("This is no ordinary file any more."))
        file = stack.enter_context(copied(source, name, most=most))
        after = os.fstat(source.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise OSError(0, _("The file changed while it was read. Try again."))
        yield file


def _open_below(directory: Path, parts: list[str]) -> IO[bytes]:
    """Open a file without following a link on the way: one may have been put there meanwhile."""
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = deeper
        # Not blocking: a pipe that was put there would wait for its other end.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        opened = os.open(parts[-1], flags, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        return os.fdopen(opened, "rb")
    except OSError:  # it is a folder
        os.close(opened)
        raise


def _fail(error: OSError) -> NoReturn:
    raise error


def _named(path: Path, error: Exception) -> str:
    return f"{printable(path)}: {_reason(error)}"


def _reason(error: Exception) -> str:
    if isinstance(error, ImagesAppError):
        return _(error.public_message) % error.params
    return getattr(error, "strerror", None) or type(error).__name__
