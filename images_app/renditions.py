"""Renditions: their URLs, and finding or making their bytes. The only caller of render()."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from django.core.files import File
from django.core.files.storage import storages
from django.db import IntegrityError
from django.urls import reverse

from images_app.conf import (
    ORIGINALS,
    RENDITIONS,
    get_engine,
    get_settings,
    specs_by_fingerprint,
)
from images_app.exceptions import BytesGone, StorageUnavailable
from images_app.models import AbstractImage, Rendition
from images_app.models.rendition import rendition_name
from images_app.representation import Location
from images_app.specs import CONTENT_TYPES, EXTENSIONS, Preset, RenditionSpec
from images_app.storages import save_exactly

logger = logging.getLogger("images_app.renditions")

_SPOOLED = 4 * 2**20  # bytes of a fresh rendition that stay in memory
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


def resolve(file_name: str) -> tuple[Preset, RenditionSpec] | None:
    """Answer with what the last part of a URL means; None for what no preset makes."""
    fingerprint, _, extension = file_name.partition(".")
    image_format = _FORMATS_BY_EXTENSION.get(extension, "")
    return specs_by_fingerprint().get((fingerprint, image_format))


def is_made_for(image: AbstractImage, preset: Preset, spec: RenditionSpec) -> bool:
    """Tell whether an image has this rung; those far above its own width do not exist."""
    return spec.width in preset.rungs(image.width)


def locate_rendition(image: AbstractImage, spec: RenditionSpec) -> Location:
    """Find the bytes of a rendition, making them first where nobody has asked before.

    Raises:
        BytesGone, StorageUnavailable: when the original cannot be read.
        RenderFailed: when it cannot be decoded any more.

    """
    rendition = _find(image, spec) or _make(image, spec)

    def open_or_make_again() -> IO[bytes]:
        try:
            return open_stored(rendition.storage_alias, name)
        except BytesGone:
            # Renditions can always be made again; a row without bytes heals itself.
            logger.warning("code=bytes_gone image=%s rendition=%s", image.pk, rendition.pk)
            _make_again(image, spec, rendition, name)
            return open_stored(rendition.storage_alias, name)

    name = rendition_name(
        image.public_id, rendition.version, rendition.fingerprint, rendition.format
    )
    return Location(
        storage_alias=rendition.storage_alias,
        name=name,
        length=rendition.byte_size,
        open=open_or_make_again,
    )


def locate_original(image: AbstractImage) -> Location:
    """Answer with where the original's bytes are."""
    return Location(
        storage_alias=image.storage_alias,
        name=image.storage_name,
        length=image.byte_size,
        open=lambda: open_stored(image.storage_alias, image.storage_name),
    )


def open_stored(alias: str, name: str) -> IO[bytes]:
    """Open stored bytes for reading.

    Raises:
        BytesGone: when the storage says that there are none.
        StorageUnavailable: when it cannot say.

    """
    try:
        opened: Any = storages[alias].open(name, "rb")
    except FileNotFoundError as error:
        logger.error("code=bytes_gone storage=%s", alias)  # noqa: TRY400 (the cause is named)
        raise BytesGone from error
    except Exception as error:
        # Object stores raise their own types for whatever their network does.
        logger.exception("code=storage_unavailable storage=%s", alias)
        raise StorageUnavailable(type(error).__name__) from error
    file: IO[bytes] = opened
    return file


def _find(image: AbstractImage, spec: RenditionSpec) -> Rendition | None:
    return Rendition.objects.filter(**_identity(image, spec)).first()


def _make(image: AbstractImage, spec: RenditionSpec) -> Rendition:
    """Render, store, and only then record; whoever was faster wins."""
    identity = _identity(image, spec)
    name = rendition_name(
        image.public_id, image.version, identity["fingerprint"], identity["format"]
    )
    width, height, length = _render_into_storage(image, spec, name)
    values = {"width": width, "height": height, "byte_size": length, "storage_alias": RENDITIONS}
    try:
        return Rendition.objects.update_or_create(**identity, defaults=values)[0]
    except IntegrityError as error:  # the image was deleted meanwhile, and would leave this behind
        storages[RENDITIONS].delete(name)
        raise BytesGone("image deleted") from error


def _make_again(image: AbstractImage, spec: RenditionSpec, rendition: Rendition, name: str) -> None:
    """Bring back the bytes of a row; the length that was promised already must hold."""
    _, _, length = _render_into_storage(image, spec, name)
    if (rendition.storage_alias, rendition.byte_size) != (RENDITIONS, length):
        Rendition.objects.filter(pk=rendition.pk).update(storage_alias=RENDITIONS, byte_size=length)
        raise StorageUnavailable("made again with another length")


def _identity(image: AbstractImage, spec: RenditionSpec) -> dict[str, Any]:
    return {
        "image": image,
        "version": image.version,
        "fingerprint": spec.fingerprint(get_engine().output_version),
        "format": spec.format,
    }


def _render_into_storage(
    image: AbstractImage, spec: RenditionSpec, name: str
) -> tuple[int, int, int]:
    """Answer with (width, height) in pixels and the length in bytes of what was stored."""
    with (
        _original(image) as source,
        tempfile.SpooledTemporaryFile(max_size=_SPOOLED) as target,
    ):
        outputs = [(spec, target)]
        ((width, height),) = get_engine().render(source, outputs, focal_point=image.focal_point)
        length = target.seek(0, 2)
        try:
            save_exactly(storages[RENDITIONS], name, File(target))
        except Exception as error:
            logger.exception("code=storage_unavailable image=%s storage=%s", image.pk, RENDITIONS)
            raise StorageUnavailable(type(error).__name__) from error
    logger.info("rendered image=%s width=%s format=%s", image.pk, width, spec.format)
    return width, height, length


@contextmanager
def _original(image: AbstractImage) -> Iterator[IO[bytes]]:
    file = open_stored(image.storage_alias or ORIGINALS, image.storage_name)
    try:
        yield file
    finally:
        file.close()
