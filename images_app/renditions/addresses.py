"""Addresses: URLs of renditions by arithmetic alone, and what a URL means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse

from images_app.conf import (
    get_engine,
    get_settings,
    get_signer,
    watermark_of,
)
from images_app.meanings import Meaning, meanings
from images_app.models import AbstractImage
from images_app.models.querysets import least_level
from images_app.presets import what_was_meant
from images_app.specs import (
    CONTENT_TYPES,
    EXTENSIONS,
    NEGOTIATED,
    Preset,
    RenditionSpec,
    Watermark,
    fingerprint_of,
    format_of,
)

_EXTENSIONS = {**EXTENSIONS, NEGOTIATED: NEGOTIATED}
_FORMATS_BY_EXTENSION = {extension: name for name, extension in _EXTENSIONS.items()}


class UnknownNameError(KeyError):
    """A preset, format or watermark that does not exist; its text says what there is."""

    def __str__(self) -> str:
        """Return the sentence itself: KeyError would put it into quotes."""
        return str(self.args[0])


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
    watermark: str | None = None,
    sign: bool = False,
) -> str:
    """Answer with the URL of a rendition, by arithmetic alone.

    Args:
        image: whose rendition.
        preset: the name of a preset in the settings.
        image_format: one of the preset's formats; its last, most widely shown one by default.
            An animation that the preset keeps moving has formats of its own: where it has not
            the wanted one, it is its last.
        width: in pixels; the narrowest rung that is at least so wide, or the widest.
        watermark: the name of one, or "" for none. By default the one that the viewer is held to,
            where the image was read with what its viewer may see; else none.
        sign: whether to sign it, for an image that was read with what its viewer may see
            (``visible_to``). Where they have not the preset's level, it is left unsigned.

    Raises:
        UnknownNameError: for a preset, format or watermark that does not exist.
        ValueError: when a URL is to be signed and nobody has asked what the viewer may see.
        ImproperlyConfigured: when it is to be signed and nothing signs.

    """
    if sign and get_signer() is None:
        message = "sign=True: nothing signs URLs here. Set IMAGES_APP['SIGNING'], or leave it out."
        raise ImproperlyConfigured(message)
    found = find_preset(preset)
    formats = {*found.formats_of(is_animated=image.is_animated), *found.formats}
    if image_format not in {None, *formats}:
        what = f"Preset {preset!r} has no format"
        raise _unknown(what, image_format, formats)
    if watermark is None:
        watermark = known_watermark(image) if sign or _is_read_for_viewer(image) else ""
    make = signed_sources if sign else sources
    every = make(image, found, watermark)
    rungs = [source for source in every if source.format == image_format] or [
        source for source in every if source.format == every[-1].format
    ]
    wide_enough = (source for source in rungs if width is not None and source.width >= width)
    return next(wide_enough, rungs[-1]).url


def sources(image: AbstractImage, preset: Preset, watermark: str = "") -> list[Source]:
    """Answer with every rendition of the preset that an image has: best format first, ascending.

    Raises:
        UnknownNameError: for a watermark that does not exist.

    """
    mark = _watermark(watermark)
    version = get_engine().output_version
    # One reverse() for all of them: they differ in the last part only.
    base = reverse("images_app:rendition", args=[image.public_id, image.version, "-"])[:-1]
    columns: dict[str, list[Source]] = {}
    for rung in preset.rungs(image.width):
        for specs in preset.choices_of(rung, is_animated=image.is_animated, watermark=mark):
            width, height = specs[0].output_size(image.width, image.height)
            name = format_of(specs)
            url = f"{base}{fingerprint_of(specs, version)}.{_EXTENSIONS[name]}"
            source = Source(url=url, width=width, height=height, format=name)
            columns.setdefault(name, []).append(source)
    return [source for column in columns.values() for source in column]


def signed_sources(
    image: AbstractImage, preset: Preset, watermark: str | None = None
) -> list[Source]:
    """Answer as ``sources``, with URLs that are signed where ``SIGNING`` is set up.

    Those that the viewer may not have are left unsigned, and answer 404.

    Args:
        image: read with what its viewer may see (``visible_to``).
        preset: which of its renditions.
        watermark: see ``rendition_url``.

    Raises:
        ValueError: when nobody has asked what the viewer may see.

    """
    held_to = known_watermark(image)
    wanted = held_to if watermark is None else watermark
    signer, found = get_signer(), sources(image, preset, wanted)
    # By the same rule as the policy's: who is held to none may have those that others are held to.
    least: Any = preset.level if held_to == wanted else least_level(preset.level, wanted)
    is_allowed = known_level(image) >= least and held_to in {"", wanted}
    if signer is None or not is_allowed:
        return found
    return [
        replace(source, url=signer.sign(source.url, max_age=preset.max_age)) for source in found
    ]


def find_preset(name: str) -> Preset:
    """Return the preset of a name.

    Raises:
        UnknownNameError: where the settings have none.

    """
    presets = get_settings().presets
    if name not in presets:
        raise _unknown("There is no preset", name, presets)
    return presets[name]


def _unknown(what: str, name: Any, known: Iterable[str]) -> UnknownNameError:
    return UnknownNameError(f"{what} {name!r}. {what_was_meant(name, known)}")


def known_level(image: Any) -> int:
    """Answer with how much of an image its viewer may see.

    Raises:
        ValueError: when nobody has asked.

    """
    if not hasattr(image, "viewer_level"):
        message = (
            "The viewer's level is not known: this image was reached without asking the policy, as "
            "by a foreign key. Take it from get_image_model().objects.visible_to(viewer)."
        )
        raise ValueError(message)
    level: int = image.viewer_level
    return level


def known_watermark(image: Any) -> str:
    """Answer with the name of the watermark that an image's viewer is held to; "" for none.

    That is ``viewer_watermark``, where the image was read with one, or else their level's.

    Raises:
        ValueError: when nobody has asked.

    """
    own: str | None = getattr(image, "viewer_watermark", None)
    return watermark_of(known_level(image)) if own is None else own


def _is_read_for_viewer(image: Any) -> bool:
    return hasattr(image, "viewer_level") or hasattr(image, "viewer_watermark")


def _watermark(name: str) -> Watermark | None:
    watermarks = get_settings().watermarks
    if name and name not in watermarks:
        raise _unknown("There is no watermark", name, watermarks)
    return watermarks[name] if name else None


def specs_for(image: AbstractImage, presets: Iterable[Preset]) -> list[RenditionSpec]:
    """Answer with every rendition of the presets that an image has, each once.

    Those with a watermark are added for the levels that have one and may see the preset.
    """
    found = {
        spec: None
        for preset in presets
        for mark in _watermarks_in_use(preset)
        for rung in preset.rungs(image.width)
        for specs in preset.choices_of(rung, is_animated=image.is_animated, watermark=mark)
        for spec in specs
    }
    return list(found)


def _watermarks_in_use(preset: Preset) -> list[Watermark | None]:
    levels = get_settings().watermark_levels
    names = {name: None for level, name in levels.items() if level >= preset.level}
    return [None, *map(_watermark, names)]


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
