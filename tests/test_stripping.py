"""Stripping: no metadata is left of a JPEG, and every bit of its picture."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import pytest
from django.core.files import File
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from images_app import stripping
from images_app.engines.exif import read_orientation
from images_app.engines.pillow import PillowEngine
from images_app.exceptions import UploadRefused
from images_app.stripping import strip_jpeg, stripped
from tests.hostile.test_metadata import ALLOWED, PLANTED, corpus, run_exiftool, sample, tags
from tests.parts import program
from tests.pictures import noise, opened, picture

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# What exiftool says of what is kept: Adobe's word on colours, a profile, an orientation.
KEPT = {("File", "ExifByteOrder"), ("IFD0", "Orientation")}
KEPT_GROUPS = ("Adobe", "ICC_Profile", "ICC-")


def strip(content):
    target = io.BytesIO()
    strip_jpeg(io.BytesIO(content), target)
    return target.getvalue()


def segment(marker, payload):
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2, "big") + payload


def with_segments(content, *segments):
    """A JPEG with segments put behind its JFIF header."""
    end = 4 + int.from_bytes(content[4:6], "big")
    return content[:end] + b"".join(segments) + content[end:]


def tagged(orientation=1, order=None, **save):
    exif = Image.Exif()
    exif.endian = order or "<"
    exif[0x0112], exif[0x010F], exif[0x013B] = orientation, "PRIVATE make", "PRIVATE artist"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 14.0), 3: "E", 4: (11.0, 34.0, 32.0)})
    return picture(exif=exif, **save)


def scans(content):
    """All from the first frame on."""
    return content[content.index(b"\xff\xdb") :]


def test_strip__of_a_plain_picture_is_the_picture():
    for content in (picture(), picture(progressive=True), noise(), picture(mode="L", color=9)):
        assert strip(content) == content


def test_strip__leaves_no_metadata_and_every_bit_of_the_picture():
    content = tagged(comment=b"PRIVATE comment", progressive=True)
    content = with_segments(
        content,
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x>PRIVATE</x>"),
        segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0PRIVATE"),
        segment(0xED, b"Photoshop 3.0\0" + b"8BIM PRIVATE"),
        *(segment(marker, b"PRIVATE") for marker in range(0xE0, 0xF0)),
        *(segment(marker, b"PRIVATE") for marker in (*range(0xF0, 0xFF), 0xC8, 0x02, 0xBF)),
        segment(0xE2, b"MPF\0PRIVATE"),
        segment(0xE0, b"JFXX\0PRIVATE"),
    )
    kept = strip(content + b"PRIVATE trailer")
    assert b"PRIVATE" not in kept
    assert b"Exif" not in kept
    assert scans(kept) == scans(picture(progressive=True))
    assert opened(kept).tobytes() == opened(picture(progressive=True)).tobytes()


def test_strip__again_changes_nothing():
    for number in range(1, 9):
        once = strip(tagged(number, icc_profile=PROFILE))
        assert strip(once) == once


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_orientation__is_all_that_is_kept_of_exif(number, order):
    kept = opened(strip(tagged(number, order)))
    assert dict(kept.getexif()) == ({} if number == 1 else {0x0112: number})
    assert kept.getexif().get_ifd(0x8825) == {}


@pytest.mark.parametrize(
    ("exif", "xmp", "expected"),
    [
        (6, 3, 6),
        (None, 3, None),  # browsers do not look there
        (0, None, None),
        (9, None, None),
        (65535, None, None),
        (0, 3, None),
    ],
)
def test_orientation__cases(exif, xmp, expected):
    content = picture() if exif is None else tagged(exif)
    if xmp is not None:
        text = b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="%d"/>' % xmp
        content = with_segments(content, segment(0xE1, text))
    assert opened(strip(content)).getexif().get(0x0112) == expected
    found = PillowEngine().inspect(io.BytesIO(content), ("jpeg",))
    assert found.orientation == (expected or 1)  # as the engine says


def tiff(*entries, order=b"MM\0*", start=8, number=None):
    count = len(entries) if number is None else number
    return order + start.to_bytes(4, "big") + count.to_bytes(2, "big") + b"".join(entries)


ENTRY = bytes.fromhex("0112 0003 00000001 0006 0000")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (tiff(ENTRY), 6),
        (tiff(ENTRY, number=65535), 6),
        (tiff(ENTRY, start=2**32 - 1), None),
        (tiff(ENTRY, order=b"XX\0*"), None),
        (tiff(ENTRY)[:-1], None),
        (tiff(number=65535), None),
        (tiff(b"\0" * 12, ENTRY), 6),
        (tiff(ENTRY.replace(b"\0\3", b"\0\4", 1)), None),  # 6 shifted out of range
        (tiff(bytes.fromhex("0112 0004 00000001 00000006")), 6),
        (tiff(bytes.fromhex("0112 0001 00000001 06000000")), None),
        (tiff(bytes.fromhex("0112 0003 00000002 0006 0006")), 6),
        (tiff(ENTRY, ENTRY.replace(b"\6", b"\3")), 6),
        (tiff(b"\0" * 12, number=65535), None),
        (b"", None),
    ],
)
def test_orientation__of_hostile_exif_is_none(content, expected):
    given = with_segments(picture(), segment(0xE1, b"Exif\0\0" + content))
    assert stripping._read_head(io.BytesIO(given)).orientation == (expected or 1)
    assert read_orientation(opened(given)) == (expected or 1)  # as the engine says


def icc(number, of, payload=b"profile"):
    return segment(0xE2, b"ICC_PROFILE\0" + bytes([number, of]) + payload)


def test_profile__is_kept_whole():
    large = PROFILE + b"\0" * 100_000
    for profile in (PROFILE, large):
        kept = strip(tagged(icc_profile=profile))
        assert opened(kept).info["icc_profile"] == profile


@pytest.mark.parametrize(
    "parts", [[icc(1, 2)], [icc(1, 1), icc(1, 1)], [icc(2, 2), icc(2, 2)], [icc(0, 0)]]
)
def test_profile__in_parts_that_are_no_whole_is_dropped(parts):
    assert strip(with_segments(picture(), *parts)) == picture()


def test_adobe__says_how_colours_are_meant_and_nothing_else():
    content = picture(mode="CMYK", color=(9, 99, 199, 0))
    start = content.index(b"\xff\xee")
    longer = content[:start] + content[start:].replace(
        content[start : start + 16], segment(0xEE, content[start + 4 : start + 16] + b"PRIVATE"), 1
    )
    assert strip(longer) == content
    assert opened(strip(content)).tobytes() == opened(content).tobytes()


def test_jfif__loses_its_thumbnail():
    thumbnail = b"\x02\x01" + b"PRIVAT"
    content = picture()
    head = content[6:18]
    made = b"\xff\xd8" + segment(0xE0, head + thumbnail) + content[20:]
    assert strip(made) == content
    without = b"\xff\xd8" + content[20:]
    assert strip(b"\xff\xd8" + segment(0xE0, b"JFIF\0") + content[20:]) == without


def test_several_pictures__only_the_first_stays():
    content = picture("MPO", save_all=True, append_images=[Image.new("RGB", (64, 48))])
    kept = strip(content)
    assert kept.count(b"\xff\xd8") == 1
    assert opened(kept).format == "JPEG"
    assert opened(kept).tobytes() == opened(picture()).tobytes()


def test_between_segments__fillers_and_rubbish_go():
    content = picture()
    made = with_segments(content, b"rubbish", b"\xff\x01", b"\xff\xd3", b"\xff\0", b"\xff\xff\xff")
    assert strip(made) == content


def test_between_scans__metadata_goes():
    content = picture(progressive=True)
    second = content.index(b"\xff\xda", content.index(b"\xff\xda") + 2)
    # Before the second scan, behind its tables.
    for more in (segment(0xFE, b"PRIVATE"), segment(0xE1, b"x"), segment(0xEE, b"Adobe" * 3)):
        assert strip(content[:second] + more + content[second:]) == content


def test_restarts__are_data_of_the_scan():
    content = noise()
    restarting = io.BytesIO()
    opened(content).save(restarting, "JPEG", restart_marker_blocks=2)
    assert b"\xff\xd5" in restarting.getvalue()
    assert strip(restarting.getvalue()) == restarting.getvalue()


def test_end__that_is_missing_is_not_made_up():
    content = noise()[:-2]
    assert strip(content) == content
    assert strip(content[:-500]) == content[:-500]


PLAIN = picture()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xd9",
        picture("PNG"),
        PLAIN[: PLAIN.index(b"\xff\xda")],
        b"\xff\xd8\xff\xe0\x00",
        b"\xff\xd8\xff\xe0\x00\x01" + PLAIN[2:],
        b"\xff\xd8\xff\xe1\xff\xff" + b"Exif",
        b"\xff\xd8" + PLAIN,
        with_segments(PLAIN, *[segment(0xFE, b"")] * 10_001),
        PLAIN[:300],
    ],
    ids=range(11),
)
def test_structure__of_no_jpeg_is_refused(content):
    with pytest.raises(ValueError, match=r"no JPEG|no scan|no segment|too many|cut short"):
        strip(content)


def test_markers__are_found_across_blocks(monkeypatch):
    content = tagged(6, icc_profile=PROFILE, comment=b"x", progressive=True) + b"trailer"
    expected = strip(content)
    small = b"\xff\xd8" + segment(0xDA, b"\1" + 5 * b"x") + b"\x55" * 9 + b"\xff\xd9"
    for size in range(2, 64):
        monkeypatch.setattr(stripping, "_BLOCK", size)
        assert strip(content) == expected
        assert strip(small + b"trailer") == small


def test_memory__is_constant():
    one = noise((64, 64))
    start = one.index(b"\xff\xda") + 14
    content = one[:start] + b"\x55" * (30 * 2**20) + one[start:]
    source = io.BytesIO(content)

    class Nowhere(io.RawIOBase):
        def write(self, block):
            return len(block)

    tracemalloc.start()
    try:
        strip_jpeg(source, Nowhere())
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@settings(max_examples=300)
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8),
    length=st.integers(0, 10**6),
)
def test_anything__is_stripped_or_refused(changes, length):
    content = bytearray(tagged(6, icc_profile=PROFILE))
    for place, value in changes:
        content[place % len(content)] = value
    try:
        kept = strip(bytes(content[:length]))
    except ValueError:
        return
    assert strip(kept) == kept
    assert b"PRIVATE" not in kept


@pytest.mark.parametrize("marker", [0xC0, 0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD])
def test_metadata__behind_a_marker_of_the_picture_is_refused(marker):
    content = bytearray(tagged(6))
    place = content.index(b"\xff\xe1")
    content[place + 1] = marker
    with pytest.raises(ValueError, match="of another kind"):
        strip(bytes(content))


# --- files ------------------------------------------------------------------------------------


def test_stripped__hands_out_a_file_for_as_long_as_it_is_used():
    given_file = File(io.BytesIO(tagged(6)), name="cat.jpg")
    with stripped(given_file) as file:
        assert (file.name, file.read()) == ("cat.jpg", strip(tagged(6)))
        assert file.size == len(strip(tagged(6)))
    assert file.closed
    assert not given_file.closed


@pytest.mark.parametrize("image_format", ["PNG", "GIF", "WEBP"])
def test_stripped__leaves_other_formats_alone(image_format):
    given_file = File(io.BytesIO(picture(image_format)), name="cat")
    with stripped(given_file) as file:
        assert file is given_file
    assert not given_file.closed


def test_stripped__refuses_what_it_cannot_take_apart():
    with pytest.raises(UploadRefused, match="damaged"), stripped(File(io.BytesIO(PLAIN[:99]))):
        pass


# --- exiftool ---------------------------------------------------------------------------------


def left_of(paths, folder):
    """What exiftool still finds in the stripped files, and what of their texts is still there."""
    originals = {}
    for number, path in enumerate(paths):
        target = folder / f"{number}.jpg"
        try:
            target.write_bytes(strip(Path(path).read_bytes()))
        except ValueError:
            target.unlink(missing_ok=True)
        else:
            originals[str(target)] = path
    found = {
        originals[path]: [tag for tag in its if not is_kept(*tag)]
        for path, its in tags(originals).items()
    }
    return {path: its for path, its in found.items() if its}, originals


def is_kept(group, tag, value):
    return (
        (group, tag) in ALLOWED | KEPT
        or group.startswith(KEPT_GROUPS)
        or (group, tag) == ("ExifTool", "Warning")  # of the damage that was there before
    )


@pytest.mark.slow
def test_exiftool__finds_nothing_in_a_sample_that_has_everything(tmp_path):
    program("exiftool")
    (tmp_path / "sample").mkdir()
    paths = [path for path in sample(tmp_path / "sample") if path.endswith(".jpg")]
    foreign, originals = left_of(paths, tmp_path)
    assert foreign == {}
    assert len(originals) == len(paths)
    for path in originals:
        assert not [word for word in PLANTED if word in Path(path).read_bytes()]


@pytest.mark.slow
def test_exiftool__finds_nothing_in_any_jpeg_of_the_corpus(tmp_path):
    program("exiftool")
    paths = [path for path in corpus("accept", "either") if is_jpeg(path)]
    foreign, originals = left_of(paths, tmp_path)
    assert foreign == {}
    must = [path for path in corpus("accept") if is_jpeg(path)]
    assert set(must) <= set(originals.values())
    assert len(must) > 100
    for path, original in originals.items():
        if original in must:
            assert_same_picture(Path(original).read_bytes(), Path(path).read_bytes())


def is_jpeg(path):
    with Path(path).open("rb") as file:
        return file.read(3) == b"\xff\xd8\xff"


def assert_same_picture(before, after):
    first, second = opened(before), opened(after)
    assert (first.mode, first.size, first.tobytes()) == (second.mode, second.size, second.tobytes())
    assert first.info.get("icc_profile") == second.info.get("icc_profile")
    orientations = [image.getexif().get(0x0112, 1) for image in (first, second)]
    assert orientations[0] == orientations[1] or orientations[0] not in range(1, 9)


@pytest.mark.slow
def test_exiftool__reads_the_orientation_that_is_kept(tmp_path):
    program("exiftool")
    path = tmp_path / "a.jpg"
    path.write_bytes(strip(tagged(6)))
    assert run_exiftool("-s3", "-n", "-Orientation", paths=[path]).strip() == "6"
