"""Editing by scripts: titles, texts, focal points and the order of images, in one request each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial, wraps
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ObjectDoesNotExist, RequestDataTooBig
from django.db import DatabaseError
from django.http import HttpRequest, UnreadablePostError
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from images_app.access import Right, Viewer
from images_app.bodies import takes
from images_app.database import atomic
from images_app.exceptions import UploadRefused
from images_app.forms import IMAGE_FIELDS, image_form
from images_app.models import Gallery, GalleryItem, ImageQuerySet, get_image_model
from images_app.models.gallery import POSITION_STEP
from images_app.uploads import linger
from images_app.uploads.gate import protected
from images_app.uploads.small import JSON, read_small
from images_app.views.answers import (
    error_as_json,
    image_as_json,
    json_answer,
    json_error,
    login_required_answer,
    method_not_allowed_answer,
    not_found_answer,
)
from images_app.views.authorise import viewer_of, visible_galleries, visible_images

MOST_EDITED = 500  # images in one request
_MOST_ORDERED = 10_000  # likewise
_TYPES = {"title": (str,), "alt_text": (str,), "focal_x": (int, float), "focal_y": (int, float)}


class _Nonsense(Exception):
    """A body that is no JSON, or not of the shape that was asked for."""


def _for_scripts(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Refuse other methods, then strangers, and read the body only then, which CSRF checks do."""

    @login_not_required  # a login page is no answer for a script
    @csrf_exempt
    @takes(JSON)
    @wraps(view)
    def answer(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST":
            return method_not_allowed_answer(["POST"])
        viewer = viewer_of(request)
        if not viewer.is_authenticated:
            linger(request)
            return login_required_answer()
        try:
            read_small(request, JSON)
            return protected(request, partial(view, request, viewer, **kwargs))
        except (RequestDataTooBig, UploadRefused) as error:
            linger(request)
            if isinstance(error, UploadRefused) and error.code != "too_long":
                return error_as_json(error)
            message = _("This is too much at once.")
            return json_error("too_large", message, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        except _Nonsense:
            message = _("This request makes no sense. Reload the page and try again.")
            return json_error("invalid", message, HTTPStatus.BAD_REQUEST)

    return answer


@_for_scripts
def edit_images(request: HttpRequest, viewer: Viewer) -> HttpResponseBase:
    """Save titles, alternative texts and focal points; what is valid, whatever else is not."""
    edits = _edits(_body(request))
    found = visible_images(viewer, Right.CHANGE).filter(public_id__in=list(edits))
    images = {image.public_id: image for image in found}
    errors = {str(key): {"id": [_absent_image()]} for key in edits if key not in images}
    with atomic(get_image_model()):
        for key, image in images.items():
            if problems := _save(image, edits[key]):
                errors[str(key)] = problems
    shown = [
        image_as_json(i, may_change=True) for i in images.values() if str(i.public_id) not in errors
    ]
    return json_answer({"images": shown, "errors": errors})


@_for_scripts
def order_images(request: HttpRequest, viewer: Viewer, *, public_id: UUID) -> HttpResponseBase:
    """Give some images of a gallery a new order in the places that they have."""
    gallery = visible_galleries(viewer, Right.CHANGE).filter(public_id=public_id).first()
    if gallery is None:
        return not_found_answer()
    keys = [_uuid(each) for each in _list_of(_body(request), _MOST_ORDERED)]
    if not _is_ordered(gallery, viewer, keys):
        message = _("Some of these images do not hang here any more. Reload the page.")
        return json_error("order", message, HTTPStatus.BAD_REQUEST)
    return json_answer({})


def _absent_image() -> str:
    return _("This image is not there, or not yours to change.")


def _body(request: HttpRequest) -> Any:
    """Answer with the list that the body's one key holds."""
    try:
        data = json.loads(request.body, parse_constant=_refuse)
    except (ValueError, RecursionError, UnreadablePostError) as error:
        raise _Nonsense from error
    if not isinstance(data, dict):
        raise _Nonsense
    return data.get("images")


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are no JSON (RFC 8259, 6)


def _list_of(given: Any, most: int) -> list[Any]:
    if not isinstance(given, list) or not 0 < len(given) <= most:
        raise _Nonsense
    return given


def _uuid(given: Any) -> UUID:
    key = uuid_or_none(given)
    if key is None:
        raise _Nonsense
    return key


def uuid_or_none(given: Any) -> UUID | None:
    """Answer with the public id that a text is; None for any other value."""
    try:
        return UUID(given) if isinstance(given, str) else None
    except ValueError:
        return None


def _edits(given: Any) -> dict[UUID, dict[str, Any]]:
    """Answer with what is to be changed of each image; of two edits of one, the later counts."""
    edits: dict[UUID, dict[str, Any]] = {}
    for each in _list_of(given, MOST_EDITED):
        if not isinstance(each, dict):
            raise _Nonsense
        values = {name: each[name] for name in IMAGE_FIELDS if name in each}
        edits.setdefault(_uuid(each.get("id")), {}).update(values)
    return edits


def _save(image: Any, values: Mapping[str, Any]) -> dict[str, list[str]]:
    """Save what is given, and answer with what is wrong with it."""
    wrong = [
        name
        for name, value in values.items()
        if not isinstance(value, _TYPES[name]) or isinstance(value, bool) or _is_untold(value)
    ]
    if wrong:
        return {name: [_("This value makes no sense.")] for name in wrong}
    form = image_form(*values)(values, instance=image)
    if not form.is_valid():
        return {name: [str(each) for each in errors] for name, errors in form.errors.items()}
    try:
        form.save_changed()
    except (ObjectDoesNotExist, DatabaseError):
        if ImageQuerySet(type(image)).filter(pk=image.pk).exists():
            raise
        return {"id": [_absent_image()]}  # deleted meanwhile; the others are saved
    return {}


def _is_untold(value: Any) -> bool:
    """Tell of what no database keeps: half a surrogate pair, a number beyond all floats."""
    try:
        value.encode() if isinstance(value, str) else float(value)
    except (UnicodeEncodeError, OverflowError):
        return True
    return False


def _is_ordered(gallery: Gallery, viewer: Viewer, keys: Sequence[UUID]) -> bool:
    """Order, or answer False where not every image hangs there for this viewer."""
    visible = visible_images(viewer, annotate=False).filter(public_id__in=keys)
    with atomic(Gallery):
        # Two orders at once would give two images one place.
        Gallery.objects.select_for_update().filter(pk=gallery.pk).first()
        named = gallery.items.filter(image__in=visible.values("pk")).order_by("position", "id")
        items = {item.image.public_id: item for item in named.select_related("image")}
        if len(items) != len(keys) or set(items) != set(keys):
            return False
        positions = [item.position for item in items.values()]
        if gallery.items.filter(position__in=positions).count() != len(positions):
            places = _renumber(gallery)
            positions = sorted(places[item.pk] for item in items.values())
            for item in items.values():
                item.position = places[item.pk]
        _place([items[key] for key in keys], positions)
    return True


def _renumber(gallery: Gallery) -> dict[int, int]:
    """Give every image a place of its own, in the order that they have."""
    every = list(gallery.items.order_by("position", "id").only("pk", "position", "gallery"))
    _place(every, [POSITION_STEP * number for number in range(1, len(every) + 1)])
    return {item.pk: item.position for item in every}


def _place(items: Iterable[GalleryItem], positions: Iterable[int]) -> None:
    """Write the positions that change."""
    moved = []
    for item, position in zip(items, positions, strict=True):
        if item.position != position:
            item.position = position
            moved.append(item)
    GalleryItem.objects.bulk_update(moved, ["position"], batch_size=500)
