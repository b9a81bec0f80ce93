"""Making renditions: render, store, and only then record. The only caller of Engine.render."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from typing import IO, Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import storages
from django.db import Error
from django.db.models import F

from images_app.conf import RENDITIONS, get_engine, get_settings
from images_app.database import atomic, database_failures_told
from images_app.engines import Output
from images_app.exceptions import Busy, BytesGone, RenderFailed, StorageUnavailable
from images_app.models import AbstractImage, ImageQuerySet, Rendition
from images_app.models.rendition import rendition_name
from images_app.ownership import mark_once
from images_app.renditions.ancestors import Stored, find_ancestor, original_of
from images_app.renditions.single_flight import is_leased, lease
from images_app.renditions.stored import open_stored
from images_app.slots import decode_slot
from images_app.specs import RenditionSpec, Size
from images_app.storages import save_exactly

logger = logging.getLogger("images_app.renditions")

_SPOOLED = 4 * 2**20  # bytes of a fresh rendition that stay in memory
_POLL = 0.05  # seconds between two looks at whether another has made it


def known_rendition(image: AbstractImage, spec: RenditionSpec) -> Rendition | None:
    """Answer with the record of a rendition, as the image was read with it, or else by a query.

    See ImageQuerySet.with_rendition.
    """
    identity = _identity(image, spec)
    values = image.__dict__
    if values.get("rendition_key") != f"{identity['fingerprint']}.{identity['format']}":
        return find_rendition(image, spec)
    if values["rendition_alias"] is None:
        return None
    alias, length = values["rendition_alias"], values["rendition_size"]
    return Rendition(**identity, storage_alias=alias, byte_size=length)


def find_rendition(image: AbstractImage, spec: RenditionSpec) -> Rendition | None:
    """Answer with the record of a rendition that has been made."""
    return Rendition.objects.filter(**_identity(image, spec)).first()


def make_once(image: AbstractImage, spec: RenditionSpec) -> Rendition:
    """Make a rendition, or wait for whoever is making it.

    Raises:
        Busy: when that takes longer than ``RENDER_PATIENCE``.
        BytesGone, StorageUnavailable, RenderFailed: see locate_rendition.

    """
    deadline = time.monotonic() + get_settings().render_patience
    while True:
        # First a place, then the lease: who waits for a place must not hold up the others.
        with (
            decode_slot(deadline - time.monotonic()),
            database_failures_told(),
            lease([_identity(image, spec)]) as ours,
        ):
            if ours:
                return find_rendition(image, spec) or _make(image, [spec])[0]
        while time.monotonic() < deadline:
            time.sleep(_POLL)
            made = find_rendition(image, spec)
            if made is not None:
                return made
            if not is_leased(_identity(image, spec)):
                break
        else:
            raise Busy


def make_renditions(image: AbstractImage, specs: Sequence[RenditionSpec]) -> int:
    """Make those of several renditions that are missing, from one decode.

    What somebody else is making at this moment is left to them.

    Returns:
        How many were made.

    Raises:
        Busy: when no place to decode in became free within ``RENDER_PATIENCE``.
        BytesGone, StorageUnavailable, RenderFailed: see locate_rendition.

    """
    stills = [spec for spec in specs if not spec.is_animated]
    films = [spec for spec in specs if spec.is_animated]
    # A film takes long, and shares no decode: nobody shall wait for another one.
    return sum(_make_batch(image, batch) for batch in (stills, *([film] for film in films)))


def _make_batch(image: AbstractImage, specs: Sequence[RenditionSpec]) -> int:
    if not _missing(image, specs):
        return 0
    with decode_slot(get_settings().render_patience), database_failures_told():
        wanted = [(_identity(image, spec), spec) for spec in _missing(image, specs)]
        with lease([identity for identity, _ in wanted]) as ours:
            leased = [spec for identity, spec in wanted if identity in ours]
            missing = _missing(image, leased)  # without what was made before the lease was ours
            return len(_make(image, missing)) if missing else 0


def make_again(image: AbstractImage, spec: RenditionSpec, rendition: Rendition) -> None:
    """Bring back the bytes of a row; the length that was promised already must hold."""
    with (
        decode_slot(get_settings().render_patience),
        _rendered(image, [spec]) as [(_size, target)],
    ):
        length = _store(image, spec, target)
    rows = Rendition.objects.filter(**_identity(image, spec))
    if not rows.exists():  # deleted while it was made
        storages[RENDITIONS].delete(_name(image, spec))
        raise BytesGone("image deleted")
    if (rendition.storage_alias, rendition.byte_size) != (RENDITIONS, length):
        rows.update(storage_alias=RENDITIONS, byte_size=length)
        raise StorageUnavailable("made again with another length")


def _missing(image: AbstractImage, specs: Sequence[RenditionSpec]) -> list[RenditionSpec]:
    """Answer with those that have no record, by one query."""
    if not specs:
        return []
    made = set(
        Rendition.objects.filter(image=image.pk, version=image.version).values_list(
            "fingerprint", "format"
        )
    )
    version = get_engine().output_version
    return [spec for spec in specs if (spec.fingerprint(version), spec.format) not in made]


def _make(image: AbstractImage, specs: Sequence[RenditionSpec]) -> list[Rendition]:
    """Render, store and record; what cannot be recorded loses its bytes again."""
    stored: list[Rendition] = []
    try:
        with _rendered(image, specs) as made:
            for spec, (size, target) in zip(specs, made, strict=True):
                values = {**_identity(image, spec), "storage_alias": RENDITIONS}
                values |= {"width": size[0], "height": size[1]}
                stored.append(Rendition(**values, byte_size=_store(image, spec, target)))
        return _record(image, stored)
    except BaseException:
        _clean_up(image, stored)
        raise


def _clean_up(image: AbstractImage, stored: list[Rendition]) -> None:
    """Delete bytes without a row; who took over from us may have recorded the same meanwhile."""
    with suppress(Error):
        rows = Rendition.objects.filter(image=image.pk, version=image.version)
        kept = {row.storage_name for row in rows.select_related("image")}
        for name in {rendition.storage_name for rendition in stored} - kept:
            try:
                storages[RENDITIONS].delete(name)
            except Exception:
                logger.exception("code=bytes_left image=%s storage=%s", image.pk, RENDITIONS)


@contextmanager
def _rendered(
    image: AbstractImage, specs: Sequence[RenditionSpec]
) -> Iterator[list[tuple[tuple[int, int], IO[bytes]]]]:
    """Render all, and hand them out as ((width, height), file)."""
    started = time.monotonic()
    with ExitStack() as held:
        targets: list[Any] = [
            held.enter_context(
                tempfile.SpooledTemporaryFile(_SPOOLED, dir=settings.FILE_UPLOAD_TEMP_DIR)
            )
            for _ in specs
        ]
        outputs = list(zip(specs, targets, strict=True))
        sizes = _render(image, outputs)
        seconds = time.monotonic() - started
        logger.info("rendered image=%s renditions=%s seconds=%.2f", image.pk, len(specs), seconds)
        yield list(zip(sizes, targets, strict=True))


def _render(image: AbstractImage, outputs: Sequence[Output]) -> list[Size]:
    """Render from the smallest picture that is enough; where that fails, from the original."""
    ancestor = find_ancestor(image, [spec for spec, _ in outputs])
    if ancestor is not None:
        try:
            return _render_from(ancestor, image, outputs)
        except (BytesGone, RenderFailed, StorageUnavailable) as error:  # it only saves time
            logger.warning("%s image=%s ancestor=%s", error, image.pk, ancestor.name)
            for _, target in outputs:
                target.seek(0)
                target.truncate()
    original = original_of(image)
    try:
        return _render_from(original, image, outputs)
    except BytesGone:
        place = place_now(image)
        if place in {None, (original.storage_alias, original.name)}:
            raise
        alias, name = place
        return _render_from(replace(original, storage_alias=alias, name=name), image, outputs)


def place_now(image: AbstractImage) -> tuple[str, str] | None:
    """Answer with the (alias, name) of an original now: it may have been moved since it was read.

    Returns:
        None for an image that is gone, or has another original.

    """
    rows = ImageQuerySet(type(image)).filter(pk=image.pk, version=image.version)
    return rows.values_list("storage_alias", "storage_name").first()


def _render_from(source: Stored, image: AbstractImage, outputs: Sequence[Output]) -> list[Size]:
    with closing(open_stored(source.storage_alias, source.name)) as file:
        return get_engine().render(
            file,
            outputs,
            source_format=source.format,
            full_size=(image.width, image.height),
            focal_point=image.focal_point,
        )


def _store(image: AbstractImage, spec: RenditionSpec, target: IO[bytes]) -> int:
    """Store a rendition under its one name, and answer with its length in bytes."""
    length = target.seek(0, 2)
    mark_once(RENDITIONS)
    try:
        save_exactly(storages[RENDITIONS], _name(image, spec), File(target))
    except Exception as error:
        logger.exception("code=storage_unavailable image=%s storage=%s", image.pk, RENDITIONS)
        raise StorageUnavailable(type(error).__name__) from error
    return length


def _record(image: AbstractImage, stored: list[Rendition]) -> list[Rendition]:
    """Write the rows, in one transaction."""
    with atomic(Rendition):
        # Locked, so that who deletes the image waits and then takes these renditions along, and
        # nobody else records one of them meanwhile. By writing: a transaction that begins with
        # reading fails in SQLite when another has written since, instead of waiting.
        same = ImageQuerySet(type(image)).filter(pk=image.pk, version=image.version)
        if not same.update(version=F("version")):
            raise BytesGone("image deleted or replaced")
        found = Rendition.objects.filter(image=image.pk, version=image.version)
        known = {(row.fingerprint, row.format): row.pk for row in found}
        for rendition in stored:
            rendition.pk = known.get((rendition.fingerprint, rendition.format))
        fields = ["width", "height", "byte_size", "storage_alias"]
        Rendition.objects.bulk_update([row for row in stored if row.pk], fields)
        Rendition.objects.bulk_create([row for row in stored if not row.pk])
        return stored


def _name(image: AbstractImage, spec: RenditionSpec) -> str:
    fingerprint = spec.fingerprint(get_engine().output_version)
    return rendition_name(image.public_id, image.version, fingerprint, spec.format)


def _identity(image: AbstractImage, spec: RenditionSpec) -> dict[str, Any]:
    return {
        "image": image,
        "version": image.version,
        "fingerprint": spec.fingerprint(get_engine().output_version),
        "format": spec.format,
    }
