"""What a file is made of, counted without decoding: each part costs its decoder work of its own."""

from __future__ import annotations

import re
from typing import IO

_BLOCK = 1 << 16  # bytes
# Decoders skip what stands between two segments, and within a scan FF 00 is data, FF D0 to FF D7
# restart it, and FF FF fills (ITU T.81, B.1.1).
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]", re.DOTALL)
_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN = 0xD8, 0xD9, 0xDA
_PNG_SIGNATURE = 8  # bytes
_PNG_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_PNG_DATA = frozenset({b"IDAT", b"fdAT"})
_MOST_PARTS = 10_000  # of any kind; encoders write dozens, decoders work on each


def count_scans(file: IO[bytes]) -> int:
    """Count the scans of a JPEG; each runs over the whole picture (ITU T.81, B.2.1).

    Raises:
        ValueError: where there are so many parts that counting them is work.

    """
    scans, position = 0, 0
    for _ in range(_MOST_PARTS):
        position = _next_marker(file, position)
        file.seek(position)
        head = file.read(4)
        if len(head) < 4 or head[1] == _END_OF_IMAGE:  # noqa: PLR2004
            return scans
        if head[1] == _START_OF_IMAGE:
            position += 2
            continue
        scans += head[1] == _START_OF_SCAN
        position += 2 + max(2, int.from_bytes(head[2:4], "big"))
    raise ValueError("too many segments")


def _next_marker(file: IO[bytes], position: int) -> int:
    """Answer with where the next marker stands, or the end."""
    file.seek(position)
    while block := file.read(_BLOCK):
        match = _MARKER.search(block)
        if match:
            return position + match.start()
        is_cut = block.endswith(b"\xff") and len(block) > 1  # perhaps a marker's first half
        position += len(block) - is_cut
        file.seek(position)
    return position


def count_texts(file: IO[bytes]) -> int:
    """Count the texts of a PNG, each of which its decoder keeps (PNG 3rd edition, 11.3.3).

    Raises:
        ValueError: where there are so many parts that counting them is work.

    """
    texts, parts, position = 0, 0, _PNG_SIGNATURE
    while parts < _MOST_PARTS:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":  # noqa: PLR2004
            return texts
        texts += head[4:] in _PNG_TEXTS
        parts += head[4:] not in _PNG_DATA
        position += 12 + int.from_bytes(head[:4], "big")
    raise ValueError("too many chunks")
