"""Uploading one file by one request, and where the next image of a gallery goes."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, JsonResponse, QueryDict
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from images_app.access import Right, Viewer
from images_app.bodies import FILES, NOTHING, takes
from images_app.conf import get_policy
from images_app.exceptions import UploadRefused
from images_app.models import Gallery, GalleryItem, get_image_model
from images_app.models.gallery import LAST_POSITION, POSITION_STEP
from images_app.uploads import Taken, Target, gated, take_in
from images_app.uploads.receiving import Duplicates
from images_app.views.answers import error_as_json, image_as_json, json_answer, uploading
from images_app.views.authorise import viewer_of, visible_galleries, visible_images

_POSITION = re.compile(r"[0-9]{1,12}")
FILE_FIELD = "file"


@uploading("POST")
@takes(FILES)
def upload(request: HttpRequest) -> HttpResponseBase:
    """Take one file in, where the query says."""
    viewer = viewer_of(request)
    return _receive(request, viewer, read_target(request.GET, viewer))


@gated(refuse=error_as_json)
def _receive(request: HttpRequest, viewer: Viewer, target: Target) -> HttpResponseBase:
    file = request.FILES.get(FILE_FIELD)
    if not isinstance(file, UploadedFile):
        raise UploadRefused("no_file")
    if not may_add(viewer, target.gallery):  # any more: a body may take long to come
        raise Http404
    return taken_as_json(take_in(file, viewer, target), viewer, target)


@uploading("GET", "HEAD")
@takes(NOTHING)
def upload_place(request: HttpRequest) -> HttpResponseBase:
    """Tell the position of the next image, and how far the one behind it is from there."""
    gallery = read_target(request.GET, viewer_of(request)).gallery
    following = POSITION_STEP if gallery is None else gallery.next_position()
    return json_answer({"next": following, "step": POSITION_STEP})


def read_target(query: QueryDict, viewer: Viewer) -> Target:
    """Read where an upload goes, by the query: it is known before the body.

    Raises:
        Http404: where the viewer may not add, or nothing is.
        UploadRefused: for what makes no sense.

    """
    gallery = _find_gallery(query, viewer)
    if not may_add(viewer, gallery):
        raise Http404
    return Target(
        gallery=gallery, position=_read_position(query), duplicates=read_duplicates(query)
    )


def may_add(viewer: Viewer, gallery: Gallery | None) -> bool:
    """Tell whether the viewer may add images to a gallery; to none, staff with the permission."""
    if gallery is not None:
        return get_policy().may_add(viewer, gallery)
    user: Any = viewer.user
    model = get_image_model()._meta
    permission = f"{model.app_label}.add_{model.model_name}"
    return bool(getattr(user, "is_staff", False) and user.has_perm(permission))


def read_duplicates(query: QueryDict, default: str = Duplicates.ASK.value) -> str:
    """Read what becomes of a file that is there already.

    Raises:
        UploadRefused: for what makes no sense.

    """
    wanted = query.get("duplicates", default)
    if wanted not in Duplicates.values:
        raise UploadRefused("duplicates", allowed=", ".join(Duplicates.values))
    return wanted


def taken_as_json(taken: Taken, viewer: Viewer, target: Target) -> JsonResponse:
    """Tell what became of an upload: 201 or 200 with the image, 409 with those to choose from."""
    if taken.image is None:
        message = _("This image is there already. Use that one, or add it again.")
        error = {"code": "duplicate", "message": message}
        shown = _as_json(list(taken.duplicates), viewer, target.gallery)
        return json_answer({"error": error, "images": shown}, HTTPStatus.CONFLICT)
    # Read again, with what the viewer may see: some are held to a watermark.
    image = visible_images(viewer).filter(pk=taken.image.pk).first() or taken.image
    (shown_image,) = _as_json([image], viewer, target.gallery)
    status = HTTPStatus.CREATED if taken.is_new else HTTPStatus.OK
    return json_answer({"image": shown_image}, status)


def _as_json(images: list[Any], viewer: Viewer, gallery: Gallery | None) -> list[dict[str, Any]]:
    keys = [image.pk for image in images]
    changeable = visible_images(viewer, Right.CHANGE, annotate=False).filter(pk__in=keys)
    may_change = set(changeable.values_list("pk", flat=True))
    items = GalleryItem.objects.filter(gallery=gallery, image__in=keys) if gallery else ()
    positions = {item.image_id: item.position for item in items}
    return [
        image_as_json(image, position=positions.get(image.pk), may_change=image.pk in may_change)
        for image in images
    ]


def _find_gallery(query: QueryDict, viewer: Viewer) -> Gallery | None:
    wanted = query.get("gallery", "")
    if not wanted:
        return None
    try:
        public_id = UUID(wanted)
    except ValueError:
        raise Http404 from None
    gallery: Gallery | None = visible_galleries(viewer).filter(public_id=public_id).first()
    if gallery is None:
        raise Http404
    return gallery


def _read_position(query: QueryDict) -> int | None:
    wanted = query.get("position", "")
    if wanted and not _POSITION.fullmatch(wanted):
        raise UploadRefused("position")
    return min(int(wanted), LAST_POSITION) if wanted else None
