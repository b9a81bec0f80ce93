"""PNG: the chunks that a picture needs, and how its colours are told (PNG 3rd edition)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from images_app.engines.profiles import Colors, from_chromaticities, from_code_points
from images_app.engines.splicing import Part

_SIGNATURE = 8  # bytes
_MOST_PARTS = 10_000  # chunks that are no pixels; encoders write dozens
_PIXELS = frozenset({b"IDAT", b"fdAT"})
_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
_NUMBERED = frozenset({b"fcTL", b"fdAT"})
_NEEDED = frozenset({b"IHDR", b"PLTE", b"IEND", b"fcTL"}) | _PIXELS
_HELPFUL = frozenset({b"tRNS", b"acTL", b"eXIf"})
_COLORS = frozenset({b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"})
_LONGEST_CHUNK = 1 << 20  # bytes of one that is not needed
_LONGEST_PROFILE = 4 << 20  # bytes of a profile; those of printers' inks have two millions
_RGB, _DEEP = 2, 16  # a colour type, and bits of a sample


@dataclass(frozen=True, kw_only=True)
class _Chunk:
    kind: bytes
    start: int  # of the whole chunk, in bytes from the start of the file
    length: int  # of its data


def _chunks(file: IO[bytes]) -> Iterator[_Chunk]:
    """Yield every chunk.

    Raises:
        ValueError: where there are so many that reading them is work.

    """
    position, others = _SIGNATURE, 0
    while others < _MOST_PARTS:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:  # noqa: PLR2004
            return
        chunk = _Chunk(kind=head[4:], start=position, length=int.from_bytes(head[:4], "big"))
        yield chunk
        if chunk.kind == b"IEND":
            return
        others += chunk.kind not in _PIXELS or chunk.length == 0
        position += 12 + chunk.length
    raise ValueError("too many chunks")


def _data(file: IO[bytes], chunk: _Chunk) -> bytes | None:
    """Return the data of a chunk; None where it is long, cut or damaged."""
    if chunk.length > _LONGEST_CHUNK:
        return None
    file.seek(chunk.start + 4)
    content = file.read(chunk.length + 8)
    checked, crc = content[:-4], content[-4:]
    if len(content) < chunk.length + 8 or zlib.crc32(checked) != int.from_bytes(crc, "big"):
        return None
    return checked[4:]


def needed_parts(file: IO[bytes]) -> list[Part]:
    """Return the parts that show the picture: without texts, colours and what is unknown.

    What a picture can do without must not be what it fails for: a long text, or a wrong sum
    over a comment. Colours are read apart, see ``read_colors``. An animation whose parts are
    out of order is none (11.3.2).
    """
    parts: list[tuple[int, int]] = [(0, _SIGNATURE)]
    is_animated = _is_in_order(file)
    for chunk in _chunks(file):
        if chunk.kind in _ANIMATION and not is_animated:
            continue
        if chunk.kind not in _NEEDED and (chunk.kind not in _HELPFUL or _data(file, chunk) is None):
            continue
        end = chunk.start + 12 + chunk.length
        if parts[-1][1] == chunk.start:
            parts[-1] = (parts[-1][0], end)
        else:
            parts.append((chunk.start, end))
    return list(parts)


def _is_in_order(file: IO[bytes]) -> bool:
    """Return whether the parts of an animation are numbered from zero on."""
    expected = 0
    for chunk in _chunks(file):
        if chunk.kind in _NUMBERED:
            file.seek(chunk.start + 8)
            if int.from_bytes(file.read(4), "big") != expected:
                return False
            expected += 1
    return True


def read_colors(file: IO[bytes]) -> Colors:
    """Return an ICC profile, where a PNG has or needs one; cICP counts first, gAMA last (4.3)."""
    found: dict[bytes, bytes] = {}
    for chunk in _chunks(file):
        if chunk.kind in _PIXELS:
            break  # they stand before the pixels (5.6)
        if chunk.kind in _COLORS and (data := _data(file, chunk)) is not None:
            found.setdefault(chunk.kind, data)
    if len(code_points := found.get(b"cICP", b"")) == 4:  # noqa: PLR2004
        return from_code_points(primaries=code_points[0], transfer=code_points[1])
    if b"iCCP" in found:
        return _inflated(found[b"iCCP"])
    if b"sRGB" in found or len(found.get(b"gAMA", b"")) != 4:  # noqa: PLR2004
        return None
    exponent = int.from_bytes(found[b"gAMA"], "big") / 100_000
    points = found.get(b"cHRM", b"")
    is_told = len(points) == 32  # noqa: PLR2004
    white_first = [value / 100_000 for value in struct.unpack(">8I", points)] if is_told else None
    return from_chromaticities(white_first, exponent)


def _inflated(data: bytes) -> bytes | None:
    """Return the profile of an iCCP chunk: a name, a method, and compressed data (11.3.2.3)."""
    _, _, rest = data.partition(b"\0")
    inflater = zlib.decompressobj()
    try:
        profile = inflater.decompress(rest[1:], _LONGEST_PROFILE)
    except zlib.error:
        return None
    return profile if inflater.eof else None


def deep_transparency(file: IO[bytes]) -> tuple[int, int, int] | None:
    """Return the transparent colour of a PNG with 16 bits for each of red, green and blue."""
    for chunk in _chunks(file):
        if chunk.kind == b"IHDR":
            header = _data(file, chunk)
            if header is None or (header[8], header[9]) != (_DEEP, _RGB):
                return None
        elif chunk.kind == b"tRNS":
            data = _data(file, chunk)
            return struct.unpack(">3H", data) if data is not None and len(data) == 6 else None  # noqa: PLR2004
        elif chunk.kind in _PIXELS:
            return None
    return None
