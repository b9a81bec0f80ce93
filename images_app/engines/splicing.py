"""Spliced files: what a decoder reads of an original, without a copy of it."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import IO, cast

Part = tuple[int, int] | bytes  # from and to where in the original, or bytes to put in


def length_of(file: IO[bytes]) -> int:
    """Return the length of a file in bytes, of a mapped one too, whose ``seek`` tells nothing."""
    file.seek(0, io.SEEK_END)
    return file.tell()


def whole_file(file: IO[bytes]) -> IO[bytes]:
    """Return a view in which positions behind the end are none to fail for.

    A mapped file refuses to go there, and damaged files lead there.
    """
    return spliced(file, [(0, length_of(file))])


def spliced(file: IO[bytes], parts: Sequence[Part]) -> IO[bytes]:
    """Return some parts of a file, and some bytes between them, as one file to read."""
    return cast("IO[bytes]", _SplicedFile(file, parts))


class _SplicedFile(io.RawIOBase):
    """See ``spliced``."""

    def __init__(self, file: IO[bytes], parts: Sequence[Part]) -> None:
        super().__init__()
        self._file, self._parts = file, parts
        lengths = [len(part) if isinstance(part, bytes) else part[1] - part[0] for part in parts]
        self._ends = list(accumulate(lengths))
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position in bytes, and return it."""
        length = self._ends[-1] if self._ends else 0
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: length}[whence]
        self._position = max(0, start + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Read as many bytes as are asked for, fewer only at the end."""
        found = []
        wanted = self._ends[-1] if size is None or size < 0 else size
        while wanted > 0 and (block := self._read_of_part(wanted)):
            found.append(block)
            wanted -= len(block)
        return b"".join(found)

    def _read_of_part(self, size: int) -> bytes:
        number = bisect_right(self._ends, self._position)
        if number == len(self._parts):
            return b""
        part, end = self._parts[number], self._ends[number]
        size = min(size, end - self._position)
        if isinstance(part, bytes):
            start = len(part) - (end - self._position)
            block = part[start : start + size]
        else:
            self._file.seek(part[1] - (end - self._position))
            block = self._file.read(size)
        self._position += len(block)
        return block
