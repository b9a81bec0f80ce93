"""Camera data as one reads it."""

from __future__ import annotations

import pytest

from images_app.models import CameraData


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
