"""JPEG: its segments, found without decoding, and the end that some files lack."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from images_app.engines.splicing import Part, length_of

_BLOCK = 1 << 16  # bytes
# Decoders skip what stands between two segments, and within a scan FF 00 is data, FF D0 to FF D7
# restart it, and FF FF fills (ITU T.81, B.1.1).
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]", re.DOTALL)
START_OF_IMAGE, END_OF_IMAGE, START_OF_SCAN = 0xD8, 0xD9, 0xDA
_PROGRESSIVE = 0xC2
# Tables, lines, comments and applications' data: what may stand behind a scan (B.2.1).
_BEHIND_A_SCAN = frozenset({0xC4, START_OF_SCAN, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)})
_END = bytes([0xFF, END_OF_IMAGE])
# As coded data these bytes change a picture that is not whole yet. A whole one ignores them.
_FILLER = b"\xaa\x55\xc3\x3c" * 256
_MOST_PARTS = 10_000  # segments; encoders write dozens
_LAST_COEFFICIENT = 63


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One marker of a JPEG with the length that follows it."""

    marker: int  # the byte behind FF
    start: int  # of the marker, in bytes from the start of the file
    end: int  # where the segment ends; coded data may follow


def segments(file: IO[bytes]) -> Iterator[Segment]:
    """Yield every segment, the end of the image last, where there is one.

    Raises:
        ValueError: where there are so many segments that reading them is work.

    """
    position = 0
    for _ in range(_MOST_PARTS):
        position = next_marker(file, position)
        file.seek(position)
        head = file.read(4)
        if head[1:2] == _END[1:]:
            yield Segment(marker=END_OF_IMAGE, start=position, end=position + 2)
            return
        if len(head) < 4:  # noqa: PLR2004
            return
        length = 0 if head[1] == START_OF_IMAGE else max(2, int.from_bytes(head[2:4], "big"))
        yield Segment(marker=head[1], start=position, end=position + 2 + length)
        position += 2 + length
    raise ValueError("too many segments")


def next_marker(file: IO[bytes], position: int) -> int:
    """Return where the next marker stands, or the end of the file."""
    file.seek(position)
    while block := file.read(_BLOCK):
        match = _MARKER.search(block)
        if match:
            return position + match.start()
        is_cut = block.endswith(b"\xff") and len(block) > 1  # perhaps a marker's first half
        position += len(block) - is_cut
        file.seek(position)
    return position


def missing_end(file: IO[bytes]) -> int | None:
    """Return where the end of the image is missing; None where it is there.

    That is the end of the file, or where something begins that can be no part of the image:
    cameras append data of their own to panoramas that they never ended.
    """
    length = length_of(file)
    file.seek(max(0, length - 2))
    if file.read(2) == _END:
        return None  # the usual case, which needs no walk
    is_behind_a_scan = False
    for segment in segments(file):
        if segment.marker == END_OF_IMAGE:
            return None
        if is_behind_a_scan and (segment.marker not in _BEHIND_A_SCAN or segment.end > length):
            return segment.start
        is_behind_a_scan = is_behind_a_scan or segment.marker == START_OF_SCAN
    start = max(0, length - _BLOCK)
    file.seek(start)
    return start + len(file.read().rstrip(b"\xff"))  # half a marker would change what follows


def ended(end: int) -> list[Part]:
    """Return the parts of the file that ends there as it should."""
    return [(0, end), _END]


def ended_otherwise(end: int) -> list[Part]:
    """Return the same with other coded data before the end: a whole picture looks the same."""
    return [(0, end), _FILLER, _END]


def is_refined(file: IO[bytes], end: int) -> bool:
    """Return whether a JPEG has every scan that its coefficients need up to there.

    A progressive one that breaks off between two scans shows a coarse picture, and looks whole
    to its decoder (ITU T.81, G.1.1.1).
    """
    missing: dict[int, set[int]] = {}  # coefficients that are not exact yet, by component
    is_progressive = False
    for segment in segments(file):
        if segment.start >= end:
            break
        file.seek(segment.start)
        content = file.read(segment.end - segment.start)
        if segment.marker == _PROGRESSIVE:
            is_progressive = True
            missing = {number: set(range(64)) for number in content[10::3][: content[9]]}
        elif segment.marker == START_OF_SCAN and is_progressive:
            count = content[4]
            first, last, bits = content[5 + 2 * count : 8 + 2 * count]
            if bits & 15 == 0:  # the point transform's low bit: exact from here on
                for number in content[5 : 5 + 2 * count : 2]:
                    missing[number] -= set(range(first, min(last, _LAST_COEFFICIENT) + 1))
    return not any(missing.values())
