"""Ancestors: the cheapest stored picture that is good enough to make a rendition from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from images_app.conf import get_settings
from images_app.meanings import meanings
from images_app.models import AbstractImage, Rendition
from images_app.models.rendition import rendition_name
from images_app.specs import DEFAULT_QUALITY, Fit, RenditionSpec, scale_of

# Three times as wide, JPEG and AVIF cost less than a point of SSIMULACRA2; twice as wide, and WebP,
# cost up to three: docs/decisions/0007.
_TIMES = 3.0
_OPAQUE, _TRANSPARENT = "jpeg", "avif"


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A stored picture of the whole image."""

    storage_alias: str
    name: str
    format: str


def original_of(image: AbstractImage) -> Stored:
    """Answer with where the original is."""
    return Stored(
        storage_alias=image.storage_alias or get_settings().storage,
        name=image.storage_name,
        format=image.format,
    )


def find_ancestor(image: AbstractImage, specs: Sequence[RenditionSpec]) -> Stored | None:
    """Answer with the smallest rendition that is enough for all of the specs."""
    if any(spec.is_animated for spec in specs):
        return None
    enough = _TIMES * max(_scale_of(image, spec) for spec in specs)
    if enough >= 1:  # even the original is less than that
        return None
    formats = [_TRANSPARENT, *([_OPAQUE] if image.format == _OPAQUE else [])]
    rows = Rendition.objects.filter(
        image=image.pk,
        version=image.version,
        format__in=formats,
        width__gte=enough * image.width,
        width__lt=image.width,
    )
    for row in rows.order_by("width", "byte_size"):
        meaning = meanings().get((row.fingerprint, row.format))
        if meaning is not None and _is_faithful(meaning.specs[0]):
            name = rendition_name(image.public_id, row.version, row.fingerprint, row.format)
            return Stored(storage_alias=row.storage_alias, name=name, format=row.format)
    return None


def _scale_of(image: AbstractImage, spec: RenditionSpec) -> float:
    box = spec.crop_box(image.width, image.height, image.focal_point)
    return scale_of(box, spec.output_size(image.width, image.height))


def _is_faithful(spec: RenditionSpec) -> bool:
    """Tell whether a spec shows the whole picture and nothing else, as well as we would."""
    return (
        spec.fit is not Fit.COVER
        and not spec.is_animated
        and spec.watermark is None
        and spec.quality >= DEFAULT_QUALITY[spec.format]
    )
