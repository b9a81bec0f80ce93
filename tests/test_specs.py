"""Specs and presets: fingerprints, sizes, crops, rungs."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from images_app.access import Level
from images_app.specs import (
    ANIMATED_FORMATS,
    CONTENT_TYPES,
    DEFAULT_QUALITY,
    EXTENSIONS,
    FOREIGN_FORMATS,
    LONGEST_SIDE,
    OUTPUT_FORMATS,
    Fit,
    Position,
    Preset,
    RenditionSpec,
    Watermark,
    fingerprint_of,
    format_of,
)

SIDES = st.integers(min_value=1, max_value=10_000)
ORIGINAL_SIDES = st.integers(min_value=1, max_value=70_000)
FOCAL_POINTS = st.tuples(st.floats(0, 1), st.floats(0, 1))


def make_spec(**values):
    defaults = {
        "width": 320,
        "height": None,
        "fit": Fit.WIDTH,
        "format": "jpeg",
        "quality": 82,
        "background": "#ffffff",
    }
    return RenditionSpec(**{**defaults, **values})


SPECS = st.one_of(
    st.builds(make_spec, width=SIDES),
    st.builds(make_spec, width=SIDES, height=SIDES, fit=st.sampled_from([Fit.CONTAIN, Fit.COVER])),
)


def test_fingerprint__is_pinned():
    # If this fails, every rendition URL in the world has just died: raise the engine's
    # output_version instead, and only when the output really changes.
    assert make_spec().fingerprint(1) == "e0a6b49d45e4aa00"


def test_fingerprint__is_64_bits_in_hex():
    fingerprint = make_spec().fingerprint(1)
    assert len(fingerprint) == 16
    assert 0 <= int(fingerprint, 16) < 2**64


def test_fingerprint__changes_with_every_value():
    spec = make_spec()
    changed = [
        make_spec(width=321),
        make_spec(height=320),
        make_spec(fit=Fit.COVER),
        make_spec(format="png"),
        make_spec(quality=83),
        make_spec(background="#fffffe"),
        make_spec(is_animated=True),
        make_spec(watermark=Watermark(text="PROOF")),
    ]
    assert len(changed) == len(dataclasses.fields(RenditionSpec))
    fingerprints = {each.fingerprint(1) for each in [spec, *changed]} | {spec.fingerprint(2)}
    assert len(fingerprints) == len(changed) + 2


MARK = Watermark(text="PROOF", checksum="00", font_checksum="11")
# Each field of a watermark with another value; where files are is none of the fingerprint.
OTHER_MARKS = {
    "text": "Proof",
    "checksum": "01",
    "font_checksum": "12",
    "position": Position.CENTER,
    "opacity": 31,
    "size": 26,
    "color": "#fffffe",
}
SAME_MARKS = {"image": "/elsewhere/logo.png", "font": "/elsewhere/font.ttf"}


def marked(**values):
    return make_spec(watermark=dataclasses.replace(MARK, **values))


def test_fingerprint__of_a_watermark_is_pinned():
    assert make_spec(watermark=Watermark(text="PROOF")).fingerprint(1) == "5d0a554f75f0ed88"


def test_fingerprint__changes_with_every_value_of_a_watermark():
    assert {*OTHER_MARKS, *SAME_MARKS} == {each.name for each in dataclasses.fields(Watermark)}
    specs = [make_spec(), marked(), *(marked(**{n: value}) for n, value in OTHER_MARKS.items())]
    assert len({spec.fingerprint(1) for spec in specs}) == len(set(specs)) == len(OTHER_MARKS) + 2


@pytest.mark.parametrize("name", SAME_MARKS)
def test_fingerprint__does_not_say_where_files_are(name):
    moved = marked(**{name: SAME_MARKS[name]})
    assert moved == marked()
    assert moved.fingerprint(1) == marked().fingerprint(1)


@pytest.mark.parametrize("is_negotiated", [True, False])
@pytest.mark.parametrize("stills", [True, False])
def test_preset__marks_every_choice_or_none(is_negotiated, stills):
    preset = Preset(
        name="any",
        widths=(10, 20),
        formats=("webp", "jpeg"),
        is_negotiated=is_negotiated,
        stills=stills,
    )
    plain, chosen = list(preset.choices()), list(preset.choices(MARK))
    assert {spec.watermark for specs in plain for spec in specs} == {None}
    assert {spec.watermark for specs in chosen for spec in specs} == {MARK}
    without = [tuple(dataclasses.replace(s, watermark=None) for s in specs) for specs in chosen]
    assert without == plain
    assert not {fingerprint_of(s, 1) for s in plain} & {fingerprint_of(s, 1) for s in chosen}


def test_fingerprint__is_the_same_for_equal_specs():
    assert make_spec().fingerprint(3) == make_spec().fingerprint(3)


@pytest.mark.parametrize(
    ("values", "original", "expected"),
    [
        ({"width": 320}, (640, 480), (320, 240)),
        ({"width": 320}, (320, 240), (320, 240)),
        ({"width": 320}, (100, 50), (100, 50)),
        ({"width": 320}, (10_000, 1), (320, 1)),
        ({"width": 320, "height": 320, "fit": Fit.CONTAIN}, (640, 480), (320, 240)),
        ({"width": 320, "height": 320, "fit": Fit.CONTAIN}, (480, 640), (240, 320)),
        ({"width": 320, "height": 320, "fit": Fit.CONTAIN}, (100, 50), (100, 50)),
        ({"width": 320, "height": 320, "fit": Fit.COVER}, (640, 480), (320, 320)),
        ({"width": 320, "height": 160, "fit": Fit.COVER}, (640, 480), (320, 160)),
        ({"width": 320, "height": 320, "fit": Fit.COVER}, (640, 160), (160, 160)),
        ({"width": 320, "height": 160, "fit": Fit.COVER}, (100, 100), (100, 50)),
        ({"width": 320, "height": 320, "fit": Fit.COVER}, (1, 1), (1, 1)),
        ({"width": 320}, (300, 20_000), (246, LONGEST_SIDE)),
    ],
)
def test_output_size__cases(values, original, expected):
    assert make_spec(**values).output_size(*original) == expected


@given(spec=SPECS, width=ORIGINAL_SIDES, height=ORIGINAL_SIDES)
def test_output_size__never_scales_up_and_stays_in_the_box(spec, width, height):
    out_width, out_height = spec.output_size(width, height)
    assert 1 <= out_width <= min(width, spec.width)
    assert 1 <= out_height <= min(height, LONGEST_SIDE)
    if spec.height is not None:
        assert out_height <= spec.height


@given(width=SIDES, original=st.integers(1, 16_000))
def test_output_size__a_square_stays_one(width, original):
    side = min(width, original)
    assert make_spec(width=width).output_size(original, original) == (side, side)
    cover = make_spec(width=width, height=width, fit=Fit.COVER)
    assert cover.output_size(original, original) == (side, side)


@given(spec=SPECS, width=ORIGINAL_SIDES, height=ORIGINAL_SIDES, focal_point=FOCAL_POINTS)
@example(
    # Computed naively, the upper edge came out as -4.5e-13, which Pillow refuses.
    spec=make_spec(width=1906, height=2896, fit=Fit.COVER),
    width=5763,
    height=3904,
    focal_point=(0.5, 0.5),
)
def test_crop_box__is_inside_and_not_empty(spec, width, height, focal_point):
    left, top, right, bottom = spec.crop_box(width, height, focal_point)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


@given(box=st.tuples(SIDES, SIDES), size=st.tuples(SIDES, SIDES), focal_point=FOCAL_POINTS)
def test_crop_box__is_the_largest_of_its_shape(box, size, focal_point):
    spec = make_spec(width=box[0], height=box[1], fit=Fit.COVER)
    left, top, right, bottom = spec.crop_box(*size, focal_point)
    assert math.isclose((right - left) * box[1], (bottom - top) * box[0], rel_tol=1e-6)
    assert math.isclose(right - left, size[0]) or math.isclose(bottom - top, size[1])


@pytest.mark.parametrize(
    ("focal_point", "expected"),
    [
        ((0.5, 0.5), (25, 0, 75, 50)),
        ((0.0, 0.0), (0, 0, 50, 50)),
        ((1.0, 1.0), (50, 0, 100, 50)),
        ((0.4, 0.9), (15, 0, 65, 50)),
    ],
)
def test_crop_box__follows_the_focal_point(focal_point, expected):
    spec = make_spec(width=10, height=10, fit=Fit.COVER)
    assert spec.crop_box(100, 50, focal_point) == expected
    # The same picture on its side.
    turned = spec.crop_box(50, 100, focal_point[::-1])
    assert turned == (expected[1], expected[0], expected[3], expected[2])


@pytest.mark.parametrize("fit", [Fit.WIDTH, Fit.CONTAIN])
def test_crop_box__is_everything_unless_covering(fit):
    height = None if fit is Fit.WIDTH else 10
    assert make_spec(fit=fit, height=height).crop_box(100, 50, (0.9, 0.1)) == (0, 0, 100, 50)


def test_cover__without_a_height_is_as_high_as_the_original():
    spec = make_spec(width=10, fit=Fit.COVER)
    assert spec.output_size(100, 50) == (10, 50)
    assert spec.crop_box(100, 50, (0.5, 0.5)) == (45, 0, 55, 50)


@pytest.mark.parametrize(
    ("image_width", "expected"),
    [
        (1, (320,)),
        (320, (320,)),
        (321, (320, 640)),
        (640, (320, 640)),
        (1000, (320, 640, 1280)),
        (1281, (320, 640, 1280)),
        (99_999, (320, 640, 1280)),
    ],
)
def test_rungs__those_above_the_image_collapse_to_one(image_width, expected):
    ladder = Preset(name="ladder", widths=(320, 640, 1280), formats=("jpeg",))
    assert ladder.rungs(image_width) == expected


@given(widths=st.sets(SIDES, min_size=1, max_size=6), size=st.tuples(SIDES, SIDES))
def test_rungs__each_is_another_picture(widths, size):
    ladder = Preset(name="ladder", widths=tuple(sorted(widths)), formats=("jpeg",))
    rungs = ladder.rungs(size[0])
    shown = [ladder.spec(rung, "jpeg").output_size(*size)[0] for rung in rungs]
    assert rungs == ladder.widths[: len(rungs)]
    assert len(set(shown)) == len(shown)
    assert shown[-1] == min(size[0], max(widths))


def test_preset__specs_are_every_format_in_every_width():
    preset = Preset(name="ladder", widths=(10, 20), formats=("webp", "jpeg"), quality={"webp": 51})
    choices = list(preset.choices())
    assert all(len(specs) == 1 for specs in choices)
    assert [(s.format, s.width, s.quality, s.is_animated) for (s,) in choices] == [
        ("webp", 10, 51, False),
        ("jpeg", 10, DEFAULT_QUALITY["jpeg"], False),
        ("webp", 20, 51, False),
        ("jpeg", 20, DEFAULT_QUALITY["jpeg"], False),
        ("webp", 10, 51, True),
        ("gif", 10, 0, True),
        ("webp", 20, 51, True),
        ("gif", 20, 0, True),
    ]


def test_preset__of_stills_has_no_animated_specs():
    preset = Preset(name="small", widths=(10,), formats=("webp",), stills=True)
    assert [specs[0].is_animated for specs in preset.choices()] == [False]
    assert preset.formats_of(is_animated=True) == ("webp",)


def test_preset__negotiated_has_one_choice_for_each_rung():
    preset = Preset(name="auto", widths=(10, 20), formats=("avif", "jpeg"), is_negotiated=True)
    assert [[s.format for s in specs] for specs in preset.choices()] == [
        ["avif", "jpeg"],
        ["avif", "jpeg"],
        ["webp", "gif"],
        ["webp", "gif"],
    ]


def test_fingerprint_of__several_follows_each_of_them():
    one = Preset(name="auto", widths=(10,), formats=("avif", "jpeg"))
    other = Preset(name="auto", widths=(10,), formats=("avif", "jpeg"), quality={"jpeg": 50})
    pairs = [tuple(p.spec(10, name) for name in p.formats) for p in (one, other)]
    assert fingerprint_of(pairs[0], 1) != fingerprint_of(pairs[1], 1)
    assert fingerprint_of(pairs[0], 1) != fingerprint_of(pairs[0], 2)
    assert fingerprint_of(pairs[0][:1], 1) == pairs[0][0].fingerprint(1)
    assert (format_of(pairs[0]), format_of(pairs[0][:1])) == ("auto", "avif")


def test_preset__hands_all_it_has_to_the_spec():
    preset = Preset(
        name="thumb",
        widths=(10,),
        height=5,
        fit=Fit.COVER,
        formats=("png",),
        quality={"png": 9},
        background="#123456",
    )
    assert preset.spec(10, "png") == RenditionSpec(
        width=10, height=5, fit=Fit.COVER, format="png", quality=9, background="#123456"
    )


def test_preset__defaults_are_safe():
    preset = Preset(name="any", widths=(1,), formats=("jpeg",))
    assert (preset.level, preset.max_age, preset.fit) == (Level.VIEW, 600, Fit.WIDTH)


def test_formats__tables_agree():
    assert set(EXTENSIONS) == set(CONTENT_TYPES)
    every = {*OUTPUT_FORMATS, *ANIMATED_FORMATS}
    assert every == set(DEFAULT_QUALITY) < set(CONTENT_TYPES)
    assert set(CONTENT_TYPES) > FOREIGN_FORMATS
    assert not FOREIGN_FORMATS & every
    assert len(set(EXTENSIONS.values())) == len(EXTENSIONS)
    with pytest.raises(TypeError):
        CONTENT_TYPES["svg"] = "image/svg+xml"
