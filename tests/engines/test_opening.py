"""What a decoder is shown: whole pictures that break off nowhere, and what browsers see of them."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image, ImageChops

from images_app.engines import iso_media
from images_app.engines.pillow import PillowEngine
from images_app.engines.profiles import from_code_points
from images_app.engines.splicing import whole_file
from images_app.exceptions import RenderFailed, UploadRefused
from images_app.specs import Fit, RenditionSpec
from tests.pictures import noise, picture

ALL = ("jpeg", "png", "gif", "webp", "avif", "bmp")
ENGINE = PillowEngine()
END = b"\xff\xd9"


def rendered(content, size, source_format, **values):
    """The rendition as PNG of a whole picture."""
    spec = {"width": size[0], "height": None, "fit": Fit.WIDTH, "format": "png", "quality": 90}
    target = io.BytesIO()
    spec = RenditionSpec(**{**spec, "background": "#ffffff", **values})
    ENGINE.render(
        io.BytesIO(content),
        [(spec, target)],
        source_format=source_format,
        full_size=size,
        focal_point=(0.5, 0.5),
    )
    return Image.open(target)


def refusal_of(content):
    try:
        ENGINE.read_header(io.BytesIO(content), ALL, max_pixels=10**6)
        ENGINE.inspect(io.BytesIO(content), ALL)
    except UploadRefused as error:
        return error.code
    return None


def jpeg(**options):
    target = io.BytesIO()
    with Image.open(io.BytesIO(noise((96, 64), "PNG"))) as image:
        image.save(target, "JPEG", quality=80, **options)
    return target.getvalue()


def scans_of(content):
    """Where each scan of a JPEG begins."""
    return [at for at in range(len(content)) if content[at : at + 2] == b"\xff\xda"]


# --- JPEG without an end ------------------------------------------------------------------------


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("trailer", [b"", b"\xff\xf5SEFT", b"\0\0\1\0SEFH" * 20, b"\xff"])
def test_jpeg__without_an_end_is_whole(progressive, trailer):
    content = jpeg(progressive=progressive)
    cut = content.removesuffix(END) + trailer
    assert refusal_of(cut) is None
    one, other = (rendered(each, (96, 64), "jpeg") for each in (content, cut))
    assert ImageChops.difference(one, other).getbbox() is None


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("missing", [1, 2, 3, 8, 100, 500])
def test_jpeg__that_breaks_off_is_damaged(progressive, missing):
    cut = jpeg(progressive=progressive).removesuffix(END)[:-missing]
    assert refusal_of(cut) == "damaged"
    with pytest.raises(RenderFailed):
        rendered(cut, (96, 64), "jpeg")


def test_jpeg__that_breaks_off_between_two_scans_is_damaged():
    content = jpeg(progressive=True)
    scans = scans_of(content)
    assert len(scans) > 5
    for at in scans[1:]:
        tables = content.rfind(b"\xff\xc4", 0, at)
        assert refusal_of(content[: tables if tables > scans[0] else at]) == "damaged"


def test_jpeg__without_an_end_counts_the_scans_of_every_decode():
    content = jpeg(progressive=True)
    one, other = (
        ENGINE.read_header(io.BytesIO(each), ALL, max_pixels=10**6).scans
        for each in (content, content.removesuffix(END))
    )
    assert other == 3 * one == 3 * len(scans_of(content))


# --- PNG ----------------------------------------------------------------------------------------


def chunk(kind, data, *, crc=None):
    checksum = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def png(*chunks, size=(64, 48)):
    """A PNG with further chunks behind its header."""
    content = picture("PNG", size)
    return content[:33] + b"".join(chunks) + content[33:]


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"tEXt", b"Comment\0x", crc=1),
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(3 << 20))),
        chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(6 << 20))),
        chunk(b"iCCP", b"x\0\0damaged"),
        chunk(b"gAMA", b"\0"),
        chunk(b"gAMA", bytes(4)),
        chunk(b"gAMA", struct.pack(">I", 45455), crc=5),
        chunk(b"cHRM", bytes(32)) + chunk(b"gAMA", struct.pack(">I", 45455)),
        chunk(b"cICP", b"\1"),
        chunk(b"eXIf", b"nonsense", crc=9),
        chunk(b"prIv", bytes(2 << 20)),
    ],
)
def test_png__does_not_fail_for_what_it_can_do_without(extra):
    content = png(extra)
    assert refusal_of(content) is None
    plain, other = (rendered(each, (64, 48), "png") for each in (png(), content))
    assert ImageChops.difference(plain, other).getextrema() == ((0, 0),) * 3


def test_png__with_damaged_pixels_is_damaged():
    content = bytearray(png())
    content[-30] ^= 255
    assert refusal_of(bytes(content)) == "damaged"


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([chunk(b"cICP", bytes([12, 13, 0, 1]))], (217, 42, 0)),
        ([chunk(b"cICP", bytes([1, 13, 0, 1]))], (200, 60, 20)),
        ([chunk(b"cICP", bytes([2, 2, 0, 1]))], (200, 60, 20)),
        ([chunk(b"cICP", bytes([1, 8, 0, 1]))], (229, 132, 79)),
        ([chunk(b"gAMA", struct.pack(">I", 100_000))], (229, 132, 79)),
        ([chunk(b"gAMA", struct.pack(">I", 100_000)), chunk(b"sRGB", b"\0")], (200, 60, 20)),
        # The first of these counts, whatever the second says.
        (
            [chunk(b"gAMA", struct.pack(">I", 100_000)), chunk(b"cICP", bytes([1, 13, 0, 1]))],
            (200, 60, 20),
        ),
    ],
)
def test_png__colors_are_told_in_several_ways(chunks, expected):
    found = rendered(png(*chunks), (64, 48), "png").getpixel((5, 5))
    assert all(abs(one - other) <= 2 for one, other in zip(found, expected, strict=True))


def test_png__gamma_counts_for_grey_too():
    content = picture("PNG", mode="L", color=60)
    content = content[:33] + chunk(b"gAMA", struct.pack(">I", 100_000)) + content[33:]
    assert abs(rendered(content, (64, 48), "png").convert("L").getpixel((5, 5)) - 132) <= 1


def test_apng__whose_first_frame_is_out_of_order_is_a_still():
    target = io.BytesIO()
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    frames[0].save(target, "PNG", save_all=True, append_images=frames[1:])
    content = target.getvalue()
    at = content.index(b"fcTL") - 4
    control = content[at : at + 38]
    wrong = chunk(b"fcTL", struct.pack(">I", 7) + control[12:-4])
    content = content.replace(control, wrong, 1)
    assert ENGINE.inspect(io.BytesIO(content), ALL).frames == 1


def test_png__of_endless_empty_pixels_is_refused():
    content = picture("PNG")
    at = content.index(b"IDAT") - 4
    assert refusal_of(content[:at] + chunk(b"IDAT", b"") * 20_000 + content[at:]) == "damaged"


# --- Colours of AVIF and HEIC -------------------------------------------------------------------


def box(kind, content, size=None):
    return struct.pack(">I", 8 + len(content) if size is None else size) + kind + content


def described(colour, *, primary=1, of=1, size=None):
    """An ISO file whose picture ``of`` has a box of colour."""
    properties = box(b"ipco", box(b"ispe", bytes(12)) + colour)
    association = box(b"ipma", bytes(4) + struct.pack(">IHBBB", 1, of, 2, 0x81, 0x82))
    content = box(b"pitm", bytes(4) + struct.pack(">H", primary))
    content += box(b"iprp", properties + association)
    return box(b"ftyp", b"avif" + bytes(4)) + box(b"meta", bytes(4) + content, size)


NCLX = box(b"colr", b"nclx" + struct.pack(">HHHB", 12, 13, 6, 0x80))


@pytest.mark.parametrize(
    ("content", "is_told"),
    [
        (described(NCLX), True),
        (described(NCLX, of=2), False),
        (described(box(b"colr", b"nclx" + struct.pack(">HHHB", 1, 13, 6, 0x80))), False),
        (described(box(b"colr", b"prof" + bytes(200)) + NCLX), False),
        (described(NCLX, size=0), False),
        (described(NCLX, size=4), False),
        (described(NCLX)[:60], False),
        (b"", False),
    ],
)
def test_iso_media__colors_are_those_of_the_picture(content, is_told):
    found = iso_media.read_code_points(whole_file(io.BytesIO(content)))
    expected = from_code_points(primaries=12, transfer=13)
    assert found == (expected if is_told else None)


# --- Animations that leave something empty ------------------------------------------------------


def gif(*frames, loop=None):
    """A GIF of 20 x 10, green by its background; a frame is a box, a disposal and a colour."""
    content = b"GIF89a" + struct.pack("<HHBBB", 20, 10, 0x81, 1, 0)
    content += b"\xff\0\0\0\xff\0\0\0\xff\xff\xff\xff"  # red, green, blue, white
    if loop is not None:
        content += b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", loop) + b"\0"
    for (left, top, width, height), disposal, color in frames:
        target = io.BytesIO()
        flat = Image.new("P", (width, height), color)
        flat.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255])
        flat.save(target, "GIF", optimize=False, interlace=0)
        data = target.getvalue()
        at = data.index(struct.pack("<BHHHH", 0x2C, 0, 0, width, height))
        assert data[at + 9] == 0  # colours of the whole file
        content += b"!\xf9\x04" + struct.pack("<BHB", disposal << 2, 7, 0) + b"\0"
        content += struct.pack("<BHHHHB", 0x2C, left, top, width, height, 0)
        content += data[at + 10 : -1]
    return content + b";"


def moving(content, size=(20, 10)):
    """The frames of the animated rendition, as RGBA, and how often it plays."""
    image = rendered(content, size, "gif", format="webp", is_animated=True, quality=100)
    frames = []
    for number in range(image.n_frames):
        image.seek(number)
        frames.append(image.convert("RGBA"))
    return frames, image.info.get("loop")


def test_gif__screen_that_a_frame_leaves_empty_is_transparent():
    content = gif(((5, 2, 10, 5), 0, 0))
    assert refusal_of(content) is None
    assert ENGINE.inspect(io.BytesIO(content), ALL).frames == 1
    found = rendered(content, (20, 10), "gif")
    assert [found.getpixel(point)[3] for point in ((1, 1), (10, 4))] == [0, 255]
    flat = rendered(content, (20, 10), "gif", format="jpeg")
    assert min(flat.getpixel((1, 8))) > 240


@pytest.mark.parametrize("loop", [None, 0, 3])
def test_gif__with_an_empty_screen_keeps_frames_pace_and_loops(loop):
    content = gif(((5, 2, 10, 5), 0, 0), ((0, 0, 4, 4), 0, 2), loop=loop)
    assert ENGINE.inspect(io.BytesIO(content), ALL).frames == 2
    assert ENGINE.read_header(io.BytesIO(content), ALL, max_pixels=10**6).frames == 2
    frames, plays = moving(content)
    assert len(frames) == 2
    assert [frame.getpixel((18, 8))[3] for frame in frames] == [0, 0]
    assert frames[0].getpixel((2, 2))[3] == 0
    assert frames[1].getpixel((2, 2))[3] == 255
    assert frames[1].getpixel((10, 4))[3] == 255
    assert plays == (1 if loop is None else loop and loop + 1)


def test_gif__background_that_a_frame_asks_for_is_transparent():
    content = gif(((0, 0, 20, 10), 2, 0), ((0, 0, 4, 4), 0, 2))
    frames, _ = moving(content)
    assert [frame.getpixel((18, 8))[3] for frame in frames] == [255, 0]


def test_gif__that_covers_its_screen_is_read_as_it_is():
    content = gif(((0, 0, 20, 10), 0, 0), ((0, 0, 4, 4), 0, 2))
    frames, _ = moving(content)
    assert [frame.getpixel((18, 8))[3] for frame in frames] == [255, 255]


def without_alpha_flag(content):
    assert content[12:16] == b"VP8X"
    return content[:20] + bytes([content[20] & ~0x10]) + content[21:]


@pytest.mark.parametrize("lossless", [False, True])
def test_webp__transparency_counts_that_is_not_announced(lossless):
    clear, full = (Image.new("RGBA", (40, 30), (200, 30, 30, alpha)) for alpha in (0, 255))
    target = io.BytesIO()
    clear.paste(full.crop((0, 0, 10, 10)))
    options = {"append_images": [full], "save_all": True, "lossless": lossless}
    clear.save(target, "WEBP", duration=100, **options)
    content = without_alpha_flag(target.getvalue())
    found = rendered(content, (40, 30), "webp")
    assert [found.getpixel(point)[3] for point in ((30, 20), (3, 3))] == [0, 255]


def test_webp__that_is_opaque_stays_so():
    target = io.BytesIO()
    frames = [Image.new("RGB", (40, 30), color) for color in ("red", "blue")]
    frames[0].save(target, "WEBP", append_images=frames[1:], save_all=True)
    assert rendered(target.getvalue(), (40, 30), "webp").mode == "RGB"


# --- BMP ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "alpha"), [(124, 128), (108, 128), (40, 255)])
def test_bmp__transparency_that_its_header_names_counts(length, alpha):
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", length, 4, 4, 1, 32, 0, 64, 2835, 2835, 0, 0)
    header = (header + masks)[:length].ljust(length, b"\0")
    start = struct.pack("<IHHI", 14 + length + 64, 0, 0, 14 + length)
    content = b"BM" + start + header + bytes([10, 20, 30, 128]) * 16
    found = rendered(content, (4, 4), "bmp").convert("RGBA")
    assert found.getpixel((0, 0)) == (30, 20, 10, alpha)
