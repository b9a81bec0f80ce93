"""BMP: transparency that a header of version 4 or 5 names, and its compression does not."""

from __future__ import annotations

from typing import IO

from images_app.engines.splicing import Part

_HEAD = 70  # bytes up to the end of the four masks (BITMAPV4HEADER)
_SHORTEST = 108  # bytes of a header of version 4
_DEEP = 32  # bits of a pixel
_COMPRESSION = slice(30, 34)
_PLAIN, _BY_MASKS = bytes(4), b"\3\0\0\0"
_MASKS = b"\0\0\xff\0\0\xff\0\0\xff\0\0\0\0\0\0\xff"  # red, green, blue, alpha


def masked_parts(file: IO[bytes], length: int) -> list[Part] | None:
    """Return the parts of a BMP that says it is to be read by its masks; None where it is not.

    Browsers see the mask of the transparency, the decoder looks at the compression first.
    """
    file.seek(0)
    head = file.read(_HEAD)
    is_masked = (
        len(head) == _HEAD
        and int.from_bytes(head[14:18], "little") >= _SHORTEST
        and int.from_bytes(head[28:30], "little") == _DEEP
        and head[_COMPRESSION] == _PLAIN
        and head[54:] == _MASKS
    )
    if not is_masked:
        return None
    return [(0, _COMPRESSION.start), _BY_MASKS, (_COMPRESSION.stop, length)]
