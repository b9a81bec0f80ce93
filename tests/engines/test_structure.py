"""Counting the parts of a file without decoding it."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image, PngImagePlugin

from images_app.engines.structure import count_scans, count_texts
from tests.pictures import noise, picture


def scans(content: bytes) -> int:
    return count_scans(io.BytesIO(content))


def with_scans(number: int) -> bytes:
    """A progressive JPEG whose last scan stands there again and again."""
    content = picture(progressive=True)
    last = content.rindex(b"\xff\xda")
    end = content.rindex(b"\xff\xd9")
    return content[:last] + content[last:end] * number + content[end:]


def test_scans__of_plain_and_progressive_jpegs():
    assert scans(picture()) == 1
    assert scans(picture(progressive=True)) == 10
    assert scans(noise((900, 700))) == 1  # restarts and stuffed bytes are no markers


def test_scans__each_one_counts():
    assert scans(with_scans(500)) == 509


def test_scans__a_thumbnail_in_the_metadata_is_not_ours():
    exif = Image.Exif()
    exif[0x010F] = "x"
    content = picture(exif=b"Exif\0\0" + picture(progressive=True), progressive=False)
    assert scans(content) == 1


def test_scans__nothing_counts_behind_the_end():
    assert scans(picture() + picture(progressive=True)) == 1


@pytest.mark.parametrize("size", [(1 << 16) - 1, 1 << 16, (1 << 16) + 1, (1 << 17) - 1])
def test_scans__a_marker_on_the_edge_of_a_block_is_seen(size):
    head = b"\xff\xd8\xff\xda\x00\x02"
    for marker in (b"\xff\xda\x00\x02", b"\xff\xd9"):
        content = head + b"\x01" * size + marker + b"\x02" * 9 + b"\xff\xd9"
        assert scans(content) == (2 if marker[1] == 0xDA else 1)


def test_scans__junk_between_segments_hides_nothing():
    content = with_scans(20)
    for junk in (b"\0", b"junk", b"\xff\x01", b"\xff\xd0"):
        assert scans(content[:2] + junk + content[2:]) == 29
    first = content.index(b"\xff\xda")
    assert scans(content[:first] + b"\0" + content[first:]) == 29


@pytest.mark.parametrize(
    ("count", "content"),
    [
        (count_scans, b"\xff\xd8" + b"\xff\xfe\x00\x02" * 20_000),
        (count_texts, b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0prVt\0\0\0\0" * 20_000),
    ],
)
def test_parts__that_are_too_many_to_count_are_refused(count, content):
    with pytest.raises(ValueError, match="too many"):
        count(io.BytesIO(content))


def test_scans__fill_bytes_are_skipped():
    content = b"\xff\xd8\xff\xff\xff\xda\x00\x02\x01\x01\xff\xff\xda\x00\x02\x01\xff\xd9"
    assert scans(content) == 2


def test_scans__of_nonsense_end():
    chance = random.Random(1)
    for _ in range(300):
        content = b"\xff\xd8" + bytes(chance.choices(b"\xff\xda\xd9\x00\x02\xc0", k=60))
        assert 0 <= scans(content) <= 30


def with_texts(number: int) -> bytes:
    text = PngImagePlugin.PngInfo()
    for n in range(number):
        text.add_text(f"k{n}", "v", zip=n % 2 == 1)
    text.add_itxt("last", "v")
    return picture("PNG", pnginfo=text)


@pytest.mark.parametrize("number", [0, 1, 1000])
def test_texts__each_chunk_counts(number):
    assert count_texts(io.BytesIO(with_texts(number))) == number + 1


def test_texts__of_a_cut_or_lying_file_end():
    content = with_texts(3)
    for length in range(0, len(content), 5):
        assert 0 <= count_texts(io.BytesIO(content[:length])) <= 4
    assert count_texts(io.BytesIO(content[:8] + b"\xff\xff\xff\xfftEXt")) == 1
