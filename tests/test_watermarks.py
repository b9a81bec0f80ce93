"""IMAGES_APP's watermarks: what becomes of them, and what is refused with which words."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from PIL import Image, ImageFont

from images_app import watermarks
from images_app.access import Level
from images_app.specs import Position, Watermark
from images_app.watermarks import parse_levels, parse_watermarks
from tests.pictures import picture


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with a logo, a font and what is neither; it is the present one."""
    monkeypatch.chdir(tmp_path)
    for image_format in ("PNG", "WEBP", "JPEG", "GIF"):
        Path(f"logo.{image_format.lower()}").write_bytes(picture(image_format))
    Path("font.ttf").write_bytes(ImageFont.load_default(10).font_bytes)
    Path("words.txt").write_text("No picture and no font.")
    Image.new("1", (4001, 1)).save("long.png")
    Image.new("RGBA", (9, 9)).save("nothing.png")
    return tmp_path


def one(**values):
    return parse_watermarks({"mine": values})["mine"]


def test_text__with_all_that_it_can_have(files):
    assert one(
        text="PROOF © 2026",
        position="top-left",
        opacity=100,
        size=1,
        color="#FFaa00",
        font=files / "font.ttf",
    ) == Watermark(
        text="PROOF © 2026",
        position=Position.TOP_LEFT,
        opacity=100,
        size=1,
        color="#ffaa00",
        font_checksum=hashlib.sha256((files / "font.ttf").read_bytes()).hexdigest(),
    )


def test_text__alone_is_enough():
    assert one(text="PROOF") == Watermark(text="PROOF")


@pytest.mark.parametrize("name", ["logo.png", "logo.webp", "logo.jpeg"])
def test_image__of_each_format(files, name):
    mark = one(image=name, position="center", opacity=60, size=20)
    assert mark.image == str(files / name)  # the child process is in another folder
    assert mark.checksum == hashlib.sha256((files / name).read_bytes()).hexdigest()
    assert (mark.position, mark.opacity, mark.size) == (Position.CENTER, 60, 20)
    assert one(image=files / name).image == str(files / name)


def test_levels__become_levels():
    marks = {"proof": Watermark(text="PROOF")}
    parsed = parse_levels({"preview": "proof", "view": "proof"}, marks)
    assert parsed == {Level.PREVIEW: "proof", Level.VIEW: "proof"}
    assert parse_levels({}, {}) == {}


HERE = "IMAGES_APP['WATERMARKS']['mine']"
NUMBERS = "is a whole number of percent from 1 to 100."
PLACES = "'tile', 'center', 'top-left', 'top-right', 'bottom-left', 'bottom-right'."
SEEN = f"{HERE}: text is one line of letters that can be seen."


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, f"{HERE}: it has either 'text' or 'image'."),
        ({"text": "A", "image": "logo.png"}, f"{HERE}: it has either 'text' or 'image'."),
        ({"txt": "A"}, f"{HERE} has no key 'txt'. Did you mean 'text'?"),
        ({"Text": "A"}, "Did you mean 'text'?"),
        ({"text": "A", "colour": "#000000"}, "Did you mean 'color'?"),
        ({"text": ""}, SEEN),
        ({"text": "  "}, SEEN),
        ({"text": "one\ntwo"}, SEEN),
        ({"text": "\u200b"}, SEEN),
        ({"text": None}, SEEN),
        ({"text": "A" * 101}, f"{HERE}: text has at most 100 letters."),
        ({"text": "Café"}, f"{HERE}: the font has no 'é'. Name a file that has them as 'font'."),
        ({"text": "Café", "font": "font.ttf"}, f"{HERE}: the font has no 'é'."),
        ({"text": "A", "font": "gone.ttf"}, f"{HERE}['font']: it cannot be read:"),
        ({"text": "A", "font": "words.txt"}, f"{HERE}['font']: no font that can be used:"),
        ({"text": "A", "font": 5}, f"{HERE}['font']: a path is wanted."),
        ({"text": "A", "color": "white"}, f"{HERE}: color is a colour like '#ffffff'."),
        ({"text": "A", "color": None}, "color is a colour like"),
        ({"text": "A", "opacity": 0}, f"{HERE}: opacity {NUMBERS}"),
        ({"text": "A", "opacity": 101}, f"{HERE}: opacity {NUMBERS}"),
        ({"text": "A", "opacity": 0.5}, f"{HERE}: opacity {NUMBERS}"),
        ({"text": "A", "opacity": True}, f"{HERE}: opacity {NUMBERS}"),
        ({"text": "A", "size": 0}, f"{HERE}: size {NUMBERS}"),
        ({"text": "A", "size": 101}, f"{HERE}: size {NUMBERS}"),
        ({"text": "A", "size": "25"}, f"{HERE}: size {NUMBERS}"),
        ({"text": "A", "position": "middle"}, f"{HERE}: position is {PLACES}"),
        ({"text": "A", "position": ["tile"]}, f"{HERE}: position is {PLACES}"),
        ({"image": "gone.png"}, f"{HERE}['image']: it cannot be read:"),
        ({"image": "."}, f"{HERE}['image']: it cannot be read:"),
        ({"image": ""}, f"{HERE}['image']: a path is wanted."),
        ({"image": b"logo.png"}, f"{HERE}['image']: a path is wanted."),
        ({"image": "words.txt"}, f"{HERE}['image']: no PNG, WebP or JPEG that can be used:"),
        ({"image": "logo.gif"}, f"{HERE}['image']: no PNG, WebP or JPEG that can be used:"),
        ({"image": "long.png"}, "can be used: it is larger than 4000 x 4000 pixels"),
        ({"image": "nothing.png"}, "can be used: all of it is transparent"),
        ({"image": "logo.png", "color": "#000000"}, "'color' and 'font' are those of a text."),
        ({"image": "logo.png", "font": "font.ttf"}, "'color' and 'font' are those of a text."),
    ],
)
def test_watermark__that_makes_no_sense_is_refused(files, values, message):
    with pytest.raises(ImproperlyConfigured, match=re.escape(message)):
        one(**values)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "IMAGES_APP['WATERMARKS'] must be a dict."),
        ({"mine": "PROOF"}, "IMAGES_APP['WATERMARKS']['mine'] must be a dict."),
        ({"": {"text": "A"}}, "a name is of 1 to 50 letters"),
        ({"a b": {"text": "A"}}, "a name is of 1 to 50 letters"),
        ({5: {"text": "A"}}, "a name is of 1 to 50 letters"),
        ({"a" * 51: {"text": "A"}}, "a name is of 1 to 50 letters"),
        (
            {"a": {"text": "A"}, "b": {"text": "A", "color": "#FFFFFF"}},
            "IMAGES_APP['WATERMARKS']['b']: it is the same as 'a': both would have one URL.",
        ),
        (
            {"a": {"image": "logo.png"}, "b": {"image": "copy.png"}},
            "IMAGES_APP['WATERMARKS']['b']: it is the same as 'a'",
        ),
    ],
)
def test_watermarks__that_make_no_sense_are_refused(files, given, message):
    Path("copy.png").write_bytes(Path("logo.png").read_bytes())
    with pytest.raises(ImproperlyConfigured, match=re.escape(message)):
        parse_watermarks(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "IMAGES_APP['WATERMARK_LEVELS'] must be a dict."),
        ({"original": "proof"}, "'original' cannot be marked"),
        ({"vew": "proof"}, "IMAGES_APP['WATERMARK_LEVELS'] has no key 'vew'. Did you mean 'view'?"),
        ({20: "proof"}, "has no key 20. Known are preview, view."),
        (
            {"view": "prof"},
            "['WATERMARK_LEVELS']['view']: no watermark is called 'prof'; there are proof, logo.",
        ),
        ({"view": ["proof"]}, "no watermark is called ['proof']"),
        ({"view": ""}, "no watermark is called ''"),
    ],
)
def test_levels__that_make_no_sense_are_refused(given, message):
    marks = {"proof": Watermark(text="PROOF"), "logo": Watermark(text="LOGO")}
    with pytest.raises(ImproperlyConfigured, match=re.escape(message)):
        parse_levels(given, marks)


def test_levels__without_any_watermark_say_so():
    with pytest.raises(ImproperlyConfigured, match="'proof'; there is none in WATERMARKS"):
        parse_levels({"view": "proof"}, {})


@pytest.mark.parametrize("is_there", [True, False])
def test_text__from_right_to_left_needs_its_library(monkeypatch, is_there):
    monkeypatch.setattr(watermarks, "missing_letters", lambda text, font: "")
    monkeypatch.setattr(watermarks.features, "check", lambda name: is_there)
    if is_there:
        assert one(text="\u05e9\u05dc\u05d5\u05dd").text
    else:
        with pytest.raises(ImproperlyConfigured, match="needs Pillow with libraqm and FriBiDi"):
            one(text="\u05e9\u05dc\u05d5\u05dd")
