"""What a page shows to its viewer, and may not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from django.urls import reverse

from images_app.access import Level, Viewer
from images_app.models import Gallery, GalleryQuerySet, ImageQuerySet, get_image_model
from images_app.renditions import resolve

_NOTHING = UUID(int=0)
_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"


def shown_problems(text: str, viewer: Viewer) -> Iterator[str]:
    """Name what a page tells of that its viewer may not see.

    Args:
        text: the page.
        viewer: whose page it is.

    """
    text = unquote(unescape(text))
    named = {UUID(found) for found in re.findall(_UUID, text)}
    images, galleries = ImageQuerySet(get_image_model()), GalleryQuerySet(Gallery)
    for rows in (images, galleries):
        mentioned: Any = rows.filter(public_id__in=named)
        seen = mentioned.visible_to(viewer, Level.PREVIEW, annotate=False)
        for hidden in mentioned.exclude(pk__in=seen.order_by().values("pk")):
            kind = "gallery" if isinstance(hidden, Gallery) else "image"
            yield f"the page names the {kind} {str(hidden)!r}, which its viewer cannot open"
    yield from _links_to_bytes(text, viewer)


def stored_names_in(text: str, row: Any) -> Iterator[str]:
    """Name what a page tells of where an image is kept."""
    if not isinstance(row, Gallery) and row.storage_name in text:
        yield f"the page names the stored file of {str(row)!r}"


def _links_to_bytes(text: str, viewer: Viewer) -> Iterator[str]:
    """Look at each URL of bytes, made by whatever name the app's URLs are included under."""
    original = _pattern(reverse("images_app:original", args=[_NOTHING, "x"]), "x")
    rendition = _pattern(reverse("images_app:rendition", args=[_NOTHING, "1", "x"]), "1/x")
    wanted: dict[tuple[Level, str | None], dict[UUID, str]] = {}
    for found in original.finditer(text):
        wanted.setdefault((Level.ORIGINAL, None), {})[UUID(found["id"])] = found[0]
    for found in rendition.finditer(text):
        meaning = resolve(found["rest"].rpartition("/")[2])
        if meaning is not None:  # else nobody can open it
            key = (meaning.presets[0].level, meaning.watermark)
            wanted.setdefault(key, {})[UUID(found["id"])] = found[0]
    for (level, watermark), urls in wanted.items():
        images = ImageQuerySet(get_image_model()).filter(public_id__in=urls)
        seen = images.visible_to(viewer, level, annotate=False, watermark=watermark)
        closed = images.exclude(pk__in=seen.order_by().values("pk"))
        for public_id in closed.values_list("public_id", flat=True):
            yield f"the page offers {urls[public_id]}, which its viewer cannot open"


def _pattern(url: str, rest: str) -> re.Pattern[str]:
    before = url.removesuffix(f"{_NOTHING}/{rest}")
    return re.compile(rf"{re.escape(before)}(?P<id>{_UUID})/(?P<rest>[^\s\"'<>,?&)]+)")
