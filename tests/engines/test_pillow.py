"""The Pillow engine: what comes in, how it is turned, and that nothing private goes out."""

from __future__ import annotations

import contextlib
import io
import struct

import pytest
from PIL import Image, ImageChops, ImageCms, ImageFile, ImageStat, JpegImagePlugin, PngImagePlugin

from images_app.engines.base import Camera, Header
from images_app.engines.pillow import PillowEngine
from images_app.exceptions import RenderFailed, UploadRefused
from images_app.models import shown_size
from images_app.specs import OUTPUT_FORMATS, Fit, RenditionSpec
from tests.parts import CORPUS, need
from tests.pictures import bomb_header, noise, opened, picture

ALL = ("jpeg", "png", "gif", "webp", "avif")
MANY = 50_000_000
MIDDLE = (0.5, 0.5)
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
ENGINE = PillowEngine()


def make_spec(**values):
    defaults = {
        "width": 32,
        "height": None,
        "fit": Fit.WIDTH,
        "format": "png",
        "quality": 90,
        "background": "#ffffff",
    }
    return RenditionSpec(**{**defaults, **values})


def render(content, outputs, focal_point=MIDDLE, formats=ALL):
    """Render as the rest of the app does, which knows the size from the record."""
    file = content if hasattr(content, "read") else io.BytesIO(content)
    with contextlib.suppress(UploadRefused):
        header = ENGINE.read_header(file, formats, max_pixels=MANY)
        orientation = ENGINE.inspect(file, formats).orientation
        full_size = shown_size(header.width, header.height, orientation)
        return ENGINE.render(
            file,
            outputs,
            source_format=header.format,
            full_size=full_size,
            focal_point=focal_point,
        )
    return ENGINE.render(
        file, outputs, source_format="jpeg", full_size=(100, 100), focal_point=focal_point
    )


def rendered(content, focal_point=MIDDLE, **values):
    target = io.BytesIO()
    spec = make_spec(**values)
    (size,) = render(content, [(spec, target)], focal_point)
    image = opened(target.getvalue())
    assert image.size == size
    assert image.format == spec.format.upper()
    return image


def saved(image, image_format="PNG", **options):
    target = io.BytesIO()
    image.save(target, image_format, **options)
    return target.getvalue()


def near(found, expected, by=12):
    return all(abs(a - b) <= by for a, b in zip(found, expected, strict=True))


def quarters(image):
    """The colours of the quarters: upper left, upper right, lower left, lower right."""
    width, height = image.size
    return [
        min((RED, GREEN, BLUE, WHITE), key=lambda color: distance(color, image.getpixel((x, y))))
        for y in (height // 4, height * 3 // 4)
        for x in (width // 4, width * 3 // 4)
    ]


def distance(one, other):
    return sum((a - b) ** 2 for a, b in zip(one, other[:3], strict=True))


def four_colors(size=(64, 48)):
    width, height = size
    image = Image.new("RGB", size, RED)
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    image.paste(WHITE, (width // 2, height // 2, width, height))
    return image


# How the stored pixels must be laid out, so that each orientation shows the same picture:
# the inverse of what the EXIF standard says the viewer does.
STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def with_orientation(image, orientation, image_format="JPEG", **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = STORED_AS[orientation]
    stored = image if turn is None else image.transpose(turn)
    return saved(stored, image_format, exif=exif, **options)


# -- the header


@pytest.mark.parametrize("image_format", ALL)
def test_header__of_each_format(image_format):
    content = picture(image_format.upper(), (40, 30))
    assert ENGINE.read_header(io.BytesIO(content), ALL, max_pixels=MANY) == Header(
        format=image_format, width=40, height=30, frames=1
    )


@pytest.mark.parametrize(("image_format"), ["gif", "webp", "png", "avif"])
def test_header__counts_frames(image_format):
    frames = [Image.new("RGB", (40, 30), color) for color in (RED, GREEN, BLUE)]
    content = saved(frames[0], image_format.upper(), save_all=True, append_images=frames[1:])
    assert ENGINE.read_header(io.BytesIO(content), ALL, max_pixels=MANY).frames == 3


def test_header__mpo_is_a_jpeg_of_one_frame():
    content = saved(
        Image.new("RGB", (40, 30), RED),
        "MPO",
        save_all=True,
        append_images=[Image.new("RGB", (40, 30), BLUE)],
    )
    assert opened(content).format == "MPO"
    header = ENGINE.read_header(io.BytesIO(content), ("jpeg",), max_pixels=MANY)
    assert header == Header(format="jpeg", width=40, height=30, frames=1)
    assert quarters(rendered(content)) == [RED] * 4


def test_header__reads_from_the_start_and_leaves_the_file_open():
    file = io.BytesIO(picture())
    file.seek(10)
    ENGINE.read_header(file, ALL, max_pixels=MANY)
    ENGINE.inspect(file, ALL)
    render(file, [(make_spec(), io.BytesIO())])
    assert not file.closed


@pytest.mark.parametrize(
    ("image_format", "allowed"), [("GIF", ("jpeg", "png")), ("PNG", ("jpeg",)), ("JPEG", ("webp",))]
)
def test_header__other_formats_find_no_decoder(image_format, allowed):
    with pytest.raises(UploadRefused) as caught:
        ENGINE.read_header(io.BytesIO(picture(image_format)), allowed, max_pixels=MANY)
    assert caught.value.code == "damaged"


@pytest.mark.parametrize("side", [60_000, 12_000])  # far above Pillow's own limit, and just above
def test_header__a_bomb_is_refused_before_decoding(side):
    with pytest.raises(UploadRefused) as caught:
        ENGINE.read_header(io.BytesIO(bomb_header(side, side)), ALL, max_pixels=MANY)
    assert caught.value.code == "too_many_pixels"
    assert caught.value.params == {"limit": 50}


def test_header__below_the_limit_of_pillow_it_is_told_as_it_is():
    header = ENGINE.read_header(io.BytesIO(bomb_header(9000, 9000)), ALL, max_pixels=MANY)
    assert (header.width, header.height) == (9000, 9000)


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n%%EOF\n"


@pytest.mark.parametrize(
    "content",
    [EPS, b"", b"hello", b"\xff\xd8\xff", picture("BMP"), picture("TIFF"), picture("PPM")],
    ids=["eps", "empty", "text", "three bytes", "bmp", "tiff", "ppm"],
)
def test_foreign_bytes__are_refused_and_never_rendered(content):
    file = io.BytesIO(content)
    for ask in (
        lambda: ENGINE.read_header(file, ALL, max_pixels=MANY),
        lambda: ENGINE.inspect(file, ALL),
    ):
        with pytest.raises(UploadRefused) as caught:
            ask()
        assert caught.value.code == "damaged"
    with pytest.raises(RenderFailed):
        render(file, [(make_spec(), io.BytesIO())])


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "WEBP", "AVIF"])
def test_truncated__is_found_by_the_one_decode(image_format):
    whole = noise((200, 150), image_format)
    file = io.BytesIO(whole[: len(whole) * 2 // 3])
    with pytest.raises(UploadRefused) as caught:
        ENGINE.inspect(file, ALL)
    assert caught.value.code == "damaged"
    with pytest.raises(RenderFailed):
        render(file, [(make_spec(width=150), io.BytesIO())])


def test_render__a_file_that_cannot_be_written_is_a_failure_of_ours():
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    with pytest.raises(RenderFailed):
        render(picture(), [(make_spec(), Full())])


# -- orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_orientation__every_one_shows_the_same_picture(orientation, image_format):
    content = with_orientation(four_colors(), orientation, image_format)
    assert ENGINE.inspect(io.BytesIO(content), ALL).orientation == orientation
    image = rendered(content)
    assert image.size == (32, 24)
    assert quarters(image) == [RED, GREEN, BLUE, WHITE]
    assert 0x0112 not in image.getexif()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(64, 48), (1200, 901)], ids=["whole", "scaled decode"])
@pytest.mark.parametrize(
    ("focal_point", "expected"),
    [((0, 0), RED), ((1, 0), GREEN), ((0, 1), BLUE), ((1, 1), WHITE)],
)
def test_orientation__crops_follow_the_picture_as_shown(orientation, size, focal_point, expected):
    content = with_orientation(four_colors(size), orientation, quality=95)
    # A strip so low and one so narrow that together they hold one quarter only.
    for width, height in ((32, 2), (2, 32)):
        image = rendered(content, focal_point, width=width, height=height, fit=Fit.COVER)
        assert image.size == (width, height)
        x = 0 if focal_point[0] == 0 else width - 1
        y = 0 if focal_point[1] == 0 else height - 1
        assert near(image.getpixel((x, y)), expected, by=40)


@pytest.mark.parametrize("value", [0, 9, 65_535])
def test_orientation__nonsense_means_upright(value):
    exif = Image.Exif()
    exif[0x0112] = value
    content = saved(four_colors(), "JPEG", exif=exif)
    assert ENGINE.inspect(io.BytesIO(content), ALL).orientation == 1
    assert quarters(rendered(content)) == [RED, GREEN, BLUE, WHITE]


def test_orientation__is_honoured_where_another_tag_is_broken():
    # A width that is a text can be read, but not written again.
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Canon"
    raw = exif.tobytes()
    broken = raw.replace(b"\x01\x0f\x00\x02", b"\x01\x00\x00\x02")
    assert broken != raw
    stored = four_colors().transpose(Image.Transpose.ROTATE_90)
    content = saved(stored, "JPEG", exif=broken)
    assert ENGINE.inspect(io.BytesIO(content), ALL).orientation == 6
    assert quarters(rendered(content)) == [RED, GREEN, BLUE, WHITE]


# Pillow warns of cut EXIF while it opens the file.
@pytest.mark.filterwarnings("ignore:Truncated File Read", "ignore:Corrupt EXIF data")
@pytest.mark.parametrize("length", range(0, 200, 7))
def test_exif__a_cut_block_costs_nobody_a_good_picture(length):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 1, "Canon"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    exif.get_ifd(0x8825)[2] = (48.0, 8.0, 14.0)
    content = saved(four_colors(), "JPEG", exif=exif.tobytes()[: 6 + length])
    assert ENGINE.read_header(io.BytesIO(content), ALL, max_pixels=MANY).width == 64
    assert ENGINE.inspect(io.BytesIO(content), ALL).orientation == 1
    assert quarters(rendered(content)) == [RED, GREEN, BLUE, WHITE]


# -- sizes


@pytest.mark.parametrize("fit", Fit)
@pytest.mark.parametrize("image_format", OUTPUT_FORMATS)
def test_render__never_scales_up(fit, image_format):
    height = None if fit is Fit.WIDTH else 500
    image = rendered(picture(size=(40, 40)), width=500, height=height, fit=fit, format=image_format)
    assert image.size == (40, 40)


def test_render__a_long_strip_fits_every_format():
    content = picture("PNG", (20, 20_000))
    sizes = {rendered(content, format=name).size for name in OUTPUT_FORMATS}
    assert sizes == {(16, 16_383)}


def test_render__a_narrow_scaled_decode_keeps_its_crop():
    # Decoded at a quarter, 17 pixels become 5, which is not a quarter of 17.
    content = noise((17, 10_000))
    image = rendered(content, (0.5, 1.0), width=2, height=2, fit=Fit.COVER)
    assert image.size == (2, 2)


def test_render__crop_boxes_with_rounding_errors_are_inside():
    content = picture(size=(610, 9))
    image = rendered(content, width=1892, height=2214, fit=Fit.COVER)
    assert image.size == (8, 9)


# -- what must not go out


def private_jpeg():
    exif = Image.Exif()
    exif[0x010F] = "SECRETMAKER"
    exif[0x8298] = "SECRETCOPYRIGHT"
    exif.get_ifd(0x8769)[0xA431] = "SECRETSERIAL"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N", (48.0, 8.0, 14.0)
    gps[0x1D] = "SECRETGPSDATE"
    return saved(
        Image.effect_noise((64, 48), 60).convert("RGB"),
        "JPEG",
        exif=exif,
        xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRETXMP</x:xmpmeta>",
        comment=b"SECRETCOMMENT",
        icc_profile=srgb_profile(),
        dpi=(123, 321),
    )


def private_png():
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "SECRETCOMMENT")
    text.add_itxt("XML:com.adobe.xmp", "<x>SECRETXMP</x>")
    exif = Image.Exif()
    exif[0x010F] = "SECRETMAKER"
    image = Image.new("RGBA", (64, 48), (200, 60, 20, 100))
    return saved(image, "PNG", pnginfo=text, exif=exif, icc_profile=srgb_profile(), dpi=(123, 321))


def private_webp():
    exif = Image.Exif()
    exif[0x010F] = "SECRETMAKER"
    image = Image.new("RGB", (64, 48), RED)
    return saved(image, "WEBP", exif=exif, xmp=b"SECRETXMP", icc_profile=srgb_profile())


def private_gif():
    return saved(Image.new("P", (64, 48), 3), "GIF", comment=b"SECRETCOMMENT")


def private_avif():
    exif = Image.Exif()
    exif[0x010F] = "SECRETMAKER"
    image = Image.new("RGB", (64, 48), RED)
    return saved(image, "AVIF", exif=exif, xmp=b"SECRETXMP", icc_profile=srgb_profile())


@pytest.mark.parametrize("image_format", OUTPUT_FORMATS)
@pytest.mark.parametrize("width", [16, 64], ids=["smaller", "same size"])
@pytest.mark.parametrize(
    "make", [private_jpeg, private_png, private_webp, private_gif, private_avif]
)
def test_render__takes_no_metadata_along(make, width, image_format):
    content = make()
    assert b"SECRET" in content
    target = io.BytesIO()
    spec = make_spec(width=width, format=image_format)
    render(content, [(spec, target)])
    written = target.getvalue()
    image = opened(written)
    assert not any(word in written for word in (b"SECRET", b"Exif", b"xmpmeta"))
    assert not dict(image.getexif())
    assert not image.getexif().get_ifd(0x8825)
    assert not set(image.info) & {"exif", "xmp", "comment", "icc_profile", "Comment", "dpi"}


def test_render__shows_only_the_first_frame():
    frames = [Image.new("RGB", (40, 30), color) for color in (RED, GREEN)]
    content = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    for image_format in OUTPUT_FORMATS:
        image = rendered(content, format=image_format)
        assert getattr(image, "n_frames", 1) == 1
        assert near(image.convert("RGB").getpixel((5, 5)), RED)


# -- colour


def srgb_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def wide_profile():
    """An RGB matrix profile like Display P3: sRGB's curve with wider primaries (ICC.1:2010 8.3)."""

    def fixed(*values):
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    def xyz(*values):
        return b"XYZ \0\0\0\0" + fixed(*values)

    curve = b"para\0\0\0\0" + struct.pack(">HH", 3, 0)
    curve += fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    tags = {
        b"rXYZ": xyz(0.5151, 0.2412, -0.0011),
        b"gXYZ": xyz(0.2920, 0.6922, 0.0419),
        b"bXYZ": xyz(0.1571, 0.0666, 0.7841),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    return profile_of(b"RGB ", tags)


def profile_of(space, tags):
    """A display profile with these tags, and what every profile must have besides."""
    white = struct.pack(">3i", *(round(value * 65536) for value in (0.9642, 1.0, 0.8249)))
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"Wide\0" + bytes(78),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
        b"wtpt": b"XYZ \0\0\0\0" + white,
        **tags,
    }
    directory, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        padded = value + bytes(-len(value) % 4)
        directory += name + struct.pack(">II", start + len(data), len(value))
        data += padded
    header = bytearray(128)
    header[8:12] = b"\x02\x40\0\0"
    header[12:24] = b"mntr" + space + b"XYZ "
    header[36:40] = b"acsp"
    header[68:80] = white
    header[0:4] = struct.pack(">I", 128 + len(directory) + len(data))
    return bytes(header) + directory + data


@pytest.mark.parametrize("image_format", OUTPUT_FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_profile__wide_colours_become_srgb_without_a_profile(mode, image_format):
    plain = Image.new(mode, (40, 30), (180, 80, 60))
    untagged = rendered(saved(plain), format=image_format).convert("RGB").getpixel((5, 5))
    content = saved(plain, icc_profile=wide_profile())
    image = rendered(content, format=image_format)
    converted = image.convert("RGB").getpixel((5, 5))
    assert near(untagged, (180, 80, 60), by=4)
    # The same numbers mean a stronger red in the wide space, so sRGB needs higher ones.
    assert converted[0] > untagged[0] + 8
    assert converted[1] < untagged[1] - 2
    assert "icc_profile" not in image.info


def test_profile__srgb_leaves_the_pixels_alone():
    plain = Image.new("RGB", (40, 30), (180, 80, 60))
    content = saved(plain, icc_profile=srgb_profile())
    assert rendered(content).getpixel((5, 5)) == (180, 80, 60)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_profile__transparency_survives_the_conversion(mode):
    image = Image.new("RGBA", (40, 30), (180, 180, 180, 100)).convert(mode)
    found = rendered(saved(image, icc_profile=wide_profile()))
    assert found.mode == "RGBA"
    assert near(found.getpixel((5, 5)), (180, 180, 180, 100), by=2)


@pytest.mark.parametrize(
    "profile", [b"garbage", b"\0" * 200, wide_profile()[:200]], ids=["text", "zeros", "cut"]
)
def test_profile__a_broken_one_is_ignored(profile):
    content = saved(Image.new("RGB", (40, 30), (180, 80, 60)), icc_profile=profile)
    assert rendered(content).getpixel((5, 5)) == (180, 80, 60)


def test_profile__one_of_another_kind_is_ignored():
    content = saved(Image.new("L", (40, 30), 120), icc_profile=wide_profile())
    assert rendered(content).getpixel((5, 5)) == (120, 120, 120)


def test_profile__without_an_answer_of_the_library_is_ignored(monkeypatch):
    monkeypatch.setattr(ImageCms, "applyTransform", lambda *args, **kwargs: None)
    content = saved(Image.new("RGB", (40, 30), (180, 80, 60)), icc_profile=wide_profile())
    assert rendered(content).getpixel((5, 5)) == (180, 80, 60)


def grey_profile(gamma):
    """A grey profile of that gamma (ICC.1:2010 8.3.3)."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    return profile_of(b"GRAY", {b"kTRC": curve})


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_profile__of_grey_holds_with_and_without_transparency(mode):
    image = Image.new("L", (40, 30), 128).convert(mode)
    found = rendered(saved(image, icc_profile=grey_profile(1.0))).convert("RGB")
    assert near(found.getpixel((5, 5)), (188, 188, 188), by=2)


def test_profile__of_grey_holds_for_a_transparent_colour():
    content = saved(Image.new("L", (40, 30), 128), icc_profile=grey_profile(1.0), transparency=3)
    assert near(rendered(content).getpixel((5, 5)), (188, 188, 188, 255), by=2)


def test_profile__that_only_calls_itself_srgb_is_converted():
    profile = wide_profile().replace(b"Wide\0", b"sRGB\0")
    plain = Image.new("RGB", (40, 30), (180, 80, 60))
    assert rendered(saved(plain, icc_profile=profile)).getpixel((5, 5))[0] > 188


# -- modes


@pytest.mark.parametrize("image_format", OUTPUT_FORMATS)
def test_mode__cmyk_becomes_rgb(image_format):
    content = saved(Image.new("CMYK", (40, 30), (0, 255, 255, 0)), "JPEG", quality=95)
    image = rendered(content, format=image_format)
    assert image.mode == "RGB"
    assert near(image.getpixel((5, 5)), RED, by=20)


def test_mode__16_bit_grey_keeps_its_brightness():
    image = Image.new("I;16", (40, 30), 0x8000)
    content = saved(image)
    assert opened(content).mode == "I;16"
    assert near(rendered(content).getpixel((5, 5)), (128, 128, 128), by=1)
    assert ENGINE.inspect(io.BytesIO(content), ALL).dominant_color == "#808080"


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 90, (90, 90, 90)),
        ("I;16", 0xFFFF, (255, 255, 255)),
        ("I;16", 0, (0, 0, 0)),
        ("RGB", (9, 99, 199), (9, 99, 199)),
        ("LA", (90, 255), (90, 90, 90, 255)),
        ("LA", (90, 0), (0, 0, 0, 0)),
        ("RGBA", (9, 99, 199, 255), (9, 99, 199, 255)),
    ],
)
def test_mode__each_becomes_rgb_or_rgba(mode, color, expected):
    image = rendered(saved(Image.new(mode, (40, 30), color)))
    assert near(image.getpixel((5, 5)), expected, by=1)


def palette_with_transparency():
    """Left half clear, right half red."""
    image = Image.new("P", (64, 48), 0)
    image.putpalette([0, 255, 0, 255, 0, 0])
    image.paste(1, (32, 0, 64, 48))
    return image


@pytest.mark.parametrize(
    ("input_format", "transparency"), [("PNG", 0), ("PNG", b"\x00\xff"), ("GIF", 0)]
)
@pytest.mark.parametrize("image_format", ["png", "webp", "avif"])
def test_palette__stays_transparent(input_format, transparency, image_format):
    content = saved(palette_with_transparency(), input_format, transparency=transparency)
    image = rendered(content, format=image_format)
    assert image.mode == "RGBA"
    assert image.getpixel((5, 12))[3] == 0
    assert near(image.getpixel((27, 12)), (*RED, 255))


@pytest.mark.parametrize("input_format", ["PNG", "GIF"])
def test_palette__is_laid_on_the_background_for_jpeg(input_format):
    content = saved(palette_with_transparency(), input_format, transparency=0)
    image = rendered(content, format="jpeg", background="#0000ff")
    assert near(image.getpixel((3, 12)), BLUE)
    assert near(image.getpixel((28, 12)), RED)


def test_transparent_colour__of_16_bit_grey_is_that_value_alone():
    row = b"\x01\x80" * 20 + b"\x02\x80" * 20
    image = Image.frombytes("I;16", (40, 30), row * 30)
    found = rendered(saved(image, transparency=0x8001))
    assert found.getpixel((5, 5))[3] == 0
    assert near(found.getpixel((27, 5)), (128, 128, 128, 255), by=1)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_transparent_colour__of_a_png_without_alpha_is_kept(mode):
    color = 7 if mode == "L" else (7, 7, 7)
    content = saved(Image.new(mode, (40, 30), color), transparency=color)
    assert rendered(content).getpixel((5, 5))[3] == 0
    assert near(rendered(content, format="jpeg").getpixel((5, 5)), WHITE)


@pytest.mark.parametrize("image_format", ["png", "webp", "avif"])
def test_alpha__is_kept_where_the_format_can(image_format):
    image = rendered(saved(Image.new("RGBA", (40, 30), (255, 0, 0, 128))), format=image_format)
    assert image.mode == "RGBA"
    assert near(image.getpixel((5, 5)), (255, 0, 0, 128), by=4)


@pytest.mark.parametrize(
    ("alpha", "background", "expected"),
    [
        (0, "#ffffff", WHITE),
        (0, "#0000ff", BLUE),
        (128, "#ffffff", (255, 127, 127)),
        (255, "#0000ff", RED),
    ],
)
def test_alpha__is_laid_on_the_background_for_jpeg(alpha, background, expected):
    content = saved(Image.new("RGBA", (40, 30), (255, 0, 0, alpha)))
    image = rendered(content, format="jpeg", background=background)
    assert image.mode == "RGB"
    assert near(image.getpixel((5, 5)), expected, by=4)


def test_alpha__hidden_colours_do_not_bleed_into_the_edge():
    image = Image.new("RGBA", (64, 64), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (33, 0, 64, 64))
    found = rendered(saved(image), width=32)
    visible = [p for p in (found.getpixel((x, 10)) for x in range(32)) if p[3] > 30]
    assert all(pixel[1] < 10 for pixel in visible)


# -- quality


@pytest.mark.parametrize("image_format", ["jpeg", "webp", "avif"])
def test_quality__reaches_the_encoder(image_format):
    lengths = []
    for quality in (20, 90):
        target = io.BytesIO()
        spec = make_spec(width=200, format=image_format, quality=quality)
        render(noise((200, 150)), [(spec, target)])
        lengths.append(target.tell())
    assert lengths[0] * 1.5 < lengths[1]


def test_jpeg__is_progressive():
    assert rendered(picture(), format="jpeg").info["progressive"] == 1


# -- inspection


def mostly_clear_palette():
    image = palette_with_transparency()
    image.paste(0, (0, 0, 50, 48))
    return image


def test_inspect__of_a_plain_picture():
    inspection = ENGINE.inspect(io.BytesIO(picture(color=(200, 60, 20))), ALL)
    assert inspection.orientation == 1
    assert inspection.taken_at is None
    assert inspection.camera == Camera()
    assert not inspection.camera


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (picture("PNG", (300, 200), color=(200, 60, 20)), (200, 60, 20)),
        (saved(Image.new("RGBA", (40, 30), (255, 0, 0, 0))), WHITE),
        (saved(Image.new("LA", (40, 30), (0, 0))), WHITE),
        (saved(Image.new("L", (40, 30), 50)), (50, 50, 50)),
        (saved(Image.new("1", (40, 30), 0)), (0, 0, 0)),
        (saved(Image.new("CMYK", (40, 30), (0, 255, 255, 0)), "JPEG"), RED),
        (saved(mostly_clear_palette(), transparency=0), WHITE),
        (saved(Image.new("RGB", (1, 1), (1, 2, 3))), (1, 2, 3)),
    ],
    ids=["rgb", "clear", "clear grey", "grey", "bit", "cmyk", "palette", "one pixel"],
)
def test_inspect__dominant_color(content, expected):
    color = ENGINE.inspect(io.BytesIO(content), ALL).dominant_color
    assert near(bytes.fromhex(color.removeprefix("#")), expected, by=4)


def test_inspect__a_good_header_without_pixels_is_damaged():
    assert ENGINE.read_header(io.BytesIO(bomb_header(10, 10)), ALL, max_pixels=MANY).width == 10
    with pytest.raises(UploadRefused) as caught:
        ENGINE.inspect(io.BytesIO(bomb_header(10, 10)), ALL)
    assert caught.value.code == "damaged"


def test_engine__output_version_is_pinned():
    # Raising it kills no row, but every URL: only where the output really changes.
    assert PillowEngine.output_version == 3


def ladder(widths, image_format="jpeg"):
    return [make_spec(width=width, format=image_format) for width in widths]


def render_all(content, specs, focal_point=MIDDLE):
    targets = [io.BytesIO() for _ in specs]
    sizes = render(content, list(zip(specs, targets, strict=True)), focal_point)
    return sizes, [opened(target.getvalue()) for target in targets]


def test_ladder__is_one_decode_in_the_order_asked(monkeypatch):
    loads = []
    monkeypatch.setattr(
        JpegImagePlugin.JpegImageFile,
        "load_prepare",
        lambda self: loads.append(self.size) or ImageFile.ImageFile.load_prepare(self),
    )
    widths = [320, 1280, 640]
    specs = [*ladder(widths), *ladder(widths, "webp")]
    sizes, images = render_all(noise((2000, 1500)), specs)
    assert sizes == [(320, 240), (1280, 960), (640, 480)] * 2
    assert [image.size for image in images] == sizes
    assert [image.format for image in images] == ["JPEG"] * 3 + ["WEBP"] * 3
    assert loads.count((2000, 1500)) == 1  # the other loads are of what came out


@pytest.mark.parametrize("width", [320, 640])
def test_ladder__nobody_can_tell_a_step_from_a_resize_of_the_original(width):
    """Mean difference under two steps of 255, on the hardest picture there is: pure grain."""
    content = detailed((2600, 1950))
    _, together = render_all(content, ladder([1280, 640, 320], "png"))
    _, (alone,) = render_all(content, ladder([width], "png"))
    stepped = next(image for image in together if image.width == width)
    difference = ImageChops.difference(stepped.convert("RGB"), alone.convert("RGB"))
    assert max(ImageStat.Stat(difference).mean) < 2.0


def detailed(size):
    """A picture with edges, gradients and grain."""
    gradient = Image.linear_gradient("L").resize(size)
    grain = Image.effect_noise(size, 25)
    image = Image.merge("RGB", (gradient, grain, gradient.transpose(Image.Transpose.ROTATE_180)))
    for offset in range(0, size[0], 97):
        image.paste((240, 240, 240), (offset, offset % size[1], offset + 11, size[1]))
    target = io.BytesIO()
    image.save(target, "PNG", compress_level=1)
    return target.getvalue()


def test_ladder__a_crop_never_starts_from_another_part():
    """A square around the focal point and a whole width, together as if each were alone."""
    content = picture(size=(800, 400))
    specs = [
        make_spec(width=400),
        make_spec(width=100, height=100, fit=Fit.COVER),
    ]
    _, together = render_all(content, specs, focal_point=(1.0, 1.0))
    for spec, image in zip(specs, together, strict=True):
        _, (alone,) = render_all(content, [spec], focal_point=(1.0, 1.0))
        difference = ImageChops.difference(image, alone)
        assert max(ImageStat.Stat(difference).mean) < 1.0


# -- formats that are let in on demand


def as_tiff(image, orientation=1, **options):
    return saved(image, "TIFF", tiffinfo={274: orientation}, **options)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "jpeg"])
def test_tiff__is_upright_and_converted(orientation, compression):
    turn = STORED_AS[orientation]
    stored = four_colors() if turn is None else four_colors().transpose(turn)
    content = as_tiff(stored, orientation, compression=compression)
    assert (
        ENGINE.read_header(io.BytesIO(content), ("tiff",), max_pixels=MANY).width,
        ENGINE.inspect(io.BytesIO(content), ("tiff",)).orientation,
    ) == (64, 1)
    target = io.BytesIO()
    render(content, [(make_spec(format="jpeg"), target)], formats=("tiff",))
    image = opened(target.getvalue())
    assert (image.format, image.size) == ("JPEG", (32, 24))
    assert quarters(image) == [RED, GREEN, BLUE, WHITE]


def test_tiff__pages_are_no_frames():
    content = as_tiff(four_colors(), save_all=True, append_images=[four_colors()] * 2)
    header = ENGINE.read_header(io.BytesIO(content), ("tiff",), max_pixels=MANY)
    assert (header.format, header.frames) == ("tiff", 1)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "LAB"])
def test_tiff__every_mode_has_a_picture(mode):
    content = as_tiff(Image.new(mode, (40, 30)))
    target = io.BytesIO()
    render(content, [(make_spec(format="webp"), target)], formats=("tiff",))
    assert opened(target.getvalue()).size == (32, 24)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_bmp__is_converted(mode):
    content = saved(four_colors().convert(mode), "BMP")
    target = io.BytesIO()
    render(content, [(make_spec(format="webp"), target)], formats=("bmp",))
    assert opened(target.getvalue()).format == "WEBP"


@pytest.mark.parametrize(("content", "image_format"), [("BMP", "bmp"), ("TIFF", "tiff")])
def test_render__tries_no_decoder_but_the_one_of_the_record(content, image_format):
    for other in {"jpeg", "bmp", "tiff"} - {image_format}:
        with pytest.raises(RenderFailed):
            ENGINE.render(
                io.BytesIO(picture(content)),
                [(make_spec(), io.BytesIO())],
                source_format=other,
                full_size=(64, 48),
                focal_point=MIDDLE,
            )


def test_heic__is_read_by_the_extra():
    sample = CORPUS / "malformed/libheif__colors-with-alpha.heic"  # a good one, for all that
    need("the corpus", is_there=sample.exists())
    need("pi-heif", is_there="heic" in ENGINE.input_formats)
    content = sample.read_bytes()
    header = ENGINE.read_header(io.BytesIO(content), ("heic",), max_pixels=MANY)
    assert header == Header(format="heic", width=64, height=64, frames=1)
    target = io.BytesIO()
    render(content, [(make_spec(format="webp"), target)], formats=("heic",))
    assert opened(target.getvalue()).mode == "RGBA"
