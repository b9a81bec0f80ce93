"""Reading a file of the database from any position on, one chunk at a time."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, router

from images_app.contrib.dbstorage.models import StoredChunk, StoredFile


class ChunkReader(io.RawIOBase):
    """Holds one chunk in memory and no cursor, so that another thread may read on."""

    def __init__(self, file: StoredFile, position: int = 0) -> None:
        super().__init__()
        self._file = file
        self._position = position
        self._number, self._chunk = -1, memoryview(b"")
        self._opened_by = threading.get_ident()

    @property
    def whole_length(self) -> int:
        """The bytes of the file, as its row says."""
        return self._file.byte_size

    def readable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def seekable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """See io.RawIOBase."""
        starts = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._file.byte_size}
        position = starts[whence] + offset
        if position < 0:
            message = f"negative seek value {position}"
            raise ValueError(message)
        self._position = position
        return position

    def tell(self) -> int:
        """See io.RawIOBase."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, up to the end of one chunk.

        Raises:
            FileNotFoundError: when the file was deleted or replaced meanwhile.
            OSError: when the chunk is too short.

        """
        if self._position >= self._file.byte_size:
            return 0
        number, offset = divmod(self._position, self._file.chunk_size)
        if number != self._number:
            self._chunk, self._number = memoryview(self._fetch(number)), number
        piece = self._chunk[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _fetch(self, number: int) -> bytes:
        alias = self._file._state.db or router.db_for_write(StoredFile)
        with self._connection_left_as_found(alias):
            chunks = StoredChunk.objects.using(alias).filter(file=self._file, number=number)
            content = chunks.values_list("content", flat=True).first() or b""
            if not content and not StoredFile.objects.using(alias).filter(pk=self._file.pk):
                message = "It was replaced or deleted while it was read."
                raise FileNotFoundError(message)
        left = self._file.byte_size - number * self._file.chunk_size
        if len(content) != min(left, self._file.chunk_size):
            message = f"{self._file.name} is damaged."
            raise OSError(message)
        return content

    @contextmanager
    def _connection_left_as_found(self, alias: str) -> Iterator[None]:
        """In a thread that no request looks after, apply the rules of CONN_MAX_AGE ourselves."""
        if threading.get_ident() == self._opened_by:
            yield
            return
        connection = connections[alias]
        connection.close_if_unusable_or_obsolete()
        try:
            yield
        finally:
            connection.close_if_unusable_or_obsolete()
