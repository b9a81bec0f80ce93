"""The few EXIF facts that the record keeps."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from images_app.engines.base import Camera
from images_app.engines.exif import read_camera, read_orientation, read_taken_at

MAKE, MODEL, ORIENTATION = 0x010F, 0x0110, 0x0112
EXPOSURE_TIME, F_NUMBER, ISO, FOCAL_LENGTH = 0x829A, 0x829D, 0x8827, 0x920A
TAKEN_AT, TAKEN_OFFSET, LENS, SERIAL_NUMBER = 0x9003, 0x9011, 0xA434, 0xA431


class Tagged:
    """An image that is nothing but its tags, of whatever type a decoder may hand out."""

    def __init__(self, tags=None, exposure=None):
        self.tags, self.exposure = tags or {}, exposure or {}

    def getexif(self):
        return Tags(self.tags, self.exposure)


class Tags(dict):
    def __init__(self, tags, exposure):
        super().__init__(tags)
        self.exposure = exposure

    def get_ifd(self, number):
        assert number == 0x8769
        return self.exposure


class Broken:
    def getexif(self):
        raise SyntaxError("not a TIFF file")


def jpeg(tags, exposure=None, gps=None):
    exif = Image.Exif()
    for number, value in tags.items():
        exif[number] = value
    exif.get_ifd(0x8769).update(exposure or {})
    exif.get_ifd(0x8825).update(gps or {})
    target = io.BytesIO()
    Image.new("RGB", (8, 8)).save(target, "JPEG", exif=exif)
    return Image.open(target)


def test_camera__of_a_real_file():
    image = jpeg(
        {MAKE: "Canon", MODEL: "EOS 5D"},
        {
            LENS: "50mm",
            EXPOSURE_TIME: 0.005,
            F_NUMBER: 2.8,
            ISO: 400,
            FOCAL_LENGTH: 50.0,
            TAKEN_AT: "2020:01:02 03:04:05",
        },
    )
    camera = read_camera(image)
    assert (camera.make, camera.model, camera.lens, camera.iso) == ("Canon", "EOS 5D", "50mm", 400)
    assert (camera.exposure_time, camera.f_number, camera.focal_length) == pytest.approx(
        (0.005, 2.8, 50.0)
    )
    assert read_taken_at(image) == dt.datetime(2020, 1, 2, 3, 4, 5)  # noqa: DTZ001
    assert camera


def test_camera__keeps_no_place_and_no_serial_number():
    image = jpeg({MAKE: "Canon"}, {SERIAL_NUMBER: "123456"}, {1: "N", 2: (48.0, 8.0, 14.0)})
    assert read_camera(image) == Camera(make="Canon")
    assert not {f.name for f in dataclasses.fields(Camera)} - {
        "make",
        "model",
        "lens",
        "exposure_time",
        "f_number",
        "iso",
        "focal_length",
    }


@pytest.mark.parametrize("image", [Tagged(), Broken(), Image.new("RGB", (1, 1))])
def test_absent_or_broken__is_nothing(image):
    assert read_camera(image) == Camera()
    assert not read_camera(image)
    assert read_taken_at(image) is None
    assert read_orientation(image) == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1),
        (6, 6),
        (8, 8),
        (0, 1),
        (9, 1),
        (-1, 1),
        (6.0, 1),
        ("6", 1),
        (b"\x06", 1),
        ((6,), 1),
        (None, 1),
    ],
)
def test_orientation__cases(value, expected):
    assert read_orientation(Tagged({ORIENTATION: value})) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Canon", "Canon"),
        (" Canon \x00", "Canon"),
        ("Ca\x00n\x1bon\n", "Canon"),
        ("Ca\u202enon", "Canon"),
        (b"Canon\x00", "Canon"),
        (b"Can\xff", "Can\ufffd"),
        ("x" * 500, "x" * 100),
        ("", ""),
        (7, ""),
        (None, ""),
        (("Canon",), ""),
    ],
)
def test_text__cases(value, expected):
    image = Tagged({MAKE: value, MODEL: value}, {LENS: value})
    camera = read_camera(image)
    assert (camera.make, camera.model, camera.lens) == (expected,) * 3


class Rational:
    """What Pillow hands out for 1/0."""

    def __float__(self):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.005, 0.005),
        (50, 50.0),
        ("2.8", 2.8),
        (0, None),
        (-1, None),
        (1e6, None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
        (Rational(), None),
        ("fast", None),
        (b"\x00", None),
        ((1, 200), None),
        (None, None),
    ],
)
def test_number__cases(value, expected):
    image = Tagged({}, {EXPOSURE_TIME: value, F_NUMBER: value, FOCAL_LENGTH: value})
    camera = read_camera(image)
    assert (camera.exposure_time, camera.f_number, camera.focal_length) == (expected,) * 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [(400, 400), ((400, 0), 400), (99.6, 100), (0.2, None), ((), None), ("x", None), (-5, None)],
)
def test_iso__cases(value, expected):
    assert read_camera(Tagged({}, {ISO: value})).iso == expected


@pytest.mark.parametrize(
    ("text", "offset", "expected"),
    [
        ("2020:01:02 03:04:05", None, "2020-01-02T03:04:05"),
        ("2020:01:02 03:04:05", "+02:00", "2020-01-02T03:04:05+02:00"),
        ("2020:01:02 03:04:05", "-09:30", "2020-01-02T03:04:05-09:30"),
        ("2020:01:02 03:04:05", "+00:00", "2020-01-02T03:04:05+00:00"),
        ("2020:01:02 03:04:05", "+99:00", "2020-01-02T03:04:05"),
        ("2020:01:02 03:04:05", "Z", "2020-01-02T03:04:05"),
        ("2020:01:02 03:04:05", "   :  ", "2020-01-02T03:04:05"),
        (b"2020:01:02 03:04:05\x00", b"+01:00\x00", "2020-01-02T03:04:05+01:00"),
        ("0000:00:00 00:00:00", None, None),
        ("    :  :     :  :  ", None, None),
        ("2020:13:01 00:00:00", None, None),
        ("2020-01-02 03:04:05", None, None),
        ("2020:01:02", None, None),
        ("", "+02:00", None),
        (None, None, None),
        (5, None, None),
    ],
)
def test_taken_at__cases(text, offset, expected):
    taken_at = read_taken_at(Tagged({}, {TAKEN_AT: text, TAKEN_OFFSET: offset}))
    assert (taken_at and taken_at.isoformat()) == expected


VALUES = st.one_of(
    st.none(),
    st.text(),
    st.binary(),
    st.integers(),
    st.floats(),
    st.tuples(st.integers()),
    st.just(Rational()),
)


@given(tag=VALUES, exposure=VALUES)
def test_anything__is_read_without_an_exception(tag, exposure):
    image = Tagged(
        dict.fromkeys((MAKE, MODEL, ORIENTATION), tag),
        dict.fromkeys(
            (EXPOSURE_TIME, F_NUMBER, ISO, FOCAL_LENGTH, TAKEN_AT, TAKEN_OFFSET, LENS), exposure
        ),
    )
    assert read_orientation(image) in range(1, 9)
    assert isinstance(read_camera(image), Camera)
    assert read_taken_at(image) is None or isinstance(read_taken_at(image), dt.datetime)
