"""``{% picture %}``: an image in the sizes that its viewer may see, without a query."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from django import template

from images_app.access import Level
from images_app.conf import get_settings
from images_app.models import AbstractImage
from images_app.renditions import Source, known_level, signed_sources
from images_app.specs import Preset

register = template.Library()

_PLACES = ("grid", "cover", "thumb", "page")
_ROW_HEIGHT = 240  # CSS pixels of a row in the grid, see images_app.css
_ROW_HEIGHT_NARROW = 150
_STRETCH = 1.3  # how much wider than its height asks for an image in a row may become
_STRETCH_NARROW = 1.6  # a landscape usually has the row to itself there
_AROUND = 224  # CSS pixels of a window's height that an image's page needs for the rest


@register.inclusion_tag("images_app/picture.html")
def picture(
    image: Any, *, place: str = "page", preset: str = "", eager: bool = False
) -> dict[str, Any]:
    """Render a ``<picture>``.

    Args:
        image: annotated with ``viewer_level``, as every visible queryset is.
        place: ``grid`` (a row of the gallery), ``cover`` (a card), ``thumb`` (a small
            square) or ``page`` (as large as the window).
        preset: the name of a preset, instead of the one that goes with the place; who may not
            see it gets the thumbnail.
        eager: whether it is in sight at once, so that it is not loaded lazily.

    """
    if place not in _PLACES:
        message = f"place is {place!r}; there are {', '.join(_PLACES)}."
        raise ValueError(message)
    found = signed_sources(image, _preset(image, place, preset))
    groups = [
        (image_format, list(group))
        for image_format, group in groupby(found, key=lambda source: source.format)
    ]
    fallback = groups[-1][1]
    largest = fallback[-1]
    return {
        "image": image,
        "place": place,
        "sources": [_source(group) for _, group in groups[:-1]],
        "srcset": _srcset(fallback),
        "src": fallback[min(1, len(fallback) - 1)].url,
        "sizes": _sizes(image, place),
        "width": largest.width,
        "height": largest.height,
        "eager": eager,
    }


@register.filter
def may_download(image: Any) -> bool:
    """Tell whether the viewer may have the original."""
    return bool(image.viewer_level >= Level.ORIGINAL)


def _preset(image: Any, place: str, name: str) -> Preset:
    """Choose a preset; who may only preview never gets URLs that would answer 404."""
    settings = get_settings()
    usual = settings.thumbnail_preset if place == "thumb" else settings.ladder_preset
    if name and name not in settings.presets:
        message = f"preset is {name!r}; there are {', '.join(settings.presets)}."
        raise ValueError(message)
    wanted = settings.presets[name or usual]
    is_allowed = known_level(image) >= wanted.level
    return wanted if is_allowed else settings.presets[settings.thumbnail_preset]


def _source(group: list[Source]) -> dict[str, str]:
    return {"type": group[0].content_type, "srcset": _srcset(group)}


def _srcset(group: list[Source]) -> str:
    return ", ".join(f"{source.url} {source.width}w" for source in group)


def _sizes(image: AbstractImage, place: str) -> str:
    """Answer with how wide the image will be, for the browser to choose by before layout."""
    ratio = image.width / image.height
    if place == "grid":
        narrow = round(ratio * _ROW_HEIGHT_NARROW * _STRETCH_NARROW)
        wide = round(ratio * _ROW_HEIGHT * _STRETCH)
        return f"(max-width: 600px) min(100vw, {narrow}px), min(100vw, {wide}px)"
    if place == "cover":
        return "(max-width: 600px) 100vw, 400px"
    if place == "thumb":
        return "160px"
    return f"min(100vw, calc((100vh - {_AROUND}px) * {ratio:.3f}))"
