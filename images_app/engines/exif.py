"""The few EXIF facts that the record keeps (EXIF 3.0, tags by number)."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from PIL import ExifTags, Image

from images_app.engines.base import Camera

_LONGEST_TEXT = 100
_OFFSET = re.compile(r"[+-]\d\d:\d\d")


def read_orientation(image: Image.Image) -> int:
    """Answer with the EXIF orientation, 1 (upright) where it is absent or nonsense."""
    value = _tags(image).get(ExifTags.Base.Orientation, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1  # noqa: PLR2004


def read_camera(image: Image.Image) -> Camera:
    """Answer with camera and exposure; what is missing or nonsense stays empty."""
    tags, exposure = _tags(image), _exposure_tags(image)
    return Camera(
        make=_text(tags.get(ExifTags.Base.Make)),
        model=_text(tags.get(ExifTags.Base.Model)),
        lens=_text(exposure.get(ExifTags.Base.LensModel)),
        exposure_time=_positive(exposure.get(ExifTags.Base.ExposureTime)),
        f_number=_positive(exposure.get(ExifTags.Base.FNumber)),
        iso=_whole(exposure.get(ExifTags.Base.ISOSpeedRatings)),
        focal_length=_positive(exposure.get(ExifTags.Base.FocalLength)),
    )


def read_taken_at(image: Image.Image) -> dt.datetime | None:
    """Answer with the time of the exposure, aware where the camera knew its offset."""
    exposure = _exposure_tags(image)
    text = _text(exposure.get(ExifTags.Base.DateTimeOriginal))
    try:
        taken_at = dt.datetime.strptime(text, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007
    except ValueError:
        return None
    offset = _text(exposure.get(ExifTags.Base.OffsetTimeOriginal))
    if not _OFFSET.fullmatch(offset):
        return taken_at
    try:
        return dt.datetime.fromisoformat(taken_at.isoformat() + offset)
    except ValueError:
        return taken_at


def _tags(image: Image.Image) -> dict[int, Any]:
    return _or_nothing(lambda: dict(image.getexif()))


def _exposure_tags(image: Image.Image) -> dict[int, Any]:
    return _or_nothing(lambda: image.getexif().get_ifd(ExifTags.IFD.Exif))


def _or_nothing(read: Any) -> dict[int, Any]:
    """Read tags; broken EXIF must not cost anyone a good picture."""
    try:
        return dict(read())
    except Exception:  # noqa: BLE001 (Pillow raises nearly anything on a bad IFD)
        return {}


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if not isinstance(value, str):
        return ""
    printable = "".join(c for c in value if c.isprintable())
    return printable.strip()[:_LONGEST_TEXT]


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if 0 < number < 1e6 else None  # noqa: PLR2004


def _whole(value: Any) -> int | None:
    number = _positive(value[0] if isinstance(value, tuple) and value else value)
    return None if number is None else round(number) or None
