"""The page on which the images of a gallery are ordered and described."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from images_app.access import Right, Viewer
from images_app.bodies import takes
from images_app.conf import get_policy
from images_app.database import atomic
from images_app.forms import IMAGE_FIELDS, PlaceForm, image_form
from images_app.models import Gallery, GalleryItem
from images_app.uploads import form_gated
from images_app.uploads.small import LONG_FORM
from images_app.views.adding import Uploader
from images_app.views.answers import image_as_json
from images_app.views.authorise import viewer_of, visible_galleries, visible_images
from images_app.views.editing import MOST_EDITED, uuid_or_none
from images_app.views.keyset import keyset_page
from images_app.views.pages import ITEM_ORDER, absent, images_of

_ON_A_PAGE = 100


@dataclass(frozen=True, kw_only=True)
class Row:
    """One image of the page without scripts: its place, and what is said of it."""

    image: Any
    place: PlaceForm
    text: Any

    def is_valid(self) -> bool:
        """Check both forms, so that all errors are shown at once."""
        return all([self.place.is_valid(), not self.image.may_change or self.text.is_valid()])

    def save(self, gallery: Gallery) -> None:
        """Write what was changed."""
        self.text.save_changed()  # nothing of an image of others: its fields are disabled
        if self.place.has_changed():
            position = self.place.cleaned_data["position"]
            GalleryItem.objects.filter(pk=self.image.item_id, gallery=gallery).update(
                position=position
            )


@csrf_exempt  # until the gate has seen how long the body is: reading the token reads it
@takes(LONG_FORM)
@require_http_methods(["GET", "HEAD", "POST"])
def arrange(request: HttpRequest, *, public_id: UUID) -> HttpResponseBase:
    """Show what hangs in a gallery, a page at a time, to be ordered and described."""
    viewer = viewer_of(request)
    gallery = visible_galleries(viewer, Right.CHANGE).filter(public_id=public_id).first()
    if gallery is None:
        return absent(request)
    return _arrange(request, gallery, viewer)


@form_gated(LONG_FORM)
def _arrange(request: HttpRequest, gallery: Gallery, viewer: Viewer) -> HttpResponseBase:
    images = _changeable(images_of(gallery, viewer), viewer)
    if request.method == "POST":
        return _save_page(request, gallery, images)
    cursors = {name: request.GET.get(name) for name in ("after", "before")}
    page = keyset_page(images, ITEM_ORDER, _ON_A_PAGE, **cursors)
    return _respond(request, gallery, [_row(image) for image in page.rows], page=page)


def _save_page(request: HttpRequest, gallery: Gallery, images: Any) -> HttpResponseBase:
    """Save the form of browsers without scripts; all of it or nothing."""
    keys = [key for key in map(uuid_or_none, request.POST.getlist("image")) if key is not None]
    found = images.filter(public_id__in=keys[:MOST_EDITED]).order_by(*ITEM_ORDER)
    rows = [_row(image, request.POST) for image in found]
    if not all([row.is_valid() for row in rows]):  # noqa: C419 (each, for its errors are shown)
        return _respond(request, gallery, rows, HTTPStatus.BAD_REQUEST)
    with atomic(Gallery):
        for row in rows:
            row.save(gallery)
    messages.success(request, _("Everything is saved."), fail_silently=True)
    return HttpResponseRedirect(request.get_full_path())


def _changeable(images: Any, viewer: Viewer) -> Any:
    """Tell by ``may_change`` whether the viewer may change each image."""
    theirs = visible_images(viewer, Right.CHANGE, annotate=False).filter(pk=OuterRef("pk"))
    return images.annotate(may_change=Exists(theirs))


def _row(image: Any, data: Any = None) -> Row:
    prefix = image.public_id.hex
    place = PlaceForm(data, prefix=prefix, initial={"position": image.item_position})
    text = image_form(*IMAGE_FIELDS)(
        data if image.may_change else None, prefix=prefix, instance=image
    )
    for field in text.fields.values():
        field.disabled = not image.may_change
        field.help_text = ""  # it would be there a hundred times; the page's head says it
    return Row(image=image, place=place, text=text)


def _respond(
    request: HttpRequest,
    gallery: Gallery,
    rows: Sequence[Row],
    status: int = HTTPStatus.OK,
    page: Any = None,
) -> HttpResponse:
    shown = [
        image_as_json(
            row.image, position=row.image.item_position, may_change=bool(row.image.may_change)
        )
        for row in rows
    ]
    context = {
        "gallery": gallery,
        "rows": rows,
        "page": page,
        "uploader": Uploader(gallery=gallery, may_order=True, shown=shown),
        "may_add": get_policy().may_add(viewer_of(request), gallery),
        "has_errors": status != HTTPStatus.OK,
    }
    response = render(request, "images_app/arrange.html", context, status=status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
