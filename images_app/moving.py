"""Moving: originals go from one storage to another while they are being looked at."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages
from django.db import Error
from django.db.models import QuerySet

from images_app.database import atomic, on_commit
from images_app.models import AbstractImage, ImageQuerySet, get_image_model
from images_app.ownership import mark_once
from images_app.storages import delete_stored, open_range

logger = logging.getLogger("images_app.moving")

GRACE = 60.0  # seconds that a request may take from its reading of the row to opening the bytes
_MEMORY = 5 * 2**20  # bytes of an original that are held in memory; more waits on disk
_READ = 256 * 1024  # bytes
_CHANGED = "It was replaced, moved or deleted meanwhile."
_FIELDS = (
    *("id", "public_id", "title", "file_name", "version"),
    *("storage_alias", "storage_name", "checksum", "byte_size"),
)


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What became of one original."""

    image: AbstractImage  # as it was
    # "" for one that was moved; "changed" where somebody replaced, moved or deleted it meanwhile;
    # "bytes_gone", "damaged", "not_read", "not_stored", "not_recorded": it stays where it is.
    problem: str = ""
    reason: str = ""  # for people

    @property
    def is_failure(self) -> bool:
        """Whether somebody has to look after it."""
        return self.problem not in {"", "changed"}


def originals_elsewhere(to: str, only_from: str | None = None) -> QuerySet[AbstractImage]:
    """Answer with the images, the trash included, whose originals are in another storage."""
    images = ImageQuerySet(get_image_model()).exclude(storage_alias=to)
    return images if only_from is None else images.filter(storage_alias=only_from)


def in_batches(images: QuerySet[AbstractImage], size: int) -> Iterator[AbstractImage]:
    """Read images batch by batch, so that no cursor is open while bytes travel."""
    last = 0
    while batch := list(images.filter(pk__gt=last).order_by("pk").only(*_FIELDS)[:size]):
        yield from batch
        last = batch[-1].pk


class Mover:
    """Moves originals one by one, and deletes what they leave behind once nobody reads it.

    An original is copied and read back before its row is changed, and its old bytes go a while
    after that. Whenever the process dies, the row names bytes that are there and whole; what is
    left over is a file without a row.
    """

    def __init__(self, to: str, *, grace: float = GRACE) -> None:
        """Take where originals go.

        Args:
            to: an alias of STORAGES.
            grace: seconds that old bytes are kept for those who have just read the row.

        """
        self._to, self._grace = to, grace
        self._left: deque[tuple[float, AbstractImage]] = deque()

    @property
    def left(self) -> int:
        """How many old files still wait for their deletion."""
        return len(self._left)

    def move(self, image: AbstractImage) -> Moved:
        """Move one original.

        Args:
            image: as it was read; what has changed meanwhile wins.

        """
        try:
            name = self._copy(image)
            self._record(image, name)
        except _NotMovedError as error:
            logger.warning(
                "code=%s image=%s storage=%s", error.problem, image.pk, image.storage_alias
            )
            return Moved(image=image, problem=error.problem, reason=error.reason)
        return Moved(image=image)

    def sweep(self, *, is_patient: bool = False) -> None:
        """Delete the old bytes whose time has come; patiently, wait for all of them."""
        while self._left:
            due, image = self._left[0]
            wait = due - time.monotonic()
            if wait > 0 and not is_patient:
                return
            time.sleep(max(0.0, wait))
            self._left.popleft()
            if not _is_at(image, image.storage_alias, image.storage_name):  # not moved back
                delete_stored([(image.storage_alias, image.storage_name)])

    def _copy(self, image: AbstractImage) -> str:
        """Store a copy that is known to be whole, and answer with its name."""
        target = self._target()
        mark_once(self._to)
        with SpooledTemporaryFile(_MEMORY, dir=settings.FILE_UPLOAD_TEMP_DIR) as spooled:
            _read_whole(image, spooled)
            spooled.seek(0)
            try:
                file: File[bytes] = File(spooled, image.storage_name)
                file.size = image.byte_size
                longest = image._meta.get_field("storage_name").max_length
                name = target.save(image.storage_name, file, max_length=longest)
            except Exception as error:
                # Object stores raise their own types for whatever their network does.
                raise _NotMovedError("not_stored", _reason(error)) from error
        try:
            found = _checksum_of(target, name, image.byte_size)
        except Exception as error:
            self._drop(image, name)
            raise _NotMovedError("not_stored", _reason(error)) from error
        if found != image.checksum:
            self._drop(image, name)
            raise _NotMovedError("not_stored", "It came back with another checksum.")
        return name

    def _target(self) -> Storage:
        try:
            return storages[self._to]
        except Exception as error:
            raise _NotMovedError("not_stored", _reason(error)) from error

    def _record(self, image: AbstractImage, name: str) -> None:
        """Change the row if it still says what was copied; whoever was faster wins."""
        try:
            with atomic(type(image)):
                changed = _row(image, image.storage_alias, image.storage_name).update(
                    storage_alias=self._to, storage_name=name
                )
                if changed:
                    on_commit(type(image), lambda: self._leave(image))
        except Error as error:
            # Nobody knows what the database did: the copy stays, for the row may name it.
            raise _NotMovedError("not_recorded", _reason(error)) from error
        if not changed:
            self._drop(image, name)
            raise _NotMovedError("changed", _CHANGED)

    def _leave(self, image: AbstractImage) -> None:
        self._left.append((time.monotonic() + self._grace, image))

    def _drop(self, image: AbstractImage, name: str) -> None:
        """Delete a copy, unless another mover's row names the very same."""
        if not _is_at(image, self._to, name):
            delete_stored([(self._to, name)])


class _NotMovedError(Exception):
    """Why an original stays where it is."""

    def __init__(self, problem: str, reason: str) -> None:
        self.problem, self.reason = problem, reason
        super().__init__(problem)


def _read_whole(image: AbstractImage, target: IO[bytes]) -> None:
    """Read an original, and make sure that it is what was let in."""
    digest = hashlib.sha256()
    try:
        for chunk in _chunks(storages[image.storage_alias], image.storage_name, image.byte_size):
            digest.update(chunk)
            target.write(chunk)
    except Exception as error:
        if not _is_at(image, image.storage_alias, image.storage_name):
            raise _NotMovedError("changed", _CHANGED) from error
        problem = "bytes_gone" if isinstance(error, FileNotFoundError) else "not_read"
        raise _NotMovedError(problem, _reason(error)) from error
    if digest.hexdigest() != image.checksum:
        raise _NotMovedError("damaged", "Its bytes have another checksum than its record.")


def _checksum_of(storage: Storage, name: str, length: int) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks(storage, name, length):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(storage: Storage, name: str, length: int) -> Iterator[bytes]:
    with closing(open_range(storage, name, 0, length)) as file:
        while chunk := file.read(_READ):
            yield chunk


def _row(image: AbstractImage, alias: str, name: str) -> QuerySet[AbstractImage]:
    return ImageQuerySet(get_image_model()).filter(
        pk=image.pk, version=image.version, storage_alias=alias, storage_name=name
    )


def _is_at(image: AbstractImage, alias: str, name: str) -> bool:
    rows = ImageQuerySet(get_image_model()).filter(pk=image.pk)
    return rows.filter(storage_alias=alias, storage_name=name).exists()


def _reason(error: Any) -> str:
    """Say what failed without a path."""
    return getattr(error, "strerror", None) or type(error).__name__
