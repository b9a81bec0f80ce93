"""``{% picture %}``: an image in the sizes that its viewer may see, without a query."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from django import template
from django.contrib.auth.models import AnonymousUser

from images_app.access import Level, Viewer
from images_app.conf import get_settings
from images_app.models import AbstractImage, ImageQuerySet
from images_app.renditions import Source, find_preset, known_level, signed_sources
from images_app.sharing import unlocked_links
from images_app.specs import Preset

register = template.Library()

_PLACES = ("grid", "cover", "thumb", "page")
_ROW_HEIGHT = 240  # CSS pixels of a row in the grid, see images_app.css
_ROW_HEIGHT_NARROW = 150
_STRETCH = 1.3  # how much wider than its height asks for an image in a row may become
_STRETCH_NARROW = 1.6  # a landscape usually has the row to itself there
_AROUND = 224  # CSS pixels of a window's height that an image's page needs for the rest


@register.inclusion_tag("images_app/picture.html", takes_context=True)
def picture(
    context: Mapping[str, Any],
    image: Any,
    *,
    place: str = "page",
    preset: str = "",
    eager: bool = False,
) -> dict[str, Any]:
    """Render a ``<picture>``; nothing where there is no image, or none for the viewer.

    Args:
        context: of the template.
        image: annotated with ``viewer_level``, as every visible queryset is. Of another one, as by
            a foreign key, the policy is asked for whoever makes the request: a query for each.
        place: ``grid`` (a row of the gallery), ``cover`` (a card), ``thumb`` (a small
            square) or ``page`` (as large as the window).
        preset: the name of a preset, instead of the one that goes with the place; who may not
            see it gets the thumbnail.
        eager: whether it is in sight at once, so that it is not loaded lazily.

    """
    if place not in _PLACES:
        message = f"place is {place!r}; there are {', '.join(_PLACES)}."
        raise ValueError(message)
    image = _seen(image, context)
    if image is None:
        return {"image": None}
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
    return known_level(image) >= Level.ORIGINAL


def _seen(image: Any, context: Mapping[str, Any]) -> Any:
    """Return the image with what its viewer may see of it; None where that is nothing."""
    request = context.get("request")
    if not isinstance(image, AbstractImage) or hasattr(image, "viewer_level") or request is None:
        return image or None
    links = unlocked_links(getattr(request, "session", None))
    viewer = Viewer(user=getattr(request, "user", AnonymousUser()), links=links)
    rows = ImageQuerySet(type(image)).visible_to(viewer, Level.PREVIEW)
    return rows.filter(pk=image.pk).first()


def _preset(image: Any, place: str, name: str) -> Preset:
    """Choose a preset; who may only preview never gets URLs that would answer 404."""
    settings = get_settings()
    usual = settings.thumbnail_preset if place == "thumb" else settings.ladder_preset
    wanted = find_preset(name or usual)
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
