"""What is let in: length, type by content, declared size."""

from __future__ import annotations

import dataclasses

import pytest
from django.template.defaultfilters import filesizeformat
from hypothesis import given
from hypothesis import strategies as st

from images_app.engines import Header
from images_app.exceptions import UploadRefused
from images_app.specs import CONTENT_TYPES
from images_app.validation import (
    HEAD_LENGTH,
    NAMES,
    Limits,
    check_header,
    check_length,
    check_type,
    sniff,
)
from tests.pictures import picture

LIMITS = Limits(
    max_bytes=1000,
    max_pixels=2_000_000,
    max_frames=3,
    max_animation_pixels=4_000_000,
    formats=("jpeg", "png"),
)
ALL_FORMATS = dataclasses.replace(LIMITS, formats=tuple(CONTENT_TYPES))


def iso(major, *compatible, size=None):
    size = 16 + 4 * len(compatible) if size is None else size
    return size.to_bytes(4, "big") + b"ftyp" + major + bytes(4) + b"".join(compatible)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"\xff\xd8", None),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"\x89PNG\n\x1a\n", None),
        (b"GIF87a", "gif"),
        (b"GIF89a", "gif"),
        (b"GIF90a", None),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "webp"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", None),
        (iso(b"avif"), "avif"),
        (iso(b"avis"), "avif"),
        (iso(b"mif1", b"miaf", b"avif"), "avif"),
        (iso(b"mif1", b"heic"), "heic"),
        (iso(b"heic", b"avif"), "heic"),
        (iso(b"qt  "), "video"),
        (iso(b"mp42", b"isom"), "video"),
        (iso(b"abcd", b"efgh"), None),
        (iso(b"mif1", b"avif", size=16), None),  # the brand stands behind the end of the box
        (iso(b"mif1", b"avif", size=2**32 - 1), "avif"),  # the box claims more than there is
        (b"%!PS-Adobe-3.0 EPSF-3.0", "EPS or PostScript"),
        (b"\xc5\xd0\xd3\xc6", "EPS or PostScript"),
        (b"%PDF-1.7", "PDF"),
        (b"II*\x00", "tiff"),
        (b"MM\x00*", "tiff"),
        (b"II+\x00", "BigTIFF"),
        (b"BM6\x00", "bmp"),
        (b"8BPS", "Photoshop"),
        (b"\x00\x00\x01\x00", "icon (ICO)"),
        (b"icns", "icon (ICNS)"),
        (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
        (b"\xff\x4f\xff\x51", "JPEG 2000"),
        (b"\xff\x0a", "JPEG XL"),
        (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
        (b"DDS |", "DDS"),
        (b"<svg xmlns=", "SVG"),
        (b"\xef\xbb\xbf \n<svg", "SVG"),
        (b"<?xml version=", "XML or SVG"),
        (b"  <?xml", "XML or SVG"),
        (b"<!DOCTYPE html>", "HTML"),
        (b"<html>", "HTML"),
        (b"PK\x03\x04", "ZIP archive"),
        (b"\x7fELF", "program"),
        (b"MZ\x90", "program"),
        (b"hello, I am a text", None),
        (b" \xff\xd8\xff\xe0", None),  # a picture never starts with space
        (b"    ", None),
        (b"", None),
    ],
)
def test_sniff__cases(head, expected):
    assert sniff(head) == expected


@pytest.mark.parametrize("image_format", [name for name in CONTENT_TYPES if name != "heic"])
def test_sniff__knows_what_is_really_written(image_format):
    head = picture(image_format.upper())[:HEAD_LENGTH]
    assert sniff(head) == image_format
    check_type(head, ALL_FORMATS)


@given(head=st.binary(max_size=HEAD_LENGTH))
def test_sniff__never_fails(head):
    assert sniff(head) is None or isinstance(sniff(head), str)


@given(tail=st.binary(max_size=HEAD_LENGTH - 8))
def test_sniff__never_fails_on_iso_media(tail):
    assert sniff(len(tail).to_bytes(4, "big") + b"ftyp" + tail) in {None, "avif", "heic", "video"}


@pytest.mark.parametrize(
    ("length", "code"), [(0, "empty"), (1, None), (1000, None), (1001, "too_large")]
)
def test_length__bounds(length, code):
    assert code_of(check_length, length, LIMITS) == code


def test_length__names_the_limit():
    with pytest.raises(UploadRefused) as caught:
        check_length(1001, LIMITS)
    assert caught.value.params == {"limit": filesizeformat(1000)}


@pytest.mark.parametrize(
    ("head", "code", "sentence"),
    [
        (b"\xff\xd8\xff\xe0", None, ""),
        (
            b"GIF89a",
            "format_not_allowed",
            "This is a GIF file, whatever its name says. Allowed are JPEG, PNG.",
        ),
        (
            b"%PDF-1.7",
            "format_not_allowed",
            "This is a PDF file, whatever its name says. Allowed are JPEG, PNG.",
        ),
        (
            b"text",
            "not_an_image",
            "This is not an image that can be read here. Allowed are JPEG, PNG.",
        ),
    ],
)
def test_type__is_told_by_content(head, code, sentence):
    assert code_of(check_type, head, LIMITS) == code
    if code:
        with pytest.raises(UploadRefused) as caught:
            check_type(head, LIMITS)
        assert caught.value.public_message % caught.value.params == sentence


@pytest.mark.parametrize(
    ("width", "height", "frames", "code"),
    [
        (2000, 1000, 1, None),
        (2000, 1000, 2, None),
        (2000, 1000, 3, "animation_too_large"),
        (1, 1, 1, None),
        (2_000_000, 1, 1, None),
        (2_000_001, 1, 1, "too_many_pixels"),
        (60_000, 60_000, 1, "too_many_pixels"),
        (0, 10, 1, "damaged"),
        (10, 0, 1, "damaged"),
        (-1, -1, 1, "damaged"),
        (10, 10, 4, "too_many_frames"),
    ],
)
def test_header__bounds(width, height, frames, code):
    header = Header(format="gif", width=width, height=height, frames=frames)
    assert code_of(check_header, header, LIMITS) == code


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"scans": 100}, None),
        ({"scans": 101}, "too_many_scans"),
        ({"texts": 1000}, None),
        ({"texts": 1001}, "too_many_texts"),
    ],
    ids=str,
)
def test_header__bounds_of_parts(parts, code):
    header = Header(format="png", width=10, height=10, frames=1, **parts)
    assert code_of(check_header, header, LIMITS) == code


@pytest.mark.parametrize(
    ("size", "limit"), [((2001, 1000, 1), 2), ((2000, 1000, 3), 4)], ids=["still", "animated"]
)
def test_header__too_many_pixels_are_named_in_megapixels(size, limit):
    width, height, frames = size
    with pytest.raises(UploadRefused) as caught:
        check_header(Header(format="gif", width=width, height=height, frames=frames), LIMITS)
    assert caught.value.params == {"limit": limit}


def test_names__cover_every_format():
    assert set(NAMES) == set(CONTENT_TYPES)
    assert ALL_FORMATS.allowed == "JPEG, PNG, GIF, WebP, AVIF, BMP, TIFF, HEIC"


def code_of(check, *args):
    try:
        check(*args)
    except UploadRefused as refusal:
        return refusal.code
    return None
