"""WebP: transparency that the file has, and does not announce (RFC 9649)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from images_app.engines.splicing import Part

_FIRST = 12  # bytes before the first chunk
_FRAME_HEAD = 16  # bytes of a frame before its own chunks (2.7.1.1)
_FLAGS, _CANVAS, _HEAD = 20, slice(24, 30), 30  # where flags and canvas stand, and all of that
_ALPHA = 0x10  # a flag, and a bit of the head of a lossless picture
_TO_BACKGROUND = 1  # a flag of a frame
_MOST_CHUNKS = 100_000


def announced_parts(file: IO[bytes], length: int) -> list[Part] | None:
    """Return the parts of a WebP that announces its transparency; None where nothing is to do.

    Browsers look at each frame, decoders at the announcement alone, and show black instead.
    """
    file.seek(0)
    head = file.read(_HEAD)
    if head[_FIRST : _FIRST + 4] != b"VP8X" or len(head) < _HEAD or head[_FLAGS] & _ALPHA:
        return None
    if not any(_shows_through(file, *chunk, head[_CANVAS]) for chunk in _chunks(file)):
        return None
    return [(0, _FLAGS), bytes([head[_FLAGS] | _ALPHA]), (_FLAGS + 1, length)]


def _chunks(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield the kind of each chunk, those in frames too, and where its content begins."""
    position = _FIRST
    for _ in range(_MOST_CHUNKS):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:  # noqa: PLR2004
            return
        kind, size = head[:4], int.from_bytes(head[4:], "little")
        yield kind, position + 8
        # A frame is gone into; what else there is, is passed over, and fills even bytes.
        position += 8 + (_FRAME_HEAD if kind == b"ANMF" else size + size % 2)


def _shows_through(file: IO[bytes], kind: bytes, start: int, canvas: bytes) -> bool:
    """Return whether a chunk leaves a part of the canvas transparent."""
    file.seek(start)
    if kind == b"ANMF":
        head = file.read(_FRAME_HEAD)
        is_whole = head[:12] == bytes(6) + canvas
        return not is_whole or bool(head[-1] & _TO_BACKGROUND)
    if kind == b"VP8L":  # a signature, 28 bits of width and height, and then that one (3.4)
        return bool(int.from_bytes(file.read(5)[4:], "little") & _ALPHA)
    return kind == b"ALPH"
