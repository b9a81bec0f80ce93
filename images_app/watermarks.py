"""Watermarks as settings write them become values, or an error that names what is wrong."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from django.core.exceptions import ImproperlyConfigured
from PIL import features

from images_app.access import Level
from images_app.engines.watermarking import checksum_of, decode_logo, missing_letters, read_file
from images_app.presets import refuse_other_than, refuse_unknown
from images_app.specs import Position, Watermark

_KEYS = frozenset({"color", "font", "image", "opacity", "position", "size", "text"})
_NAME = re.compile(r"[A-Za-z0-9_-]{1,50}")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_LONGEST_TEXT = 100
_MOST = 100  # percent
_LEVELS = {"preview": Level.PREVIEW, "view": Level.VIEW}
_RIGHT_TO_LEFT = frozenset({"R", "AL"})


def parse_watermarks(given: Any) -> dict[str, Watermark]:
    """Read all watermarks.

    Raises:
        ImproperlyConfigured: when one makes no sense or two are the same, saying which.

    """
    refuse_other_than(Mapping, "IMAGES_APP['WATERMARKS']", given)
    parsed: dict[str, Watermark] = {}
    for name, mark in given.items():
        where = f"IMAGES_APP['WATERMARKS'][{name!r}]"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            _refuse(where, "a name is of 1 to 50 letters, digits, '-' and '_'.")
        parsed[name] = _parse(where, mark)
        twin = next(other for other, value in parsed.items() if value == parsed[name])
        if twin != name:
            _refuse(where, f"it is the same as {twin!r}: both would have one URL.")
    return parsed


def parse_levels(given: Any, marks: Mapping[str, Watermark]) -> dict[Level, str]:
    """Read which watermark goes with which level; raises as ``parse_watermarks``."""
    where = "IMAGES_APP['WATERMARK_LEVELS']"
    refuse_other_than(Mapping, where, given)
    if "original" in given:
        _refuse(where, "'original' cannot be marked: who may have the original has it unmarked.")
    refuse_unknown(where, given, _LEVELS)
    for level, name in given.items():
        if not isinstance(name, str) or name not in marks:
            there = f"there are {', '.join(marks)}" if marks else "there is none in WATERMARKS"
            _refuse(f"{where}[{level!r}]", f"no watermark is called {name!r}; {there}.")
    found = {_LEVELS[level]: name for level, name in given.items()}
    if Level.VIEW in found:  # or who sees more would have the lower sizes unmarked
        found.setdefault(Level.PREVIEW, found[Level.VIEW])
    return found


def _parse(where: str, given: Any) -> Watermark:
    refuse_unknown(where, given, _KEYS)
    values = dict(given)
    if ("text" in values) == ("image" in values):
        _refuse(where, "it has either 'text' or 'image'.")
    if "image" in values and values.keys() & {"color", "font"}:
        _refuse(where, "'color' and 'font' are those of a text.")
    _check_numbers(where, values)
    places = {each.value: each for each in Position}
    position = values.get("position", Position.TILE.value)
    if not isinstance(position, str) or position not in places:
        _refuse(where, f"position is {', '.join(map(repr, places))}.")
    values["position"] = places[position]
    if "text" in values:
        return Watermark(**{**values, **_letters(where, values)})
    path, content = _read(f"{where}['image']", values["image"])
    try:
        decode_logo(content)
    except Exception as error:  # noqa: BLE001 (decoders raise their own types)
        _refuse(f"{where}['image']", f"no PNG, WebP or JPEG that can be used: {error}")
    return Watermark(**{**values, "image": path, "checksum": checksum_of(content)})


def _check_numbers(where: str, values: Mapping[str, Any]) -> None:
    for key in ("opacity", "size"):
        value = values.get(key, 1)
        if type(value) is not int or not 1 <= value <= _MOST:
            _refuse(where, f"{key} is a whole number of percent from 1 to {_MOST}.")


def _letters(where: str, values: Mapping[str, Any]) -> dict[str, str]:
    """Check a text and its colour and font, and answer with them as a Watermark has them."""
    text, color = values["text"], values.get("color", "#ffffff")
    if not isinstance(text, str) or not text.isprintable() or not text.strip():
        _refuse(where, "text is one line of letters that can be seen.")
    if len(text) > _LONGEST_TEXT:
        _refuse(where, f"text has at most {_LONGEST_TEXT} letters.")
    if not isinstance(color, str) or not _COLOR.fullmatch(color):
        _refuse(where, "color is a colour like '#ffffff'.")
    found, content = {"color": color.lower()}, b""
    if "font" in values:
        path, content = _read(f"{where}['font']", values["font"])
        found |= {"font": path, "font_checksum": checksum_of(content)}
    _check_letters(where, text, content)
    return found


def _check_letters(where: str, text: str, font: bytes) -> None:
    try:
        missing = missing_letters(text, font)
    except OSError as error:
        _refuse(f"{where}['font']", f"no font that can be used: {error}")
    if missing:
        hint = "" if font else " Name a file that has them as 'font'."
        _refuse(where, f"the font has no {missing!r}.{hint}")
    is_turned = any(unicodedata.bidirectional(letter) in _RIGHT_TO_LEFT for letter in text)
    if is_turned and not features.check("raqm"):
        _refuse(where, "text from right to left needs Pillow with libraqm and FriBiDi.")


def _read(where: str, given: Any) -> tuple[str, bytes]:
    """Read the file of a setting, and answer with its absolute path too."""
    if not isinstance(given, str | Path) or not str(given):
        _refuse(where, "a path is wanted.")
    path = str(Path(given).absolute())
    try:
        return path, read_file(path)
    except (OSError, ValueError) as error:
        _refuse(where, f"it cannot be read: {error}")


def _refuse(where: str, problem: str) -> NoReturn:
    message = f"{where}: {problem}"
    raise ImproperlyConfigured(message)
