"""AVIF and HEIC: the colours of the picture, by its code points (ISO/IEC 23008-12, 6.5.5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from images_app.engines.profiles import Colors, from_code_points

_LONGEST_META = 1 << 20  # bytes; what describes a picture takes a few hundred
_MOST_BOXES = 10_000
_ICC = frozenset({b"prof", b"rICC"})


def read_code_points(file: IO[bytes]) -> Colors:
    """Return a profile for the code points of the primary picture; None for sRGB or without."""
    try:
        return _read(_meta_of(file))
    except (IndexError, ValueError):
        return None


def _meta_of(file: IO[bytes]) -> bytes:
    """Return the content of the meta box, which stands near the start (ISO/IEC 14496-12, 8.11)."""
    position = 0
    for _ in range(_MOST_BOXES):
        file.seek(position)
        head = file.read(16)
        if len(head) < 8:  # noqa: PLR2004
            break
        size, start = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, start = int.from_bytes(head[8:], "big"), 16
        if size < start:  # to the end of the file: what describes a picture is bounded
            break
        if head[4:8] == b"meta" and size <= _LONGEST_META:
            file.seek(position + start)
            return file.read(size - start)
        position += size
    return b""


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the content of each box."""
    position = 0
    while position + 8 <= len(content):
        size = int.from_bytes(content[position : position + 4], "big")
        if size < 8:  # noqa: PLR2004
            return
        yield content[position + 4 : position + 8], content[position + 8 : position + size]
        position += size


def _read(meta: bytes) -> Colors:
    boxes = dict(_boxes(meta[4:]))
    properties = dict(_boxes(boxes.get(b"iprp", b"")))
    kinds = list(_boxes(properties.get(b"ipco", b"")))
    wanted = set(_properties_of(_primary(boxes.get(b"pitm", b"")), properties.get(b"ipma", b"")))
    told = [
        content
        for number, (kind, content) in enumerate(kinds, 1)
        if kind == b"colr" and number in wanted
    ]
    if any(content[:4] in _ICC for content in told):
        return None  # the decoder hands over that profile
    for content in told:
        if content[:4] == b"nclx":
            return from_code_points(
                primaries=int.from_bytes(content[4:6], "big"),
                transfer=int.from_bytes(content[6:8], "big"),
            )
    return None


def _primary(content: bytes) -> int:
    """Return the number of the picture to show (ISO/IEC 14496-12, 8.11.4)."""
    return int.from_bytes(content[4:6] if content[:1] == b"\0" else content[4:8], "big")


def _properties_of(item: int, content: bytes) -> Iterator[int]:
    """Yield the numbers of an item's properties (ISO/IEC 23008-12, 9.3.3)."""
    if not content:
        return
    id_length = 2 if content[0] == 0 else 4
    length = 2 if content[3] & 1 else 1
    position = 8
    for _ in range(int.from_bytes(content[4:8], "big")):
        found = int.from_bytes(content[position : position + id_length], "big")
        count = content[position + id_length]
        position += id_length + 1
        if found == item:
            for start in range(position, position + count * length, length):
                # The highest bit says whether the property must be understood.
                value = int.from_bytes(content[start : start + length], "big")
                yield value & ((1 << (8 * length - 1)) - 1)
        position += count * length
