"""Watermarks: where they are, that they are seen, that nothing else changes."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageFont, ImageStat

from images_app.engines import watermarking
from images_app.engines.bounded import BoundedEngine
from images_app.engines.watermarking import decode_logo, marker_of, missing_letters
from images_app.exceptions import RenderFailed
from images_app.specs import ANIMATED_FORMATS, OUTPUT_FORMATS, Position, Watermark
from tests.engines.test_film import animation, frames_of
from tests.engines.test_pillow import BLUE, GREEN, RED, make_spec, near, render, saved
from tests.pictures import opened

SIZE = (400, 300)
GREY = (120, 120, 120)
MODES = {"RGB": GREY, "RGBA": (*GREY, 255), "L": 120, "LA": (120, 255)}
CORNERS = {
    Position.CENTER: (0.5, 0.5),
    Position.TOP_LEFT: (0, 0),
    Position.TOP_RIGHT: (1, 0),
    Position.BOTTOM_LEFT: (0, 1),
    Position.BOTTOM_RIGHT: (1, 1),
}


def text_mark(text="PROOF", **values):
    return Watermark(**{"text": text, "opacity": 100, **values})


@pytest.fixture
def logo_mark(tmp_path):
    """Makes a watermark of a picture, each in a file of its own."""
    (tmp_path / "logo").mkdir()

    def make(image=None, image_format="PNG", options=(), **values):
        path = tmp_path / "logo" / str(len(list((tmp_path / "logo").iterdir())))
        image = Image.new("RGB", (80, 40), RED) if image is None else image
        path.write_bytes(saved(image, image_format, **dict(options)))
        checksum = hashlib.sha256(path.read_bytes()).hexdigest()
        return Watermark(**{"image": str(path), "checksum": checksum, "opacity": 100, **values})

    return make


@pytest.fixture(autouse=True)
def forgotten():
    """What was loaded for one test is not there for the next one."""
    watermarking._load_logo.cache_clear()
    watermarking._load_font_file.cache_clear()


def marked(mark, size=SIZE, color=GREY, mode="RGB"):
    return marker_of(mark, size)(Image.new(mode, size, color))


def changed_box(one, other):
    """The box around what differs in any channel, transparency included."""
    difference = ImageChops.difference(one.convert("RGBA"), other.convert("RGBA"))
    boxes = [band.getbbox() for band in difference.split()]
    boxes = [box for box in boxes if box]
    if not boxes:
        return None
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def contrast(image):
    return max(high - low for low, high in image.convert("RGB").getextrema())


def drawn(mark, content=None, size=SIZE, **values):
    """What an output holds, for a picture of one colour."""
    content = saved(Image.new("RGB", size, GREY)) if content is None else content
    target = io.BytesIO()
    render(content, [(make_spec(watermark=mark, **{"width": size[0], **values}), target)])
    return target.getvalue()


# --- where ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text", "logo"])
@pytest.mark.parametrize("position", CORNERS)
def test_position__is_where_it_is_asked_and_nothing_changes_elsewhere(logo_mark, kind, position):
    make = text_mark if kind == "text" else logo_mark
    mark = make(position=position, size=20)
    box = changed_box(marked(mark), Image.new("RGB", SIZE, GREY))
    across, down = CORNERS[position]
    margin = 6  # two percent of the height
    width, height = box[2] - box[0], box[3] - box[1]
    assert 70 <= width <= 80
    assert height <= 40
    left, top = across * (SIZE[0] - width), down * (SIZE[1] - height)
    assert abs(box[0] - left) <= margin + 4
    assert abs(box[1] - top) <= margin + 4
    assert box[0] >= margin - 2
    assert box[2] <= SIZE[0] - margin + 2


def test_tile__is_in_every_part_of_the_picture():
    picture = marked(text_mark(position=Position.TILE, size=25))
    plain = Image.new("RGB", SIZE, GREY)
    for x in range(0, SIZE[0], 100):
        for y in range(0, SIZE[1], 75):
            box = (x, y, x + 100, y + 75)
            assert changed_box(picture.crop(box), plain.crop(box)), box


def test_tile__has_one_whole_mark_at_least(logo_mark):
    mark = logo_mark(size=100, position=Position.TILE)
    reds = ImageChops.difference(marked(mark, (80, 50)), Image.new("RGB", (80, 50), GREY))
    assert reds.getbbox() == (0, 5, 80, 45)
    assert all(reds.getpixel((x, 20)) != (0, 0, 0) for x in range(80))


# --- how --------------------------------------------------------------------------------------


@pytest.mark.parametrize("opacity", [1, 10, 50, 100])
def test_opacity__is_how_much_of_the_mark_is_seen(logo_mark, opacity):
    mark = logo_mark(opacity=opacity, position=Position.CENTER)
    expected = [g + (r - g) * opacity / 100 for g, r in zip(GREY, RED, strict=True)]
    assert near(marked(mark).getpixel((200, 150)), expected, by=2)
    assert marked(mark).getpixel((200, 150)) != GREY


@pytest.mark.parametrize("text", ["I", "PROOF", "W" * 100, "one two three", ".", "gyq"])
@pytest.mark.parametrize("size", [(1, 1), (16, 16), (3, 4000), (4000, 3), (320, 213), SIZE])
@pytest.mark.parametrize("percent", [1, 25, 100])
def test_text__fits_and_is_seen_in_every_shape(text, size, percent):
    mark = text_mark(text, size=percent, position=Position.CENTER)
    box = changed_box(marked(mark, size), Image.new("RGB", size, GREY))
    assert box
    assert box[2] - box[0] <= max(1, size[0] * percent / 100) + 1


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (3, 4000), (4000, 3), SIZE])
@pytest.mark.parametrize("position", Position)
def test_stamp__never_is_larger_than_the_picture(logo_mark, size, position):
    for mark in (
        logo_mark(size=100, position=position),
        logo_mark(Image.new("RGB", (3, 900), RED), size=100, position=position),
        text_mark(size=100, position=position),
    ):
        stamp = watermarking._make_stamp(mark, size)
        assert stamp.width <= size[0]
        assert stamp.height <= size[1]
        assert marked(mark, size).size == size


@pytest.mark.parametrize("shape", [(80, 40), (40, 80), (100, 10)])
@pytest.mark.parametrize("percent", [5, 20, 50, 100])
def test_logo__keeps_its_shape(logo_mark, shape, percent):
    mark = logo_mark(Image.new("RGB", shape, RED), size=percent)
    width, height = watermarking._make_stamp(mark, SIZE).size
    scale = min(SIZE[0] * percent / 100 / shape[0], SIZE[1] / shape[1])
    assert (width, height) == (round(shape[0] * scale), round(shape[1] * scale))


@pytest.mark.parametrize("percent", [10, 40, 80, 100])
def test_text__is_as_wide_as_is_asked(percent):
    width = watermarking._make_stamp(text_mark(size=percent), (1000, 800)).width
    assert percent * 10 * 0.9 <= width <= percent * 10


def test_text__that_is_very_large_is_drawn_small_and_scaled_up(monkeypatch):
    drawings, write = [], watermarking._write

    def noted(*args):
        drawings.append(write(*args))
        return drawings[-1]

    monkeypatch.setattr(watermarking, "_write", noted)
    stamp = watermarking._make_stamp(text_mark(size=100), (9000, 6000))
    assert stamp.width == 9000
    assert max(drawings[0].size) <= 2000


@pytest.mark.parametrize("color", ["#ffffff", "#000000", "#cc0000", "#7f7f7f", "#00ff00"])
@pytest.mark.parametrize("ground", [0, 64, 128, 192, 255])
def test_text__can_be_read_on_every_ground(color, ground):
    picture = marked(text_mark(color=color, opacity=50), color=(ground,) * 3)
    assert contrast(picture) > 45


def test_stamp__larger_than_a_band_has_no_seams(logo_mark):
    mark = logo_mark(size=100, opacity=50, position=Position.CENTER)
    colors = marked(mark, (1300, 700)).crop((0, 40, 1300, 660)).getcolors()
    assert len(colors) == 1


def test_text__has_its_color():
    mark = text_mark("III", color="#ff0000", size=100, position=Position.CENTER)
    colors = marked(mark).getcolors(100_000)
    assert (255, 0, 0) in [color for _, color in colors]


# --- what it is laid over ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("position", Position)
def test_mode__of_every_kind_is_marked_and_the_shared_picture_is_not(mode, position):
    picture = Image.new(mode, SIZE, MODES[mode])
    before = picture.copy()
    result = marker_of(text_mark(position=position), SIZE)(picture)
    assert picture.tobytes() == before.tobytes()
    assert result.mode == ("RGBA" if mode in {"RGBA", "LA"} else "RGB")
    assert contrast(result) > 100


def test_transparency__stays_outside_the_mark():
    mark = text_mark(position=Position.CENTER, opacity=50)
    clear = Image.new("RGBA", SIZE, (10, 200, 30, 0))
    result = marker_of(mark, SIZE)(clear)
    box = changed_box(clear, result)
    assert result.crop((0, 0, SIZE[0], box[1])).getextrema()[3] == (0, 0)
    assert result.crop((0, box[1], box[0], SIZE[1])).getextrema()[3] == (0, 0)
    assert result.crop(box).getextrema()[3] == (0, 128)  # the mark alone, as opaque as it is
    assert result.getpixel((0, 0)) == (10, 200, 30, 0)


def test_logo__is_transparent_where_it_is(logo_mark):
    logo = Image.new("RGBA", (80, 40), (0, 0, 0, 0))
    logo.paste((*BLUE, 255), (0, 0, 40, 40))
    picture = marked(logo_mark(logo, position=Position.CENTER, size=50))
    assert near(picture.getpixel((150, 150)), BLUE)
    assert picture.getpixel((250, 150)) == GREY


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "JPEG"])
def test_logo__of_each_format_leaves_only_its_pixels(logo_mark, image_format):
    exif = Image.Exif()
    exif[0x010E] = "Confidential words"
    mark = logo_mark(None, image_format, {"exif": exif}, position=Position.CENTER)
    for output in OUTPUT_FORMATS:
        content = drawn(mark, format=output)
        assert b"Confidential" not in content
        assert near(opened(content).convert("RGB").getpixel((200, 150)), RED, by=30)


def test_logo__is_upright(logo_mark):
    logo = Image.new("RGB", (80, 40), RED)
    logo.paste(BLUE, (40, 0, 80, 40))
    exif = Image.Exif()
    exif[0x0112] = 3
    mark = logo_mark(logo, "PNG", {"exif": exif}, position=Position.CENTER, size=50)
    picture = marked(mark)
    assert near(picture.getpixel((120, 150)), BLUE)
    assert near(picture.getpixel((280, 150)), RED)


# --- in renditions ----------------------------------------------------------------------------


@pytest.mark.parametrize("image_format", OUTPUT_FORMATS)
def test_still__is_marked_in_every_format_and_the_same_again(image_format):
    mark = text_mark(position=Position.CENTER, opacity=60, size=50)
    content = drawn(mark, format=image_format)
    picture, plain = opened(content), opened(drawn(None, format=image_format))
    box = (100, 100, 300, 200)
    assert contrast(picture.crop(box)) > 80
    assert near(picture.convert("RGB").getpixel((5, 5)), plain.convert("RGB").getpixel((5, 5)))
    assert content == drawn(mark, format=image_format)


@pytest.mark.parametrize("source", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_still__of_every_source_is_marked(source, mode):
    image = Image.new(mode, SIZE, 60)
    content = saved(image if source in {"PNG", "GIF"} else image.convert("RGB"), source)
    assert contrast(opened(drawn(text_mark(), content))) > 100


@pytest.mark.parametrize("image_format", ["png", "webp", "avif"])
def test_still__is_as_transparent_as_before(image_format):
    image = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    image.paste((*GREEN, 255), (0, 0, 200, 300))
    mark = text_mark(position=Position.BOTTOM_LEFT, opacity=50)
    result = opened(drawn(mark, saved(image), format=image_format))
    assert result.getpixel((300, 50))[3] == 0
    assert result.getpixel((100, 50))[3] == 255
    assert changed_box(result, opened(drawn(None, saved(image), format=image_format)))


def test_outputs__of_one_call_are_marked_each_by_itself():
    left = text_mark(position=Position.TOP_LEFT)
    right = text_mark(position=Position.BOTTOM_RIGHT)
    marks = (left, None, right, None)
    targets = [(make_spec(width=400, watermark=mark), io.BytesIO()) for mark in marks]
    render(saved(Image.new("RGB", SIZE, GREY)), targets)
    found = [opened(target.getvalue()) for _, target in targets]
    plain = Image.new("RGB", SIZE, GREY)
    boxes = [changed_box(image, plain) for image in found]
    assert boxes[1] is boxes[3] is None
    assert boxes[0][2:] < (200, 150)
    assert boxes[2][:2] > (200, 150)
    assert found[1].tobytes() == plain.tobytes()


@pytest.mark.parametrize("image_format", ANIMATED_FORMATS)
def test_animation__has_the_mark_on_every_frame(image_format):
    colors = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 30, 30)]
    content = animation("GIF", SIZE, colors)
    mark = text_mark(opacity=60, size=50, position=Position.CENTER)
    values = {"format": image_format, "is_animated": True, "quality": 90}
    made = drawn(mark, content, **values)
    assert made == drawn(mark, content, **values)
    plain = list(frames_of(Image.open(io.BytesIO(drawn(None, content, **values)))))
    frames = list(frames_of(Image.open(io.BytesIO(made))))
    assert [duration for _, duration in frames] == [duration for _, duration in plain]
    for (frame, _), (other, _) in zip(frames, plain, strict=True):
        assert near(frame.getpixel((5, 5)), other.getpixel((5, 5)), by=16)
        assert contrast(frame) > 100
        assert contrast(other) < 200


@pytest.mark.parametrize("image_format", ANIMATED_FORMATS)
@pytest.mark.parametrize("opacity", [30, 80])
def test_animation__keeps_its_transparency_and_its_edge(image_format, opacity):
    frames = []
    for color in (RED, BLUE):
        frame = Image.new("RGBA", SIZE, (0, 0, 0, 0))
        frame.paste((*color, 255), (0, 0, 200, 300))
        frames.append(frame)
    content = saved(frames[0], "PNG", save_all=True, append_images=frames[1:], disposal=1, blend=0)
    mark = text_mark(opacity=opacity, position=Position.BOTTOM_LEFT, size=40)
    made = drawn(mark, content, format=image_format, is_animated=True)
    for frame, _ in frames_of(Image.open(io.BytesIO(made))):
        alphas = frame.getchannel("A")
        assert alphas.crop((204, 0, 400, 300)).getextrema() == (0, 0)
        assert alphas.crop((0, 0, 196, 300)).getextrema() == (255, 255)
        assert ImageStat.Stat(frame.crop((0, 200, 190, 300)).convert("L")).stddev[0] > 10


def test_gif__half_of_a_mark_makes_no_half_edge_whole():
    """Where the picture is a little less than half there, GIF has nothing, marked or not."""
    frames = [Image.new("RGBA", SIZE, (*color, 120)) for color in (RED, BLUE)]
    content = saved(frames[0], "PNG", save_all=True, append_images=frames[1:], disposal=1, blend=0)
    made = drawn(text_mark(opacity=30), content, format="gif", is_animated=True)
    for frame, _ in frames_of(Image.open(io.BytesIO(made))):
        assert frame.getchannel("A").getextrema() == (0, 0)


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["itself", "in a child"])
def test_logo__that_has_changed_or_gone_fails(logo_mark, tmp_path, engine):
    mark = logo_mark()
    outputs = [(make_spec(watermark=mark), io.BytesIO())]
    content = io.BytesIO(saved(Image.new("RGB", SIZE, GREY)))

    def make():
        watermarking._load_logo.cache_clear()
        if engine == "itself":
            return render(content, outputs)
        arguments = {"source_format": "png", "full_size": SIZE, "focal_point": (0.5, 0.5)}
        return BoundedEngine(memory_bytes=2**29).render(content, outputs, **arguments)

    Path(mark.image).write_bytes(saved(Image.new("RGB", (80, 40), BLUE)))
    with pytest.raises(RenderFailed, match="a watermark's file has changed"):
        make()
    Path(mark.image).unlink()
    with pytest.raises(RenderFailed, match="a watermark's file cannot be read") as caught:
        make()
    assert str(tmp_path) not in str(caught.value)


def test_child__marks_as_the_engine_itself(logo_mark):
    engine = BoundedEngine()
    assert engine.draws_watermarks
    for mark in (logo_mark(), text_mark()):
        target = io.BytesIO()
        source = io.BytesIO(saved(Image.new("RGB", SIZE, GREY)))
        engine.render(
            source,
            [(make_spec(width=400, watermark=mark), target)],
            source_format="png",
            full_size=SIZE,
            focal_point=(0.5, 0.5),
        )
        assert target.getvalue() == drawn(mark)


def test_child__of_an_engine_that_draws_none_says_so():
    engine = BoundedEngine(backend=f"{__name__}.Plain")
    assert engine.draws_watermarks is False


class Plain:
    """An engine from before there were watermarks."""

    output_version = 1
    input_formats = frozenset({"png"})


def test_logo__that_was_loaded_is_not_read_again(logo_mark, tmp_path):
    mark = logo_mark()
    marked(mark)
    Path(mark.image).unlink()
    assert changed_box(marked(mark), Image.new("RGB", SIZE, GREY))


def test_logo__stays_itself_when_it_is_drawn(logo_mark):
    """The loaded one is kept for the next picture: fading it for one must not fade it for all."""
    mark = logo_mark(opacity=50, size=20, position=Position.CENTER)
    assert marked(mark).tobytes() == marked(mark).tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no picture", "cannot identify"),
        (saved(Image.new("RGB", (8, 8)), "GIF"), "cannot identify"),
        (saved(Image.new("1", (4001, 1))), "larger than 4000 x 4000 pixels"),
        (saved(Image.new("RGBA", (8, 8), (255, 0, 0, 0))), "all of it is transparent"),
        (saved(Image.effect_noise((80, 80), 50))[:-2000], "truncated"),
    ],
)
def test_decode_logo__what_is_none_is_refused(content, message):
    with pytest.raises(Exception, match=message):
        decode_logo(content)


def test_logo__is_kept_no_larger_than_it_can_be_drawn_well(logo_mark):
    mark = logo_mark(Image.new("RGB", (4000, 100), RED), position=Position.CENTER)
    assert watermarking._load_logo(mark.image, mark.checksum).size == (2000, 50)


def test_file__that_is_huge_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(watermarking, "LARGEST_FILE", 2**20)
    (tmp_path / "huge").write_bytes(b"x" * (2**20 + 1))
    with pytest.raises(ValueError, match="larger than 1 MB"):
        watermarking.read_file(str(tmp_path / "huge"))


# --- fonts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("PROOF © 2026 - Jane (Doe)!", ""),
        ("Café", "é"),
        ("中文 ok 中", "中文"),
        ("a\u3164b", "\u3164"),
    ],
)
def test_letters__that_the_built_in_font_has_not_are_named(text, missing):
    assert missing_letters(text, b"") == missing


class Blank:
    """A font that has an empty shape for one letter."""

    def getmask(self, letter):
        return Image.new("L", (4, 4), {"b": 0, "\uffff": 1}.get(letter, 2)).im


def test_letters__that_are_blank_are_named(monkeypatch):
    monkeypatch.setattr(watermarking, "load_font", lambda content, size: Blank())
    assert missing_letters("a b c", b"any") == "b"


def test_font__of_a_file_is_the_one_that_is_drawn(tmp_path):
    content = ImageFont.load_default(10).font_bytes
    path = tmp_path / "font.ttf"
    path.write_bytes(content)
    mark = text_mark(font=str(path), font_checksum=hashlib.sha256(content).hexdigest())
    assert contrast(marked(mark)) > 100
    watermarking._load_font_file.cache_clear()
    path.write_bytes(content + b"!")
    with pytest.raises(RenderFailed, match="has changed"):
        marked(mark)


def test_font__that_is_none_is_told():
    with pytest.raises(OSError, match=r"invalid stream operation|unknown file format"):
        missing_letters("PROOF", b"no font")


@pytest.mark.parametrize("answer", [ImportError("freetype"), object()])
def test_font__without_freetype_is_told(monkeypatch, answer):
    def load_default(size):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(ImageFont, "load_default", load_default)
    with pytest.raises(OSError, match="no FreeType"):
        missing_letters("PROOF", b"")
