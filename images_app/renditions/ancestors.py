"""Ancestors: the cheapest stored picture that is good enough to make a rendition from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from images_app.conf import ORIGINALS, meanings
from images_app.exceptions import BytesGone, StorageUnavailable
from images_app.models import AbstractImage, Rendition
from images_app.models.rendition import rendition_name
from images_app.renditions.stored import open_stored
from images_app.specs import DEFAULT_QUALITY, Fit, RenditionSpec, scale_of

# Three times as wide, JPEG and AVIF cost less than half a point of SSIMULACRA2; twice as wide a
# whole one, and WebP more: docs/decisions/0007.
_TIMES = 3.0
_OPAQUE, _TRANSPARENT = "jpeg", "avif"


@dataclass(frozen=True, kw_only=True)
class Ancestor:
    """A stored picture of the whole image."""

    storage_alias: str
    name: str
    format: str


@contextmanager
def opened_source(
    image: AbstractImage, specs: Sequence[RenditionSpec]
) -> Iterator[tuple[IO[bytes], str]]:
    """Open what these renditions are best made from, and tell its format.

    Raises:
        BytesGone, StorageUnavailable: when the original is needed and cannot be read.

    """
    source = _original(image)
    ancestor = _find_ancestor(image, specs)
    file = None
    if ancestor is not None:
        try:
            file, source = open_stored(ancestor.storage_alias, ancestor.name), ancestor
        except (BytesGone, StorageUnavailable):  # it only saves time
            file = None
    file = file or open_stored(source.storage_alias, source.name)
    try:
        yield file, source.format
    finally:
        file.close()


def _original(image: AbstractImage) -> Ancestor:
    return Ancestor(
        storage_alias=image.storage_alias or ORIGINALS,
        name=image.storage_name,
        format=image.format,
    )


def _find_ancestor(image: AbstractImage, specs: Sequence[RenditionSpec]) -> Ancestor | None:
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
            return Ancestor(storage_alias=row.storage_alias, name=name, format=row.format)
    return None


def _scale_of(image: AbstractImage, spec: RenditionSpec) -> float:
    box = spec.crop_box(image.width, image.height, image.focal_point)
    return scale_of(box, spec.output_size(image.width, image.height))


def _is_faithful(spec: RenditionSpec) -> bool:
    """Tell whether a spec shows the whole picture, as well as we would by ourselves."""
    return (
        spec.fit is not Fit.COVER
        and not spec.is_animated
        and spec.quality >= DEFAULT_QUALITY[spec.format]
    )
