"""DatabaseStorage: files as rows, written and read chunk by chunk."""

from __future__ import annotations

import datetime as dt
import io
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import PurePosixPath
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage
from django.core.files.utils import validate_file_name
from django.db import IntegrityError, router, transaction
from django.utils.deconstruct import deconstructible

from images_app.contrib.dbstorage.models import NAME_LENGTH, StoredChunk, StoredFile
from images_app.contrib.dbstorage.reading import ChunkReader

CHUNK_SIZE = 256 * 1024  # bytes
_ATTEMPTS = 5  # another may take the name between our look and our insert


@deconstructible(path="images_app.contrib.dbstorage.storage.DatabaseStorage")
class DatabaseStorage(Storage):
    """Files in the database of ``StoredFile``, seen by others once their transaction commits."""

    def __init__(self, *, location: str = "", allow_overwrite: bool = False) -> None:
        """Take a folder within the table, and how to treat names that are taken.

        Args:
            location: put before every name; storages that shall not meet need two of them.
            allow_overwrite: whether saving under a taken name replaces the file at once.

        """
        self._prefix = f"{location.strip('/')}/" if location else ""
        self._replaces = allow_overwrite

    def open_range(self, name: str, start: int, stop: int) -> IO[bytes]:
        """Open a file at ``start``; only the chunks that are read leave the database.

        Raises:
            FileNotFoundError: without such a file.
            OSError: while reading, when the file is replaced or deleted meanwhile.

        """
        return io.BufferedReader(ChunkReader(self._find(name), start))

    def exists(self, name: str) -> bool:
        """Tell whether there is such a file."""
        return StoredFile.objects.filter(name=self._key(name)).exists()

    def size(self, name: str) -> int:
        """Answer with the bytes of a file; FileNotFoundError without it."""
        return self._find(name).byte_size

    def get_created_time(self, name: str) -> dt.datetime:
        """Answer with when a file was saved; FileNotFoundError without it."""
        return self._find(name).created_at

    get_modified_time = get_created_time

    def delete(self, name: str) -> None:
        """Delete a file, if there is one."""
        with transaction.atomic(using=_database()):
            _delete(self._key(name))

    def rename(self, name: str, new: str) -> None:
        """Give a file another name, replacing what stands there; its bytes stay where they are."""
        with transaction.atomic(using=_database()):
            file = self._find(name)
            _delete(self._key(new))
            file.name = self._key(new)
            file.save(update_fields=["name"])

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """Answer with the folders and the files right below a folder; none where it is absent."""
        prefix = self._prefix + (f"{path.strip('/')}/" if path.strip("/") else "")
        folders, files = set(), []
        names = StoredFile.objects.values_list("name", flat=True)
        for name in names.filter(name__startswith=prefix).iterator():
            if not name.startswith(prefix):  # SQLite finds capitals too
                continue
            first, slash, _rest = name.removeprefix(prefix).partition("/")
            if slash:
                folders.add(first)
            else:
                files.append(first)
        return sorted(folders), sorted(files)

    def url(self, name: str | None) -> str:
        """Refuse: the files of this storage have no URL of their own."""
        message = f"{type(self).__name__} is private: its files have no URL."
        raise ValueError(message)

    def is_name_available(self, name: str, max_length: int | None = None) -> bool:
        """Tell whether a file may be saved under a name."""
        if max_length and len(name) > max_length:
            return False
        return self._replaces or not self.exists(name)

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Answer with the name, or one like it that is free and fits into the table."""
        longest = NAME_LENGTH - len(self._prefix)
        return super().get_available_name(name, min(max_length or longest, longest))

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        if mode != "rb":
            message = f"Files are opened for reading ('rb'), not {mode!r}; save() writes them."
            raise ValueError(message)
        # All of it now: who reads on later meets no deletion, and no failure of the database.
        with ExitStack() as until_failure:
            spooled = until_failure.enter_context(
                SpooledTemporaryFile(2 * CHUNK_SIZE, dir=settings.FILE_UPLOAD_TEMP_DIR)
            )
            with io.BufferedReader(ChunkReader(self._find(name))) as reader:
                shutil.copyfileobj(reader, spooled)
            spooled.seek(0)
            until_failure.pop_all()
            return File(spooled, name)

    def _save(self, name: str, content: File[bytes]) -> str:
        for _attempt in range(_ATTEMPTS):
            try:
                self._write(self._key(name), content)
            except IntegrityError:
                name = self.get_available_name(name)
            else:
                return name
        message = f"Others keep taking the name {name!r}."
        raise OSError(message)

    def _write(self, key: str, content: File[bytes]) -> None:
        """Write all or nothing; a file that is replaced gets a new row, so no reader mixes both."""
        with transaction.atomic(using=_database()):
            if self._replaces:
                _delete(key)
            file = StoredFile.objects.create(name=key, byte_size=0, chunk_size=CHUNK_SIZE)
            for number, chunk in enumerate(_chunks_of(content)):
                StoredChunk.objects.create(file=file, number=number, content=chunk)
                file.byte_size += len(chunk)
            file.save(update_fields=["byte_size"])

    def _find(self, name: str) -> StoredFile:
        try:
            return StoredFile.objects.get(name=self._key(name))
        except StoredFile.DoesNotExist as error:
            message = f"No such file: {name}"
            raise FileNotFoundError(message) from error

    def _key(self, name: Any) -> str:
        """Answer with the name in the table; SuspiciousFileOperation for one that leads out."""
        validate_file_name(str(name), allow_relative_path=True)
        return self._prefix + PurePosixPath(str(name).replace("\\", "/")).as_posix()


def _database() -> str:
    return router.db_for_write(StoredFile)


def _delete(key: str) -> None:
    # The chunks on their own and without their bytes: a host that listens to every deletion
    # makes Django read first what it deletes.
    StoredChunk.objects.filter(file__name=key).defer("content").delete()
    StoredFile.objects.filter(name=key).delete()


def _chunks_of(content: File[bytes]) -> Iterator[bytes]:
    """Cut into chunks of one size, whatever the size of what can be read at once."""
    pending = bytearray()
    for piece in content.chunks(CHUNK_SIZE):
        pending += piece
        while len(pending) >= CHUNK_SIZE:
            yield bytes(pending[:CHUNK_SIZE])
            del pending[:CHUNK_SIZE]
    if pending:
        yield bytes(pending)
