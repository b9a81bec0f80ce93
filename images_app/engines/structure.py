"""What a file is made of, counted without decoding: each part costs its decoder work of its own."""

from __future__ import annotations

from typing import IO

from images_app.engines.jpeg import START_OF_SCAN, segments

_PNG_SIGNATURE = 8  # bytes
_PNG_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_PNG_DATA = frozenset({b"IDAT", b"fdAT"})
_MOST_PARTS = 10_000  # of any kind; encoders write dozens, decoders work on each


def count_scans(file: IO[bytes]) -> int:
    """Count the scans of a JPEG; each runs over the whole picture (ITU T.81, B.2.1).

    Raises:
        ValueError: where there are so many parts that counting them is work.

    """
    return sum(segment.marker == START_OF_SCAN for segment in segments(file))


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
