"""GIF: a screen that the frames leave empty is transparent, whatever its background says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from images_app.engines.splicing import Part

_HEAD = 13  # bytes: signature, version and the screen (GIF89a, 17 and 18)
_EXTENSION, _PICTURE = b"!", b","
_CONTROL, _APPLICATION = 0xF9, 0xFF
_TO_BACKGROUND = 2  # a disposal
_MOST_FRAMES = 100_000
# One transparent pixel with colours of its own: control, place, two colours, and its data.
EMPTY_FRAME = (
    b"!\xf9\x04\x01\x00\x00\x00\x00"
    b",\x00\x00\x00\x00\x01\x00\x01\x00\x80"
    b"\x00\x00\x00\xff\xff\xff"
    b"\x02\x02\x44\x01\x00"
)


@dataclass(frozen=True, kw_only=True)
class _Frame:
    covers: bool  # the whole screen
    is_transparent: bool
    disposal: int


def with_empty_screen(file: IO[bytes], length: int) -> list[Part] | None:
    """Return the parts of a GIF that begins with an empty frame; None where it needs none.

    Browsers begin with an empty screen, and empty it where a frame asks for the background
    (GIF89a, 23). The decoder paints the background's colour, unless a transparent frame came
    before. So there is one more frame than the file has.
    """
    file.seek(0)
    head = file.read(_HEAD)
    if len(head) < _HEAD:
        return None
    first = _HEAD + _table(head[10])
    try:
        if not _leaves_gaps(_frames(file, first, head[6:10])):
            return None
        loop = _loop(file, first)
    except IndexError:  # cut, which the decoder tells
        return None
    return [(0, first), loop, EMPTY_FRAME, (first, length)]


def _loop(file: IO[bytes], position: int) -> bytes:
    """Return the extension that says how often to play, which decoders want in front."""
    file.seek(position)
    while file.read(1) == _EXTENSION:
        label, start = file.read(1)[0], file.tell() - 2
        _skip_blocks(file)
        end = file.tell()
        file.seek(start)
        content = file.read(end - start)
        if label == _APPLICATION and content[3:14] == b"NETSCAPE2.0":
            return content
    return b""


def _leaves_gaps(frames: Iterator[_Frame]) -> bool:
    for number, frame in enumerate(frames):
        if frame.is_transparent:
            return False  # known to be transparent from here on
        if frame.disposal == _TO_BACKGROUND or (number == 0 and not frame.covers):
            return True
    return False


def _table(flags: int) -> int:
    """Return how many bytes a table of colours takes (GIF89a, 18)."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _frames(file: IO[bytes], position: int, screen: bytes) -> Iterator[_Frame]:
    flags = 0
    file.seek(position)
    for _ in range(_MOST_FRAMES):
        kind = file.read(1)
        if kind == _EXTENSION:
            label = file.read(1)[0]
            if label == _CONTROL:
                flags = file.read(2)[1]
                file.seek(3, 1)
            _skip_blocks(file)
        elif kind == _PICTURE:
            place = file.read(9)
            file.seek(_table(place[8]) + 1, 1)
            _skip_blocks(file)
            yield _Frame(
                covers=place[:8] == bytes(4) + screen,
                is_transparent=bool(flags & 1),
                disposal=flags >> 2 & 7,
            )
            flags = 0
        else:
            return


def _skip_blocks(file: IO[bytes]) -> None:
    while size := file.read(1)[0]:
        file.seek(size, 1)
