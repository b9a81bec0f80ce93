"""What is asked for: every address of an image or a gallery, and who may have it."""

from __future__ import annotations

import copy
import random
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files.storage import storages
from django.urls import reverse

from images_app.access import Access, Level, Right, Viewer
from images_app.meanings import meanings
from images_app.models import Gallery, GalleryQuerySet, ImageQuerySet, get_image_model
from images_app.models.querysets import WrittenQuerySet
from images_app.renditions import is_made_for, resolve
from images_app.sharing import shows_links
from images_app.specs import EXTENSIONS

MakeUrl = Callable[[Any], str]
OwnUrls = Iterable[MakeUrl | tuple[MakeUrl, Access]]

PAGE, BYTES, DECISION, OWN = "page", "bytes", "decision", "your own"
_MOST_STORED = 3  # renditions of one image whose stored names are tried


@dataclass(frozen=True, kw_only=True)
class Address:
    """One address, what it takes to have it, and what sort of answer is due."""

    name: str
    url: str
    sort: str  # PAGE, BYTES, DECISION or OWN
    access: Access
    watermark: str | None = None
    is_read_only: bool = True  # whether it takes GET and HEAD alone


@dataclass(frozen=True, kw_only=True)
class Absent:
    """Something of the same looks that is not there, and its URLs by the names of the addresses."""

    public_id: uuid.UUID
    urls: Mapping[str, str]  # without those that could not be made, or are the same


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An image or a gallery: its addresses, and those of one that is not there."""

    row: Any
    addresses: list[Address]
    absent: list[Absent]  # two, that tell what differs by chance


def image_subject(image: Any, own: OwnUrls) -> Subject:
    """Answer with everything that one image can be reached by."""
    gallery = image.gallery_items.values_list("gallery__public_id", flat=True).first()
    own = list(own)
    return _subject(image, lambda row: [*_image_addresses(row, gallery), *_own_addresses(row, own)])


def gallery_subject(gallery: Any) -> Subject:
    """Answer with everything that one gallery can be reached by."""
    return _subject(gallery, _gallery_addresses)


def reachable(row: Any, viewer: Viewer, access: Access, watermark: str | None = None) -> bool:
    """Tell what is due, by the queryset of the policy in use and nothing else."""
    visible: Any
    if isinstance(row, Gallery):
        visible = GalleryQuerySet(Gallery).visible_to(viewer, access, annotate=False)
    else:
        visible = ImageQuerySet(get_image_model()).visible_to(
            viewer, access, annotate=False, watermark=watermark
        )
    return bool(visible.filter(pk=row.pk).exists())


def stored_addresses(image: Any) -> Iterator[Address]:
    """Answer with where the image's files would be if a storage were published."""
    original = (image.storage_alias, image.storage_name, Level.ORIGINAL, None)
    for alias, name, level, watermark in (original, *_stored_renditions(image)):
        for url in dict.fromkeys(_public_urls(alias, name)):
            yield Address(
                name=f"stored file of {alias!r}",
                url=url,
                sort=BYTES,
                access=level,
                watermark=watermark,
            )


def _subject(row: Any, addresses_of: Callable[[Any], Iterable[Address]]) -> Subject:
    addresses = list(addresses_of(row))
    real = {address.url for address in addresses}
    absent = []
    for _ in range(2):
        never = _never_there(row)
        urls = {address.name: address.url for address in addresses_of(never)}
        urls = {name: url for name, url in urls.items() if url not in real}
        absent.append(Absent(public_id=never.public_id, urls=urls))
    return Subject(row=row, addresses=addresses, absent=absent)


def _never_there(row: Any) -> Any:
    """Answer with a row of the same looks that is in no database."""
    never = copy.copy(row)
    never.public_id = uuid.uuid4()
    never.pk = random.randrange(2**40, 2**50) if isinstance(row.pk, int) else uuid.uuid4()  # noqa: S311
    return never


def _gallery_addresses(gallery: Any) -> Iterator[Address]:
    pages: list[tuple[str, Access, bool]] = [("gallery", Level.PREVIEW, True)]
    if shows_links():
        pages.append(("gallery_links", Right.SHARE, False))
    for name, access, is_read_only in pages:
        url = reverse(f"images_app:{name}", args=[gallery.public_id])
        yield Address(name=name, url=url, sort=PAGE, access=access, is_read_only=is_read_only)


def _image_addresses(image: Any, gallery: Any) -> Iterator[Address]:
    page = reverse("images_app:image", args=[image.public_id])
    yield Address(name="page", url=page, sort=PAGE, access=Level.PREVIEW)
    if gallery is not None:
        url = f"{page}?gallery={gallery}"
        yield Address(name="page in its gallery", url=url, sort=PAGE, access=Level.PREVIEW)
    if shows_links():
        url = reverse("images_app:image_links", args=[image.public_id])
        yield Address(
            name="image_links", url=url, sort=PAGE, access=Right.SHARE, is_read_only=False
        )
    file_name = f"{image.version}.{EXTENSIONS[image.format]}"
    original = reverse("images_app:original", args=[image.public_id, file_name])
    yield Address(name="original", url=original, sort=BYTES, access=Level.ORIGINAL)
    url = f"{original}?download"
    yield Address(name="download", url=url, sort=BYTES, access=Level.ORIGINAL)
    for view, sort in (("rendition", BYTES), ("decision", DECISION)):
        for name, file_name, level, watermark in _rendition_files(image):
            url = reverse(f"images_app:{view}", args=[image.public_id, image.version, file_name])
            yield Address(
                name=f"{view} {name}", url=url, sort=sort, access=level, watermark=watermark
            )


def _rendition_files(image: Any) -> Iterator[tuple[str, str, Level, str]]:
    """Answer with every preset, format and watermark, each in its narrowest size."""
    narrowest: dict[tuple[str, str, str], tuple[int, str, Level]] = {}
    for (fingerprint, image_format), meaning in meanings().items():
        if not is_made_for(image, meaning):
            continue
        preset, width = meaning.presets[0], meaning.specs[0].width
        key = (preset.name, image_format, meaning.watermark)
        extension = EXTENSIONS.get(image_format, image_format)
        if key not in narrowest or width < narrowest[key][0]:
            narrowest[key] = (width, f"{fingerprint}.{extension}", preset.level)
    for (preset_name, image_format, watermark), (_, file_name, level) in narrowest.items():
        name = " ".join(filter(None, [preset_name, image_format, watermark]))
        yield name, file_name, level, watermark


def _own_addresses(image: Any, own: OwnUrls) -> Iterator[Address]:
    for number, given in enumerate(own, start=1):
        make, access = given if isinstance(given, tuple) else (given, Level.ORIGINAL)
        try:
            url = make(image)
        except Exception:
            # What is not there may lack what the URL is made of; what is there may not.
            if _is_there(image):
                raise
            continue
        name = f"your URL {number}"
        yield Address(name=name, url=url, sort=OWN, access=access, is_read_only=False)


def _is_there(row: Any) -> bool:
    """Tell whether a row is in the database."""
    return bool(WrittenQuerySet(type(row)).filter(pk=row.pk).exists())


def _stored_renditions(image: Any) -> Iterator[tuple[str, str, Level, str | None]]:
    for rendition in image.renditions.order_by("pk")[:_MOST_STORED]:
        meaning = resolve(rendition.storage_name.rpartition("/")[2])
        if meaning is None:  # left from other settings
            yield rendition.storage_alias, rendition.storage_name, Level.ORIGINAL, None
        else:
            level, watermark = meaning.presets[0].level, meaning.watermark
            yield rendition.storage_alias, rendition.storage_name, level, watermark


def _public_urls(alias: str, name: str) -> Iterator[str]:
    """Answer with the local URLs by which Django or a web server would publish a stored file."""
    storage: Any = storages[alias]
    for base, root in (
        (settings.MEDIA_URL, settings.MEDIA_ROOT),
        (settings.STATIC_URL, settings.STATIC_ROOT),
    ):
        if base and not urlsplit(base).netloc:
            yield f"{base.rstrip('/')}/{name}"
            if root and hasattr(storage, "path"):
                path = Path(storage.path(name))
                if path.is_relative_to(Path(root).resolve()):
                    inside = path.relative_to(Path(root).resolve()).as_posix()
                    yield f"{base.rstrip('/')}/{inside}"
    try:
        url = storage.url(name)
    except Exception:  # noqa: BLE001 (most private storages refuse, each in its own way)
        return
    if url.startswith("/") and not urlsplit(url).netloc:
        yield url
