"""The few EXIF facts that the record keeps (EXIF 3.0, tags by number)."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from typing import Any

from PIL import ExifTags, Image

from images_app.engines.base import HIGHEST, MOST_OFFSET, Camera, Coordinates

_LONGEST_TEXT = 100
_LARGEST_SHORT = 65_535
# EXIF writes 2021:02:03 04:05:06; scanners, phones and programs write the others.
_TIME = re.compile(
    r"(\d{4})[:/.-](\d\d)[:/.-](\d\d)[ T](\d\d):(\d\d):(\d\d)\s*(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_TIMES = (
    (
        ExifTags.Base.DateTimeOriginal,
        ExifTags.Base.SubsecTimeOriginal,
        ExifTags.Base.OffsetTimeOriginal,
    ),
    (
        ExifTags.Base.DateTimeDigitized,
        ExifTags.Base.SubsecTimeDigitized,
        ExifTags.Base.OffsetTimeDigitized,
    ),
)
_OFFSET_OF_CHANGE = ExifTags.Base.OffsetTime  # the same clock wrote it
_OFFSET = re.compile(r"[+-]\d\d:\d\d", re.ASCII)
_FRACTION = re.compile(r"\d{1,20}", re.ASCII)
_SIGNS = {"N": 1, "S": -1, "E": 1, "W": -1}
_BELOW_THE_SEA = 1
_DIGITS = 7  # after the point, of degrees: a centimetre


def read_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) where it is absent or nonsense."""
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
        iso=_iso(exposure),
        focal_length=_positive(exposure.get(ExifTags.Base.FocalLength)),
        utc_offset=_minutes(read_taken_at(image)),
    )


def read_taken_at(image: Image.Image) -> dt.datetime | None:
    """Return the time of the exposure, aware where the camera knew its offset.

    A scan without a time of exposure has the time of its digitising. The time of the last
    change (``DateTime``) is that of no exposure, and is never taken.
    """
    exposure = _exposure_tags(image)
    for tag, fraction, offset in _TIMES:
        taken_at = _time(_text(exposure.get(tag)))
        if taken_at is not None:
            digits = _text(exposure.get(fraction))
            if _FRACTION.fullmatch(digits):  # what stands behind the point (EXIF 3.0, 4.6.6.6)
                taken_at = taken_at.replace(microsecond=int(f"{digits:0<6.6}"))
            zones = [_zone(_text(exposure.get(each))) for each in (offset, _OFFSET_OF_CHANGE)]
            return taken_at.replace(tzinfo=taken_at.tzinfo or zones[0] or zones[1])
    return None


def _time(text: str) -> dt.datetime | None:
    """Return a time in one of the ways in which devices write it; midnight may be 24:00:00."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    *parts, offset = found.groups()
    year, month, day, hour, minute, second = map(int, parts)
    try:
        if (hour, minute, second) == (24, 0, 0):
            time = dt.datetime(year, month, day) + dt.timedelta(days=1)  # noqa: DTZ001
        else:
            time = dt.datetime(year, month, day, hour, minute, second)  # noqa: DTZ001
    except (ValueError, OverflowError):
        return None
    return time.replace(tzinfo=dt.UTC if offset == "Z" else _zone(offset or ""))


def read_location(image: Image.Image) -> Coordinates | None:
    """Answer with the place of the exposure; None where a part is missing or nonsense."""
    tags = _or_nothing(lambda: image.getexif().get_ifd(ExifTags.IFD.GPSInfo))
    gps = ExifTags.GPS
    latitude = _degrees(tags.get(gps.GPSLatitude), tags.get(gps.GPSLatitudeRef), "NS", 90)
    longitude = _degrees(tags.get(gps.GPSLongitude), tags.get(gps.GPSLongitudeRef), "EW", 180)
    if latitude is None or longitude is None:
        return None
    if latitude == longitude == 0:
        return None  # what receivers write that know no place yet
    altitude = _altitude(tags.get(gps.GPSAltitude), tags.get(gps.GPSAltitudeRef))
    return Coordinates(latitude=latitude, longitude=longitude, altitude=altitude)


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


def _zone(offset: str) -> dt.timezone | None:
    """Answer with a zone; clocks on earth are at most fourteen hours off."""
    if not _OFFSET.fullmatch(offset):
        return None
    minutes = int(offset[1:3]) * 60 + int(offset[4:])
    if minutes > MOST_OFFSET or int(offset[4:]) >= 60:  # noqa: PLR2004
        return None
    return dt.timezone(dt.timedelta(minutes=-minutes if offset[0] == "-" else minutes))


def _minutes(taken_at: dt.datetime | None) -> int | None:
    offset = None if taken_at is None else taken_at.utcoffset()
    return None if offset is None else offset // dt.timedelta(minutes=1)


def _degrees(value: Any, reference: Any, letters: str, most: int) -> float | None:
    """Answer with signed degrees, of degrees, minutes and seconds and a letter (EXIF 3.0, 4.6.7).

    Without the letter half of the world would be mirrored.
    """
    letter = _text(reference).upper()
    parts = [_number(part) for part in value] if isinstance(value, tuple) else []
    known = [part for part in parts if part is not None and part >= 0]
    if letter not in tuple(letters) or len(known) != 3 or len(parts) != 3:  # noqa: PLR2004
        return None
    degrees = round(known[0] + known[1] / 60 + known[2] / 3600, _DIGITS)
    return _SIGNS[letter] * degrees if degrees <= most else None


def _altitude(value: Any, reference: Any) -> float | None:
    metres = _number(value)
    if metres is None or not 0 <= metres <= HIGHEST:
        return None
    is_below = reference in (_BELOW_THE_SEA, bytes([_BELOW_THE_SEA]))
    return round(-metres if is_below else metres, 1)


def _text(value: object) -> str:
    """Return a text of EXIF, which is ASCII by the standard and UTF-8 by its newer cameras."""
    if isinstance(value, str):  # as the decoder reads it, each byte for itself
        with contextlib.suppress(UnicodeError):
            value = value.encode("latin-1").decode("utf-8")
    elif isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    printable = "".join(c for c in value if c.isprintable())
    return printable.strip()[:_LONGEST_TEXT]


def _iso(exposure: dict[int, Any]) -> int | None:
    """Return the sensitivity; what fits no short number stands in a long one (EXIF 3.0, 4.6.6)."""
    iso = _whole(exposure.get(ExifTags.Base.ISOSpeedRatings))
    if iso != _LARGEST_SHORT:
        return iso
    long = (ExifTags.Base.RecommendedExposureIndex, ExifTags.Base.ISOSpeed)
    known = (_whole(exposure.get(tag)) for tag in long)
    return next((iso for iso in known if iso is not None), None)


def _number(value: Any) -> float | None:
    """Answer with a number, which may be infinite or none at all: whoever asks compares it."""
    try:
        return float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None


def _positive(value: Any) -> float | None:
    number = _number(value)
    return number if number is not None and 0 < number < 1e6 else None  # noqa: PLR2004


def _whole(value: Any) -> int | None:
    number = _positive(value[0] if isinstance(value, tuple) and value else value)
    return None if number is None else round(number) or None
