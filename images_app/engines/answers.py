"""A child's answers become values again, each part checked: it has read strangers' files."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any

from images_app.engines.base import (
    HIGHEST,
    MOST_OFFSET,
    Camera,
    Coordinates,
    Header,
    Inspection,
    Output,
)
from images_app.specs import CONTENT_TYPES, Size

_COLOR = re.compile(r"#[0-9a-f]{6}")
_LONGEST_TEXT = 100
_LARGEST = 2**31 - 1
_TEXTS = ("make", "model", "lens")
_NUMBERS = ("exposure_time", "f_number", "iso", "focal_length")


def header_of(answer: Mapping[str, Any], formats: Sequence[str]) -> Header:
    """Answer with the header; ValueError, TypeError or KeyError where it is none."""
    if answer["format"] not in formats or answer["format"] not in CONTENT_TYPES:
        raise ValueError("format")
    counts = {
        name: _count(answer[name]) for name in ("width", "height", "frames", "scans", "texts")
    }
    return Header(format=answer["format"], **counts)


def inspection_of(answer: Mapping[str, Any]) -> Inspection:
    """Answer with the inspection; ValueError, TypeError or KeyError where it is none."""
    orientation, color, camera = answer["orientation"], answer["dominant_color"], answer["camera"]
    if (
        type(orientation) is not int
        or orientation not in range(1, 9)
        or not _COLOR.fullmatch(color)
    ):
        raise ValueError("orientation or colour")
    taken_at = answer["taken_at"]
    return Inspection(
        orientation=orientation,
        frames=max(1, _count(answer["frames"])),
        dominant_color=color,
        camera=Camera(**_camera_values(camera)),
        taken_at=None if taken_at is None else dt.datetime.fromisoformat(taken_at),
        location=_location(answer.get("location")),
    )


def sizes_of(answer: Sequence[Any], outputs: Sequence[Output], full_size: Size) -> list[Size]:
    """Answer with the sizes, which are known beforehand; ValueError where they differ."""
    expected = [spec.output_size(*full_size) for spec, _ in outputs]
    if [tuple(size) for size in answer] != expected:
        raise ValueError("sizes")
    return expected


def _camera_values(camera: Mapping[str, Any]) -> dict[str, Any]:
    texts = {name: _text(camera[name]) for name in _TEXTS}
    offset = _between(camera.get("utc_offset"), MOST_OFFSET)
    return texts | {name: _number(camera[name]) for name in _NUMBERS} | {"utc_offset": offset}


def _location(answer: Mapping[str, Any] | None) -> Coordinates | None:
    if answer is None:
        return None
    if answer["latitude"] is None or answer["longitude"] is None:
        raise ValueError("coordinates")
    bounds = {"latitude": 90, "longitude": 180, "altitude": HIGHEST}
    return Coordinates(**{name: _between(answer[name], most) for name, most in bounds.items()})


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise ValueError("count")
    return value


def _number(value: Any) -> Any:
    if value is not None and not (type(value) in {int, float} and 0 < value < _LARGEST):
        raise ValueError("number")
    return value


def _between(value: Any, most: int) -> Any:
    if value is not None and not (type(value) in {int, float} and -most <= value <= most):
        raise ValueError("number")
    return value


def _text(value: Any) -> str:
    if type(value) is not str or len(value) > _LONGEST_TEXT or not value.isprintable():
        raise ValueError("text")
    return value
