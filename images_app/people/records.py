"""What an export tells of images and galleries."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db.models import Prefetch, Q

from images_app.models import AbstractImage, GalleryItem
from images_app.people.belongings import galleries_of, images_of
from images_app.people.seen import CHUNK, chosen, is_true, seen_galleries, with_what_is_seen

_IMAGE_FIELDS = (
    *("public_id", "title", "alt_text", "caption", "created_at", "updated_at", "taken_at"),
    *("trashed_at", "focal_x", "focal_y", "version", "file_name", "format", "width", "height"),
    *("orientation", "frames", "byte_size", "checksum"),
)
_CAMERA_FIELDS = (
    *("make", "model", "lens", "exposure_time", "f_number", "iso", "focal_length", "utc_offset"),
)
_LOCATION_FIELDS = ("latitude", "longitude", "altitude")
_GALLERY_FIELDS = (
    *("public_id", "title", "description", "visibility", "shows_locations", "position"),
    *("created_at", "updated_at"),
)
_NOTHING: tuple[Any, Iterator[dict[str, Any]]] = (None, iter(()))


def read_images(person: Any) -> Iterator[AbstractImage]:
    """Yield the person's images, oldest first, with what ``image_record`` needs of each."""
    items = GalleryItem.objects.filter(gallery__in=seen_galleries(person))
    items = items.select_related("gallery").order_by("pk")
    images = (
        images_of(person)
        .select_related("camera_data", "location_data")
        .order_by("created_at", "pk")
    )
    with_items = images.prefetch_related(Prefetch("gallery_items", items))
    yield from with_items.iterator(chunk_size=CHUNK)


def image_record(image: Any) -> dict[str, Any]:
    """Tell of an image: what was written about it, what it is, and where it hangs."""
    camera = getattr(image, "camera_data", None)
    location = getattr(image, "location_data", None)
    return {
        **{name: getattr(image, name) for name in _IMAGE_FIELDS},
        "camera": camera and {name: getattr(camera, name) for name in _CAMERA_FIELDS},
        "location": location and {name: getattr(location, name) for name in _LOCATION_FIELDS},
        "galleries": [
            {"public_id": item.gallery.public_id, "title": item.gallery.title}
            for item in image.gallery_items.all()
        ],
        **_fields_of_the_host(image),
    }


def _fields_of_the_host(image: Any) -> dict[str, Any]:
    """Tell what a host's own image model has besides ours."""
    ours = {field.name for field in AbstractImage._meta.get_fields()}
    added = [field for field in image._meta.concrete_fields if field.name not in ours]
    values = {field.name: field.value_to_string(image) for field in added if not field.primary_key}
    return {"further": values} if values else {}


def gallery_records(person: Any) -> Iterator[dict[str, Any]]:
    """Tell of the galleries, each with its images in order, by two queries for all of them."""
    items = groupby(_item_rows(person), key=itemgetter("gallery_id"))
    key, hung = next(items, _NOTHING)
    galleries = galleries_of(person).order_by("pk").values("pk", *_GALLERY_FIELDS)
    for gallery in galleries.iterator(chunk_size=CHUNK):
        while key is not None and key < gallery["pk"]:
            key, hung = next(items, _NOTHING)
        own = hung if key == gallery["pk"] else iter(())
        yield {**chosen(gallery, _GALLERY_FIELDS), "images": map(_item_record, own)}


def _item_rows(person: Any) -> Iterator[dict[str, Any]]:
    items = with_what_is_seen(GalleryItem.objects.filter(gallery__owner=person), person, "image")
    yield from (
        items.annotate(is_own=is_true(Q(image__owner=person)))
        .order_by("gallery_id", "position", "pk")
        .values("gallery_id", "image__public_id", "image__title", "is_own", "sees_image")
        .iterator(chunk_size=CHUNK)
    )


def _item_record(row: dict[str, Any]) -> dict[str, Any]:
    """Name an image; of one that is hidden from the person, tell only that there is one."""
    is_seen = row["sees_image"]
    return {
        "is_own": bool(row["is_own"]),
        "public_id": row["image__public_id"] if is_seen else None,
        "title": row["image__title"] if is_seen else None,
    }
