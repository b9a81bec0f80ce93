"""Animations: they keep moving as WebP and GIF, at their pace, and stop where stills are asked."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from images_app.engines.film import Film
from images_app.exceptions import RenderFailed, UploadRefused
from images_app.specs import ANIMATED_FORMATS, OUTPUT_FORMATS, Fit
from tests.engines.test_pillow import (
    ALL,
    BLUE,
    ENGINE,
    GREEN,
    MANY,
    MIDDLE,
    RED,
    STORED_AS,
    WHITE,
    four_colors,
    make_spec,
    near,
    quarters,
    render,
    saved,
)

COLORS = [RED, GREEN, BLUE, RED]
DURATIONS = [50, 200, 100, 300]
SOURCES = ("GIF", "WEBP", "PNG", "AVIF")


def animation(image_format="GIF", size=(64, 48), colors=COLORS, **options):
    frames = [Image.new("RGB", size, color) for color in colors]
    options = {"duration": DURATIONS[: len(colors)], "loop": 0, **options}
    return saved(frames[0], image_format, save_all=True, append_images=frames[1:], **options)


def animated(content, **values):
    target = io.BytesIO()
    spec = make_spec(**{"format": "webp", "is_animated": True, **values})
    (size,) = render(content, [(spec, target)])
    image = Image.open(target)
    assert (image.size, image.format) == (size, spec.format.upper())
    return image


def frames_of(image):
    for frame in range(image.n_frames):
        image.seek(frame)
        image.load()
        yield image.convert("RGBA"), image.info["duration"]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("image_format", ANIMATED_FORMATS)
def test_animation__keeps_frames_sizes_and_pace(source, image_format):
    image = animated(animation(source), format=image_format)
    found = list(frames_of(image))
    assert image.size == (32, 24)
    assert [duration for _, duration in found] == DURATIONS
    for (frame, _), color in zip(found, COLORS, strict=True):
        assert near(frame.getpixel((5, 5)), (*color, 255), by=40)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("image_format", OUTPUT_FORMATS)
def test_animation__is_its_first_frame_where_stills_are_asked(source, image_format):
    target = io.BytesIO()
    render(animation(source), [(make_spec(format=image_format), target)])
    image = Image.open(target)
    assert getattr(image, "n_frames", 1) == 1
    assert near(image.convert("RGB").getpixel((5, 5)), RED, by=40)


def test_animation__stills_and_films_of_one_call_stand_in_order():
    specs = [make_spec(format="webp", width=w, is_animated=a) for w in (16, 32) for a in (0, 1)]
    targets = [io.BytesIO() for _ in specs]
    sizes = render(animation(), list(zip(specs, targets, strict=True)))
    assert sizes == [(16, 12), (16, 12), (32, 24), (32, 24)]
    assert [Image.open(target).n_frames for target in targets] == [1, 4, 1, 4]


@pytest.mark.parametrize(
    ("source", "loop", "plays"),
    [
        ("GIF", {"loop": 0}, 0),
        ("GIF", {"loop": 2}, 3),
        ("WEBP", {"loop": 0}, 0),
        ("WEBP", {"loop": 3}, 3),
        ("PNG", {"loop": 3}, 3),
    ],
)
def test_animation__runs_as_often_as_before(source, loop, plays):
    content = animation(source, **loop)
    assert animated(content).info["loop"] == plays
    assert animated(content, format="gif").info.get("loop") == max(0, plays - 1)


def test_animation__a_gif_that_says_nothing_runs_once():
    frames = [Image.new("RGB", (20, 20), color) for color in COLORS]
    content = saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)
    assert "loop" not in Image.open(io.BytesIO(content)).info
    assert animated(content).info["loop"] == 1
    assert "loop" not in animated(content, format="gif").info


@pytest.mark.parametrize("duration", [0, 10])
def test_animation__is_no_quicker_than_browsers_show_it(duration):
    content = animation(duration=duration)
    assert [each for _, each in frames_of(animated(content))] == [100] * 4


def moving_dot(image_format):
    """A red dot on nothing, on the left, then on the right."""
    frames = []
    for left in (4, 40):
        frame = Image.new("RGBA", (64, 48), (0, 0, 0, 0))
        frame.paste((255, 0, 0, 255), (left, 12, left + 20, 32))
        frames.append(frame)
    return saved(
        frames[0],
        image_format,
        save_all=True,
        append_images=frames[1:],
        duration=100,
        loop=0,
        disposal=2,
    )


# Not from WebP: Pillow writes such a one without the flag that says that it is transparent.
@pytest.mark.parametrize("source", ["GIF", "PNG"])
@pytest.mark.parametrize("image_format", ANIMATED_FORMATS)
def test_animation__stays_transparent_and_leaves_no_trail(source, image_format):
    first, second = (f for f, _ in frames_of(animated(moving_dot(source), format=image_format)))
    assert near(first.getpixel((7, 11)), (*RED, 255), by=40)
    assert first.getpixel((25, 11))[3] == 0
    assert near(second.getpixel((25, 11)), (*RED, 255), by=40)
    assert second.getpixel((7, 11))[3] == 0


def test_animation__of_a_png_leaves_out_the_picture_for_who_cannot():
    still = Image.new("RGB", (64, 48), WHITE)
    frames = [Image.new("RGB", (64, 48), color) for color in (RED, GREEN)]
    content = saved(still, "PNG", save_all=True, append_images=frames, default_image=True)
    assert ENGINE.read_header(io.BytesIO(content), ALL, max_pixels=MANY).frames == 2
    colors = [frame.getpixel((5, 5))[:3] for frame, _ in frames_of(animated(content))]
    assert near(colors[0], RED, by=40)
    assert near(colors[1], GREEN, by=40)


def test_animation__is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = four_colors().transpose(STORED_AS[6])
    content = saved(
        stored, "WEBP", save_all=True, append_images=[stored.convert("L")], exif=exif, quality=95
    )
    first = next(frames_of(animated(content)))[0]
    assert first.size == (32, 24)
    assert quarters(first) == [RED, GREEN, BLUE, WHITE]


def test_animation__crops_around_the_focal_point():
    image = animated(animation(), width=20, height=20, fit=Fit.COVER)
    assert (image.size, image.n_frames) == ((20, 20), 4)


def test_animation__that_breaks_off_is_damaged():
    whole = animation(size=(200, 150), colors=[*COLORS] * 3, duration=100)
    cut = io.BytesIO(whole[: len(whole) * 2 // 3])
    with pytest.raises(UploadRefused, match="damaged"):
        ENGINE.inspect(cut, ALL)


def test_animation__that_is_none_any_more_fails():
    with pytest.raises(RenderFailed):
        ENGINE.render(
            io.BytesIO(b"GIF89a"),
            [(make_spec(format="gif", is_animated=True), io.BytesIO())],
            source_format="gif",
            full_size=(64, 48),
            focal_point=MIDDLE,
        )


def test_film__holds_one_frame_and_ends():
    seen = []
    source = Image.open(io.BytesIO(animation()))
    film = Film(source, lambda frame: seen.append(source.tell()) or frame.convert("RGB"))
    film.seek(1)
    film.seek(1)
    film.seek(0)
    assert seen == [0, 1, 0]
    assert (film.tell(), film.durations) == (0, DURATIONS[:2])
    with pytest.raises(EOFError):
        film.seek(4)


def growing_gif():
    """A screen of one pixel, and a second frame far outside of it."""
    content = saved(Image.new("P", (1, 1)), "GIF")
    assert content[-1:] == b";"
    start = content.index(b",")
    frame = bytearray(content[start:-1])
    frame[1:5] = (5000).to_bytes(2, "little") * 2
    return content[:-1] + bytes(frame) + b";"


def test_animation__that_grows_is_a_still_one():
    content = growing_gif()
    assert ENGINE.read_header(io.BytesIO(content), ALL, max_pixels=MANY).frames == 2
    assert ENGINE.inspect(io.BytesIO(content), ALL).frames == 1


@pytest.mark.parametrize("image_format", ANIMATED_FORMATS)
@pytest.mark.parametrize("options", [{"loop": 65_535}, {"duration": 655_000}], ids=str)
def test_animation__numbers_at_the_edge_can_be_written(image_format, options):
    image = animated(animation("GIF", **options), format=image_format)
    assert image.n_frames == 4


@pytest.mark.parametrize(
    ("frames", "info", "plays"),
    [("PNG", {"loop": 70_000}, 0), ("PNG", {"loop": 65_535}, 65_535), ("WEBP", {"loop": -1}, 0)],
)
def test_animation__more_runs_than_can_be_said_are_for_ever(frames, info, plays):
    source = Image.open(io.BytesIO(animation(frames)))
    source.info.update(info, duration=2**40)
    film = Film(source, lambda frame: frame.convert("RGB"))
    assert film.plays == plays
    assert film.durations[0] <= 655_350


@pytest.mark.parametrize("image_format", ANIMATED_FORMATS)
def test_animation__whose_frames_are_all_the_same_is_written_whole(image_format):
    frame = Image.new("RGBA", (64, 48), (255, 0, 0, 255))
    other = frame.copy()
    other.putpixel((63, 47), (255, 0, 0, 254))  # which nobody sees when it is smaller
    content = saved(frame, "PNG", save_all=True, append_images=[other, frame], duration=100)
    target = io.BytesIO()
    render(content, [(make_spec(format=image_format, is_animated=True, width=8), target)])
    assert target.tell() == target.getbuffer().nbytes
    target.seek(0)
    assert Image.open(target).size == (8, 6)
