"""Presets as settings write them become values, or an error that names what is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from images_app.access import Level
from images_app.specs import NEGOTIATED, OUTPUT_FORMATS, Fit, Preset

DEFAULT_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "thumb": {
        "fit": "cover",
        "width": 320,
        "height": 320,
        "formats": ["jpeg"],
        "level": "preview",
    },
    "ladder": {"widths": [320, 640, 1280, 2048], "formats": ["avif", "webp", "jpeg"]},
}
_PRESET_KEYS = frozenset(
    {
        "background",
        "fit",
        "format",
        "formats",
        "height",
        "level",
        "max_age",
        "quality",
        "stills",
        "width",
        "widths",
    }
)
_AUTOMATIC = ("avif", "webp", "jpeg")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
NAMES_OF_TYPES: Mapping[type, str] = {
    int: "a whole number",
    bool: "True or False",
    str: "a name",
    Mapping: "a dict",
    Sequence: "a list",
}


def parse_preset(name: str, given: Mapping[str, Any]) -> Preset:
    """Read one preset.

    Raises:
        ImproperlyConfigured: when it makes no sense, saying why.

    """
    where = f"IMAGES_APP['PRESETS'][{name!r}]"
    refuse_unknown(where, given, _PRESET_KEYS)
    values = dict(given)
    formats, is_negotiated = _take_formats(where, values)
    level = str(values.pop("level", "view")).upper()
    if level not in Level.__members__:
        message = f"{where}: level is 'preview', 'view' or 'original'."
        raise ImproperlyConfigured(message)
    widths = _take_widths(where, values)
    fit = values.pop("fit", "width")
    if fit not in {each.value for each in Fit}:
        message = f"{where}: fit is {', '.join(repr(each.value) for each in Fit)}."
        raise ImproperlyConfigured(message)
    # Who does not list the one still format that can move has not asked for movement.
    values.setdefault("stills", "webp" not in formats)
    try:
        preset = Preset(
            name=name,
            widths=tuple(sorted(set(widths))),
            formats=tuple(formats),
            fit=Fit(fit),
            level=Level[level],
            is_negotiated=is_negotiated,
            **values,
        )
    except (KeyError, TypeError, ValueError) as error:
        message = f"{where} cannot be used: {error}"
        raise ImproperlyConfigured(message) from error
    problem = _preset_problem(preset)
    if problem:
        message = f"{where}: {problem}"
        raise ImproperlyConfigured(message)
    return preset


def _take_formats(where: str, values: dict[str, Any]) -> tuple[Sequence[str], bool]:
    """Take the formats out of a preset's values, and whether the Accept header chooses."""
    has_format = "format" in values
    is_negotiated = values.pop("format", None) == NEGOTIATED
    if is_negotiated:
        values.setdefault("formats", _AUTOMATIC)
    if "formats" not in values or (has_format and not is_negotiated):
        message = f"{where} lacks 'formats', such as ['webp', 'jpeg'], or 'format': 'auto'."
        raise ImproperlyConfigured(message)
    formats: Sequence[str] = values.pop("formats")
    refuse_other_than(Sequence, f"{where}['formats']", formats)
    return formats, is_negotiated


def _take_widths(where: str, values: dict[str, Any]) -> Sequence[int]:
    """Take the widths out of a preset's values; one is a ladder of one."""
    if ("width" in values) == ("widths" in values):
        message = f"{where} has either 'width' or 'widths'."
        raise ImproperlyConfigured(message)
    widths: Sequence[int] = values.pop("widths", None) or [values.pop("width", 0)]
    refuse_other_than(Sequence, f"{where}['widths']", widths)
    return widths


def _preset_problem(preset: Preset) -> str | None:
    problems = {
        "widths and height are whole numbers from 1 to 10000.": not all(
            type(side) is int and 1 <= side <= 10_000  # noqa: PLR2004
            for side in (*preset.widths, 1 if preset.height is None else preset.height)
        ),
        "fit 'width' takes no height; 'contain' and 'cover' need one.": (preset.height is None)
        != (preset.fit is Fit.WIDTH),
        "a ladder of widths needs fit 'width'.": len(preset.widths) > 1
        and preset.fit is not Fit.WIDTH,
        f"formats are of {', '.join(OUTPUT_FORMATS)}, best first.": not preset.formats
        or any(name not in OUTPUT_FORMATS for name in preset.formats),
        "max_age is a whole number of seconds, 0 or more.": type(preset.max_age) is not int
        or preset.max_age < 0,
        "quality is a dict from a format to a whole number from 1 to 100.": not _is_quality(
            preset.quality
        ),
        "stills is True or False.": type(preset.stills) is not bool,
        "background is a colour like '#ffffff'.": not _COLOR.fullmatch(str(preset.background)),
    }
    return next((problem for problem, is_met in problems.items() if is_met), None)


def _is_quality(given: Any) -> bool:
    return isinstance(given, Mapping) and all(
        name in OUTPUT_FORMATS and type(value) is int and 1 <= value <= 100  # noqa: PLR2004
        for name, value in given.items()
    )


def refuse_unknown(where: str, given: Any, known: Iterable[str]) -> None:
    """Refuse a key that does not exist, with the one that was probably meant."""
    refuse_other_than(Mapping, where, given)
    known = list(known)
    for key in given:
        if key not in known:
            message = f"{where} has no key {key!r}. {what_was_meant(key, known)}"
            raise ImproperlyConfigured(message)


def what_was_meant(name: Any, known: Iterable[str]) -> str:
    """Return a sentence with the name that was probably meant, or with all that there are."""
    by_lower = {key.lower(): key for key in sorted(known)}
    close = difflib.get_close_matches(str(name).lower(), by_lower, n=1)
    if close:
        return f"Did you mean {by_lower[close[0]]!r}?"
    return f"Known are {', '.join(by_lower.values())}." if by_lower else "There is none."


def refuse_other_than(wanted: type, where: str, given: Any) -> None:
    """Refuse a value of the wrong type; a text is no list."""
    if not isinstance(given, wanted) or (wanted is Sequence and isinstance(given, str)):
        message = f"{where} must be {NAMES_OF_TYPES[wanted]}."
        raise ImproperlyConfigured(message)
