"""The few EXIF facts that the record keeps."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from images_app.engines.answers import inspection_of
from images_app.engines.base import Camera, Coordinates
from images_app.engines.exif import read_camera, read_location, read_orientation, read_taken_at

MAKE, MODEL, ORIENTATION = 0x010F, 0x0110, 0x0112
EXPOSURE_TIME, F_NUMBER, ISO, FOCAL_LENGTH = 0x829A, 0x829D, 0x8827, 0x920A
TAKEN_AT, TAKEN_OFFSET, LENS, SERIAL_NUMBER = 0x9003, 0x9011, 0xA434, 0xA431
FRACTION = 0x9291
LATITUDE, LONGITUDE, ALTITUDE = 2, 4, 6  # each behind its letter or sign


class Tagged:
    """An image that is nothing but its tags, of whatever type a decoder may hand out."""

    def __init__(self, tags=None, exposure=None, gps=None):
        self.tags, self.exposure, self.gps = tags or {}, exposure or {}, gps or {}

    def getexif(self):
        return Tags(self.tags, self.exposure, self.gps)


class Tags(dict):
    def __init__(self, tags, exposure, gps):
        super().__init__(tags)
        self.directories = {0x8769: exposure, 0x8825: gps}

    def get_ifd(self, number):
        return self.directories[number]


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
        "utc_offset",
    }


@pytest.mark.parametrize("image", [Tagged(), Broken(), Image.new("RGB", (1, 1))])
def test_absent_or_broken__is_nothing(image):
    assert read_camera(image) == Camera()
    assert not read_camera(image)
    assert read_taken_at(image) is None
    assert read_location(image) is None
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
        ("2020:01:02 03:04:05", "+14:00", "2020-01-02T03:04:05+14:00"),
        ("2020:01:02 03:04:05", "+14:01", "2020-01-02T03:04:05"),
        ("2020:01:02 03:04:05", "+01:60", "2020-01-02T03:04:05"),
        ("2020:01:02 03:04:05", "+\u0660\u0661:00", "2020-01-02T03:04:05"),
        ("0000:00:00 00:00:00", None, None),
        ("    :  :     :  :  ", None, None),
        ("2020:13:01 00:00:00", None, None),
        ("2020-01-02 03:04:05", None, "2020-01-02T03:04:05"),
        ("2020/01/02 03:04:05", None, "2020-01-02T03:04:05"),
        ("2020:01:02T03:04:05", None, "2020-01-02T03:04:05"),
        ("2020:01:02 03:04:05+09:00", None, "2020-01-02T03:04:05+09:00"),
        ("2020:01:02 03:04:05+09:00", "+01:00", "2020-01-02T03:04:05+09:00"),
        ("2020:01:02 03:04:05Z", None, "2020-01-02T03:04:05+00:00"),
        ("2020:02:29 24:00:00", None, "2020-03-01T00:00:00"),
        ("9999:12:31 24:00:00", None, None),
        ("2020:01:02 24:00:01", None, None),
        ("2020:13:02 03:04:05", None, None),
        ("2020:01:02 03:04", None, None),
        ("2020:01:02", None, None),
        ("", "+02:00", None),
        (None, None, None),
        (5, None, None),
    ],
)
def test_taken_at__cases(text, offset, expected):
    taken_at = read_taken_at(Tagged({}, {TAKEN_AT: text, TAKEN_OFFSET: offset}))
    assert (taken_at and taken_at.isoformat()) == expected


@pytest.mark.parametrize(
    ("fraction", "microseconds"),
    [
        ("37", 370_000),
        ("037", 37_000),
        ("123456", 123_456),
        ("1234569", 123_456),
        (b"5\x00", 500_000),
        ("0", 0),
        ("", 0),
        ("x", 0),
        ("-1", 0),
        ("\u0665", 0),
        ("9" * 100, 0),
        (5, 0),
        (None, 0),
    ],
)
def test_taken_at__has_the_fraction_of_its_second(fraction, microseconds):
    image = Tagged({}, {TAKEN_AT: "2020:01:02 03:04:05", FRACTION: fraction})
    assert read_taken_at(image).microsecond == microseconds


@pytest.mark.parametrize(
    ("offset", "minutes"),
    [("+02:00", 120), ("-09:30", -570), ("+00:00", 0), ("-14:00", -840), ("", None), ("Z", None)],
)
def test_camera__tells_the_offset_of_its_clock(offset, minutes):
    image = Tagged({}, {TAKEN_AT: "2020:01:02 03:04:05", TAKEN_OFFSET: offset})
    assert read_camera(image).utc_offset == minutes
    assert read_camera(Tagged({}, {TAKEN_OFFSET: offset})).utc_offset is None


def place(latitude=(48.0, 8.0, 24.0), north="N", longitude=(11.0, 34.0, 12.0), east="E", **more):
    return Tagged({}, {}, {1: north, 2: latitude, 3: east, 4: longitude, **more.get("tags", {})})


def test_location__of_a_real_file():
    gps = {1: "S", 2: (33.0, 51.0, 24.5), 3: "W", 4: (70.0, 40.0, 0.0), 5: b"\x00", 6: 519.4}
    image = jpeg({}, gps=gps)
    assert read_location(image) == Coordinates(
        latitude=-33.8568056, longitude=-70.6666667, altitude=519.4
    )
    assert read_location(jpeg({MAKE: "Canon"})) is None


@pytest.mark.parametrize(
    ("north", "east", "signs"),
    [
        ("N", "E", (1, 1)),
        ("S", "W", (-1, -1)),
        ("s", "w", (-1, -1)),
        (b"S\x00", b"E\x00", (-1, 1)),
        ("E", "N", None),
        ("", "E", None),
        ("N", None, None),
        ("North", "E", None),
        ("NS", "E", None),
        (1, 1, None),
    ],
)
def test_location__has_its_signs_from_letters(north, east, signs):
    location = read_location(place(north=north, east=east))
    assert signs == (location and (location.latitude / 48.14, location.longitude / 11.57))


@pytest.mark.parametrize(
    ("latitude", "expected"),
    [
        ((48.0, 8.0, 24.0), 48.14),
        ((48.14, 0.0, 0.0), 48.14),
        ((48, 8.4, 0), 48.14),
        ((90.0, 0.0, 0.0), 90.0),
        ((0.0, 0.0, 0.0), 0.0),
        ((90.0, 0.0, 0.1), None),
        ((180.0, 0.0, 0.0), None),
        ((-48.0, 8.0, 24.0), None),
        ((48.0, -8.0, 24.0), None),
        ((float("nan"), 0.0, 0.0), None),
        ((48.0, float("nan"), 0.0), None),
        ((48.0, 0.0, float("inf")), None),
        ((1e300, 1e300, 1e300), None),
        ((10**400, 0, 0), None),
        ((48.0, 8.0), None),
        ((48.0, 8.0, 24.0, 1.0), None),
        (48.14, None),
        (("48", "8", "x"), None),
        ("48.14", None),
        ((), None),
        (None, None),
    ],
)
def test_location__of_hostile_degrees_is_none(latitude, expected):
    location = read_location(place(latitude))
    assert (location and location.latitude) == expected


def test_location__of_a_zero_denominator_is_none():
    assert read_location(place((Rational(), 0.0, 0.0))) is None
    gps = {1: "N", 2: (TiffImagePlugin.IFDRational(1, 0),) * 3, 3: "E", 4: (1.0, 1.0, 1.0)}
    assert read_location(Tagged({}, {}, gps)) is None


def test_location__of_longitudes_goes_to_180():
    assert read_location(place(longitude=(180.0, 0.0, 0.0))).longitude == 180
    assert read_location(place(longitude=(180.0, 0.0, 0.1))) is None


def test_location__of_a_receiver_that_knows_none_is_none():
    nowhere = (0.0, 0.0, 0.0)
    assert read_location(place(nowhere, longitude=nowhere)) is None
    assert read_location(place(nowhere)) is not None


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({6: 519.44}, 519.4),
        ({5: 0, 6: 10.0}, 10),
        ({5: 1, 6: 10.0}, -10),
        ({5: b"\x01", 6: 10.0}, -10),
        ({5: 7, 6: 10.0}, 10),
        ({6: 0.0}, 0),
        ({6: -5.0}, None),
        ({6: 100_001.0}, None),
        ({6: float("nan")}, None),
        ({6: "high"}, None),
        ({5: 1}, None),
    ],
)
def test_altitude__cases(tags, expected):
    assert read_location(place(tags=tags)).altitude == expected


ANSWER = {
    "orientation": 1,
    "frames": 1,
    "dominant_color": "#123456",
    "camera": vars(Camera(utc_offset=120)),
    "taken_at": None,
    "location": {"latitude": 48.1, "longitude": 11.5, "altitude": None},
}


def test_answer__brings_place_and_offset():
    inspection = inspection_of(ANSWER)
    assert inspection.location == Coordinates(latitude=48.1, longitude=11.5)
    assert inspection.camera.utc_offset == 120
    assert inspection_of({**ANSWER, "location": None}).location is None


@pytest.mark.parametrize(
    "change",
    [
        *({"latitude": value} for value in (91, -90.1, None, "48", float("nan"), True)),
        *({"longitude": value} for value in (180.1, None, "x", float("inf"))),
        *({"altitude": value} for value in (1e9, "high", float("nan"))),
    ],
    ids=str,
)
def test_answer__of_an_impossible_place_is_none(change):
    with pytest.raises(ValueError, match=r"number|coordinates"):
        inspection_of({**ANSWER, "location": {**ANSWER["location"], **change}})


@pytest.mark.parametrize("offset", [841, -841, "2", True])
def test_answer__of_an_impossible_offset_is_none(offset):
    with pytest.raises(ValueError, match="number"):
        inspection_of({**ANSWER, "camera": {**ANSWER["camera"], "utc_offset": offset}})


VALUES = st.one_of(
    st.none(),
    st.text(),
    st.binary(),
    st.integers(),
    st.floats(),
    st.tuples(st.integers()),
    st.just(Rational()),
)


@given(tag=VALUES, exposure=VALUES, gps=st.one_of(VALUES, st.tuples(VALUES, VALUES, VALUES)))
def test_anything__is_read_without_an_exception(tag, exposure, gps):
    directory = {1: "N", 3: "E", 5: gps, **dict.fromkeys((LATITUDE, LONGITUDE, ALTITUDE), gps)}
    assert isinstance(read_location(Tagged({}, {}, directory)), Coordinates | None)
    image = Tagged(
        dict.fromkeys((MAKE, MODEL, ORIENTATION), tag),
        dict.fromkeys(
            (EXPOSURE_TIME, F_NUMBER, ISO, FOCAL_LENGTH, TAKEN_AT, TAKEN_OFFSET, LENS, FRACTION),
            exposure,
        ),
    )
    assert read_orientation(image) in range(1, 9)
    assert isinstance(read_camera(image), Camera)
    assert read_taken_at(image) is None or isinstance(read_taken_at(image), dt.datetime)
