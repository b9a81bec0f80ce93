"""Stripping: a JPEG without its metadata, and with every bit of its picture."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from django.core.files import File

from images_app.exceptions import StorageUnavailable, UploadRefused
from images_app.temporary import temporary_file

_BLOCK = 1 << 16  # bytes
_MOST_SEGMENTS = 10_000  # encoders write dozens
_START_OF_IMAGE = b"\xff\xd8"
_SOI, _EOI, _SOS, _APP0, _APP1, _APP2, _APP14 = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE
# FF 00, a restart (FF D0 to FF D7) and FF 01 stand alone, FF FF fills (ITU T.81, B.1.1); in a
# scan the first three are its data.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]", re.DOTALL)
# Frames, scans, tables, restart intervals, numbers of lines, and the end: the picture itself.
_PICTURE = frozenset({*range(0xC0, 0xD0), _EOI, _SOS, 0xDB, 0xDC, 0xDD}) - {0xC8}
_JFIF, _ADOBE, _ICC = b"JFIF\0", b"Adobe", b"ICC_PROFILE\0"
_EXIF = b"Exif\0\0"
_JFIF_LENGTH, _ADOBE_LENGTH = 14, 12  # bytes; a thumbnail follows the first, nothing the other
_ORIENTATION = 0x0112
_SHORT = 3  # a type of numbers in a TIFF
_LENGTHS = {_SHORT: 2, 4: 4}  # bytes of a number of that type


@dataclass(frozen=True, kw_only=True)
class _Segment:
    """A piece of a file: a marker's segment, or the data of a scan (marker 0)."""

    marker: int
    start: int  # position of its first byte, the FF
    end: int


@dataclass(frozen=True, kw_only=True)
class _Head:
    """What is kept of the segments before the first scan."""

    jfif: bytes  # an APP0 segment, or nothing
    orientation: int  # EXIF 1 to 8
    has_whole_profile: bool


@contextmanager
def stripped(file: File[bytes]) -> Iterator[File[bytes]]:
    """Hand out a JPEG without its metadata, in a temporary file; another format as it is.

    Args:
        file: binary and seekable; it stays open.

    Raises:
        UploadRefused: ``damaged``, where it is no JPEG that can be taken apart.

    """
    file.seek(0)
    if file.read(2) != _START_OF_IMAGE:
        yield file
        return
    with temporary_file(buffering=0) as kept:
        try:
            with open(kept.fileno(), "wb", closefd=False) as target:
                strip_jpeg(file, target)
        except ValueError as error:
            raise UploadRefused("damaged", str(error)) from error
        except OSError as error:  # no room on this machine
            raise StorageUnavailable(type(error).__name__) from error
        kept.seek(0)
        yield File(kept, name=file.name)


def strip_jpeg(source: IO[bytes], target: IO[bytes]) -> None:
    """Copy a JPEG without metadata; its scans and tables are copied byte for byte.

    Kept are the JFIF header without its thumbnail, Adobe's word on colours, a whole ICC profile,
    and the orientation where it is not upright. Everything else goes: EXIF, XMP, IPTC, comments,
    previews, and what stands between segments and behind the end of the first picture.

    Args:
        source: binary and seekable.
        target: written from where it is; of use only when no error was raised.

    Raises:
        ValueError: when the structure is not that of a JPEG (ITU T.81, B.2).

    """
    head = _read_head(source)
    target.write(_START_OF_IMAGE + head.jfif)
    if head.orientation != 1:
        target.write(_exif_of(head.orientation))
    has_scan = False
    for segment in _segments(source):
        if segment.marker in _PICTURE or not segment.marker:
            if segment.marker not in {0, _EOI} and not _is_sound(
                segment.marker, _payload(source, segment)
            ):
                raise ValueError("a segment of another kind")
            _copy(source, target, segment)
        elif not has_scan:
            target.write(_kept_application(source, segment, head))
        has_scan |= segment.marker == _SOS
    if not has_scan:
        raise ValueError("no scan")


def _segments(source: IO[bytes]) -> Iterator[_Segment]:
    """Yield the pieces of the first picture behind its first marker."""
    source.seek(0)
    if source.read(2) != _START_OF_IMAGE:
        raise ValueError("no JPEG")
    position = 2
    for _ in range(_MOST_SEGMENTS):
        position = _next_marker(source, position)
        source.seek(position)
        head = source.read(4)
        if len(head) < 2:  # noqa: PLR2004
            return  # without its last marker, which some decoders take
        if head[1] == _EOI:
            yield _Segment(marker=_EOI, start=position, end=position + 2)
            return
        length = int.from_bytes(head[2:], "big")
        if len(head) < 4 or length < 2 or head[1] == _SOI:  # noqa: PLR2004
            raise ValueError("no segment")
        end = position + 2 + length
        yield _Segment(marker=head[1], start=position, end=end)
        position = end
        if head[1] == _SOS:
            position = _next_marker(source, end)
            yield _Segment(marker=0, start=end, end=position)
    raise ValueError("too many segments")


def _next_marker(source: IO[bytes], position: int) -> int:
    """Answer with where the next marker stands, or the end."""
    source.seek(position)
    while block := source.read(_BLOCK):
        match = _MARKER.search(block)
        if match:
            return position + match.start()
        is_cut = block.endswith(b"\xff") and len(block) > 1  # perhaps a marker's first half
        position += len(block) - is_cut
        source.seek(position)
    return position


def _read_head(source: IO[bytes]) -> _Head:
    jfif, parts, has_signature = b"", [], False
    exif: bytes | None = None
    for segment in _segments(source):
        if segment.marker == _SOS:
            break
        if segment.marker not in {_APP0, _APP1, _APP2}:
            continue
        payload = _payload(source, segment)
        if segment.marker == _APP0 and payload.startswith(_JFIF) and not jfif:
            jfif = _jfif_without_thumbnail(payload)
        elif payload.startswith(_EXIF):
            exif = payload[len(_EXIF) :] if exif is None else exif
        elif payload.startswith(_ICC):
            parts.append(tuple(payload[len(_ICC) : len(_ICC) + 2]))
            has_signature |= payload[len(_ICC) + 2 :][36:40] == b"acsp"
    # Each part says its number and how many there are, from 1 (ICC.1, B.4); the first begins with
    # the profile's head, which has a signature (ICC.1, 7.2.9).
    whole = [(number, len(parts)) for number in range(1, len(parts) + 1)]
    return _Head(
        jfif=jfif,
        orientation=_orientation_of(exif or b"") or 1,
        has_whole_profile=has_signature and sorted(parts) == whole,
    )


def _kept_application(source: IO[bytes], segment: _Segment, head: _Head) -> bytes:
    """Answer with what is kept of a segment that is not of the picture itself."""
    if segment.marker == _APP14:
        payload = _payload(source, segment)
        if payload.startswith(_ADOBE) and len(payload) >= _ADOBE_LENGTH:
            return _segment_of(_APP14, payload[:_ADOBE_LENGTH])
    if segment.marker == _APP2 and head.has_whole_profile:
        payload = _payload(source, segment)
        if payload.startswith(_ICC):
            return _segment_of(_APP2, payload)
    return b""


def _is_sound(marker: int, payload: bytes) -> bool:
    """Tell whether a segment of the picture has the length that its own numbers say.

    So nothing else hides behind the marker of a frame, a scan or a table (ITU T.81, B.2.2 to
    B.2.5).
    """
    match marker:
        case 0xDC | 0xDD:  # number of lines, restart interval
            return len(payload) == 2  # noqa: PLR2004
        case 0xDB:  # quantisation: tables of 64 values, of one byte or two
            return _is_made_of(payload, lambda rest: 1 + 64 * (1 + (rest[0] >> 4)))
        case 0xC4:  # Huffman: sixteen counts, and so many values
            return _is_made_of(payload, lambda rest: 17 + sum(rest[1:17]))
        case 0xCC:  # arithmetic: pairs of a class and place, and a value
            places = payload[::2]
            return len(payload) % 2 == 0 and all(p >> 4 < 2 and p & 15 < 4 for p in places)  # noqa: PLR2004
        case 0xDA:
            return len(payload) > 0 and len(payload) == 4 + 2 * payload[0]
        case _:  # a frame
            return len(payload) > 5 and len(payload) == 6 + 3 * payload[5]  # noqa: PLR2004


def _is_made_of(payload: bytes, length_of: Callable[[bytes], int]) -> bool:
    """Tell whether tables of the lengths that they say fill a segment exactly."""
    rest = payload
    while rest:
        length = length_of(rest)
        if length > len(rest):
            return False
        rest = rest[length:]
    return bool(payload)


def _jfif_without_thumbnail(payload: bytes) -> bytes:
    if len(payload) < _JFIF_LENGTH:
        return b""
    return _segment_of(_APP0, payload[: _JFIF_LENGTH - 2] + b"\0\0")


def _orientation_of(tiff: bytes) -> int | None:
    """Answer with the orientation of EXIF's first directory: 1 for nonsense, None for none."""
    order = {b"II*\0": "little", b"MM\0*": "big"}.get(tiff[:4])
    if order is None:
        return None

    def number(start: int, length: int) -> int:
        return int.from_bytes(tiff[start : start + length], order)  # type: ignore[arg-type]

    directory = number(4, 4)
    for index in range(number(directory, 2)):
        entry = directory + 2 + 12 * index
        if entry + 12 > len(tiff):
            return None
        if number(entry, 2) == _ORIENTATION:
            value = number(entry + 8, _LENGTHS.get(number(entry + 2, 2), 0))
            return value if 1 <= value <= 8 else 1  # noqa: PLR2004
    return None


def _exif_of(orientation: int) -> bytes:
    """Make an EXIF segment that says nothing but the orientation."""
    entry = (_ORIENTATION, 2), (_SHORT, 2), (1, 4), (orientation, 2), (0, 2)
    numbers = ((8, 4), (1, 2), *entry, (0, 4))  # where the directory is, its one entry, no next
    tiff = b"MM\0*" + b"".join(value.to_bytes(length, "big") for value, length in numbers)
    return _segment_of(_APP1, _EXIF + tiff)


def _segment_of(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2, "big") + payload


def _payload(source: IO[bytes], segment: _Segment) -> bytes:
    source.seek(segment.start + 4)
    payload = source.read(segment.end - segment.start - 4)
    if len(payload) < segment.end - segment.start - 4:
        raise ValueError("a segment is cut short")
    return payload


def _copy(source: IO[bytes], target: IO[bytes], segment: _Segment) -> None:
    source.seek(segment.start)
    left = segment.end - segment.start
    while left:
        block = source.read(min(left, _BLOCK))
        if not block:
            raise ValueError("a segment is cut short")
        target.write(block)
        left -= len(block)
