"""Addresses: URLs of renditions by arithmetic alone, and what a URL means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse

from images_app.conf import Meaning, get_engine, get_settings, meanings
from images_app.models import AbstractImage
from images_app.specs import (
    CONTENT_TYPES,
    EXTENSIONS,
    NEGOTIATED,
    Preset,
    RenditionSpec,
    fingerprint_of,
    format_of,
)

_EXTENSIONS = {**EXTENSIONS, NEGOTIATED: NEGOTIATED}
_FORMATS_BY_EXTENSION = {extension: name for name, extension in _EXTENSIONS.items()}


@dataclass(frozen=True, kw_only=True)
class Source:
    """One rung of one format, as a page needs it."""

    url: str
    width: int  # pixels
    height: int  # pixels
    format: str  # NEGOTIATED where the Accept header decides

    @property
    def content_type(self) -> str:
        """The media type; empty where it is negotiated."""
        return CONTENT_TYPES.get(self.format, "")


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
            An animation that the preset keeps moving has formats of its own: where it has not
            the wanted one, it is its last.
        width: in pixels; the narrowest rung that is at least so wide, or the widest.

    Raises:
        KeyError: for a preset or format that does not exist.

    """
    found = get_settings().presets[preset]
    if image_format not in {None, *found.formats_of(is_animated=image.is_animated), *found.formats}:
        raise KeyError(image_format)
    every = sources(image, found)
    rungs = [source for source in every if source.format == image_format] or [
        source for source in every if source.format == every[-1].format
    ]
    wide_enough = (source for source in rungs if width is not None and source.width >= width)
    return next(wide_enough, rungs[-1]).url


def sources(image: AbstractImage, preset: Preset) -> list[Source]:
    """Answer with every rendition of the preset that an image has: best format first, ascending."""
    version = get_engine().output_version
    # One reverse() for all of them: they differ in the last part only.
    base = reverse("images_app:rendition", args=[image.public_id, image.version, "-"])[:-1]
    columns: dict[str, list[Source]] = {}
    for rung in preset.rungs(image.width):
        for specs in preset.choices_of(rung, is_animated=image.is_animated):
            width, height = specs[0].output_size(image.width, image.height)
            name = format_of(specs)
            url = f"{base}{fingerprint_of(specs, version)}.{_EXTENSIONS[name]}"
            source = Source(url=url, width=width, height=height, format=name)
            columns.setdefault(name, []).append(source)
    return [source for column in columns.values() for source in column]


def specs_for(image: AbstractImage, presets: Iterable[Preset]) -> list[RenditionSpec]:
    """Answer with every rendition of the presets that an image has, each once."""
    found = {
        spec: None
        for preset in presets
        for rung in preset.rungs(image.width)
        for specs in preset.choices_of(rung, is_animated=image.is_animated)
        for spec in specs
    }
    return list(found)


def resolve(file_name: str) -> Meaning | None:
    """Answer with what the last part of a URL means; None for what no preset makes."""
    fingerprint, _, extension = file_name.partition(".")
    image_format = _FORMATS_BY_EXTENSION.get(extension, "")
    return meanings().get((fingerprint, image_format))


def is_made_for(image: AbstractImage, meaning: Meaning) -> bool:
    """Tell whether an image has this rung; those far above its own width do not exist."""
    spec = meaning.specs[0]
    return any(
        spec.width in preset.rungs(image.width)
        and spec.is_animated == preset.keeps_moving(is_animated=image.is_animated)
        for preset in meaning.presets
    )
