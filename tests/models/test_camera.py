"""Camera data as one reads it."""

from __future__ import annotations

import datetime as dt

import pytest
from PIL import Image as PillowImage

from images_app.models import CameraData, Image


@pytest.mark.parametrize(
    ("make", "model", "expected"),
    [
        ("Canon", "Canon EOS R5", "Canon EOS R5"),
        ("Canon", "EOS R5", "Canon EOS R5"),
        ("CANON", "Canon EOS R5", "Canon EOS R5"),
        ("FUJIFILM", "X-T5", "FUJIFILM X-T5"),
        ("", "X-T5", "X-T5"),
        ("Leica", "", "Leica"),
        ("", "", ""),
    ],
)
def test_camera__names_the_make_once(make, model, expected):
    data = CameraData(make=make, model=model)
    assert data.camera == expected
    assert str(data) == (expected or "unknown camera")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (1 / 8000, "1/8000 s"),
        (0.004, "1/250 s"),
        (1 / 60, "1/60 s"),
        (0.0333, "1/30 s"),
        (0.25, "1/4 s"),
        (0.3, "0.3 s"),
        (0.5, "0.5 s"),
        (1.0, "1 s"),
        (2.5, "2.5 s"),
        (30.0, "30 s"),
        (None, ""),
        (0.0, ""),
        (5e-324, "4.94066e-324 s"),  # a file can claim that, and no page may fail on it
    ],
)
def test_exposure__writes_times_as_photographers_do(seconds, expected):
    assert CameraData(exposure_time=seconds).exposure == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"exposure_time": 0.004, "f_number": 2.8, "iso": 100, "focal_length": 35.0},
            "1/250 s · f/2.8 · ISO 100 · 35 mm",
        ),
        ({"f_number": 8.0}, "f/8"),
        ({"iso": 12800, "focal_length": 4.25}, "ISO 12800 · 4.25 mm"),
        ({}, ""),
    ],
)
def test_exposure__is_one_line_of_what_is_known(values, expected):
    assert CameraData(**values).exposure == expected


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (120, "2026-05-04T12:30:00+02:00"),
        (-570, "2026-05-04T01:00:00-09:30"),
        (0, "2026-05-04T10:30:00+00:00"),
        (None, None),
    ],
)
def test_local_time__is_by_the_clock_of_the_place(offset, expected):
    image = Image(taken_at=dt.datetime(2026, 5, 4, 10, 30, tzinfo=dt.UTC))
    local = CameraData(image=image, utc_offset=offset).local_time
    assert (local and local.isoformat()) == expected


@pytest.mark.parametrize(
    "taken_at",
    [
        None,
        dt.datetime(2026, 5, 4, 10, 30),  # noqa: DTZ001 (of a site without time zones)
        dt.datetime.max.replace(tzinfo=dt.UTC),
    ],
)
def test_local_time__is_none_where_it_cannot_be_told(taken_at):
    assert CameraData(image=Image(taken_at=taken_at), utc_offset=120).local_time is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        ("+09:00", 'datetime="2026-05-04T12:30:00+09:00">May 4, 2026, 12:30 p.m.</time>'),
        ("-09:30", 'datetime="2026-05-04T12:30:00-09:30">May 4, 2026, 12:30 p.m.</time>'),
        (None, 'datetime="2026-05-04T12:30:00+02:00">May 4, 2026, 12:30 p.m.</time>'),
    ],
)
def test_page__shows_the_time_of_the_place(
    client_of, make_user, make_image, settings, offset, expected
):
    settings.TIME_ZONE = "Europe/Berlin"
    exif = PillowImage.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2026:05:04 12:30:00"
    if offset:
        exif.get_ifd(0x8769)[0x9011] = offset
    owner = make_user()
    image = make_image(owner=owner, exif=exif)
    page = client_of(owner).get(image.get_absolute_url()).content.decode()
    assert expected in page
    assert (f"UTC{offset}" in page) if offset else ("UTC" not in page)
