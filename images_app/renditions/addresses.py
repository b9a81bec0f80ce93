"""Addresses: URLs of renditions by arithmetic alone, and what a URL means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse

from images_app.conf import get_engine, get_settings, specs_by_fingerprint
from images_app.models import AbstractImage
from images_app.specs import CONTENT_TYPES, EXTENSIONS, Preset, RenditionSpec

_FORMATS_BY_EXTENSION = {extension: name for name, extension in EXTENSIONS.items()}


@dataclass(frozen=True, kw_only=True)
class Source:
    """One rung of one format, as a page needs it."""

    url: str
    width: int  # pixels
    height: int  # pixels
    format: str

    @property
    def content_type(self) -> str:
        """The media type."""
        return CONTENT_TYPES[self.format]


def rendition_url(
    image: AbstractImage,
    preset: str,
    *,
    image_format: str | None = None,
    width: int | None = None,
) -> str:
    """Answer with the URL of a rendition, by arithmetic alone.

    Args:
        image: whose rendition.
        preset: the name of a preset in the settings.
        image_format: one of the preset's formats; its last, most widely shown one by default.
        width: in pixels; the narrowest rung that is at least so wide, or the widest.

    Raises:
        KeyError: for a preset or format that does not exist.

    """
    found = get_settings().presets[preset]
    image_format = image_format or found.formats[-1]
    rungs = [source for source in sources(image, found) if source.format == image_format]
    if not rungs:
        raise KeyError(image_format)
    wide_enough = (source for source in rungs if width is not None and source.width >= width)
    return next(wide_enough, rungs[-1]).url


def sources(image: AbstractImage, preset: Preset) -> list[Source]:
    """Answer with every rendition of the preset that an image has: best format first, ascending."""
    version = get_engine().output_version
    found = []
    # One reverse() for all of them: they differ in the last part only.
    base = reverse("images_app:rendition", args=[image.public_id, image.version, "-"])[:-1]
    for image_format in preset.formats:
        for rung in preset.rungs(image.width):
            spec = preset.spec(rung, image_format)
            width, height = spec.output_size(image.width, image.height)
            file_name = f"{spec.fingerprint(version)}.{EXTENSIONS[image_format]}"
            found.append(
                Source(url=base + file_name, width=width, height=height, format=image_format)
            )
    return found


def specs_for(image: AbstractImage, presets: Iterable[Preset]) -> list[RenditionSpec]:
    """Answer with every rendition of the presets that an image has, each once."""
    found = {
        preset.spec(rung, image_format): None
        for preset in presets
        for image_format in preset.formats
        for rung in preset.rungs(image.width)
    }
    return list(found)


def resolve(file_name: str) -> tuple[tuple[Preset, ...], RenditionSpec] | None:
    """Answer with what the last part of a URL means; None for what no preset makes.

    Several presets may make the same bytes; they are of one level then.
    """
    fingerprint, _, extension = file_name.partition(".")
    image_format = _FORMATS_BY_EXTENSION.get(extension, "")
    return specs_by_fingerprint().get((fingerprint, image_format))


def is_made_for(image: AbstractImage, presets: Iterable[Preset], spec: RenditionSpec) -> bool:
    """Tell whether an image has this rung; those far above its own width do not exist."""
    return any(spec.width in preset.rungs(image.width) for preset in presets)
