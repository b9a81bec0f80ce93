"""The page on which editors add images to a gallery, and what its script needs to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.request import HttpHeaders
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from images_app.access import Right
from images_app.bodies import FILES, takes
from images_app.conf import get_limits, get_policy
from images_app.exceptions import UploadRefused
from images_app.forms import UploadForm
from images_app.models import Gallery
from images_app.uploads import gated
from images_app.validation import Limits, check_length
from images_app.views.authorise import is_reachable, viewer_of, visible_galleries
from images_app.views.pages import absent

_ANY = UUID(int=0)  # stands in an address for the gallery that is chosen later


@dataclass(frozen=True, kw_only=True)
class Uploader:
    """What the template of the uploader asks for, besides its form."""

    gallery: Gallery | None = None
    """Where everything goes; None where the form has a choice, or nothing to choose."""
    galleries: Mapping[str, str] | None = None
    """Public ids by the values of that choice."""
    may_order: bool
    """Whether the viewer may change the order of that gallery, or of those to choose from."""
    shown: Sequence[Any] | None = None
    """What is there already, as JSON; None on a page for adding."""

    @property
    def gallery_id(self) -> UUID:
        """The public id of the gallery, or of the one that stands for any."""
        return self.gallery.public_id if self.gallery is not None else _ANY

    @property
    def csrf_header(self) -> str:
        """The header in which the site's Django looks for the token."""
        name = HttpHeaders.parse_header_name(settings.CSRF_HEADER_NAME)
        return name or "X-CSRFToken"  # where the setting is no header's name

    @property
    def max_bytes(self) -> int:
        """The largest file that is worth sending."""
        return get_limits().max_bytes

    @property
    def limits(self) -> str:
        """Say what is let in; with the script, any number of files."""
        limits = get_limits()
        return _("%(formats)s, up to %(size)s and %(pixels)s megapixels each.") % {
            "formats": limits.allowed,
            "size": filesizeformat(limits.max_bytes),
            "pixels": limits.max_pixels // 1_000_000,
        }

    @property
    def too_large(self) -> str:
        """Say of a larger one what the server would."""
        return _refusal_of_length(get_limits())


@csrf_exempt  # until the gate has seen how long the body is: reading the token reads it
@takes(FILES)
@require_http_methods(["GET", "HEAD", "POST"])
def add_images(request: HttpRequest, *, public_id: UUID) -> HttpResponseBase:
    """Add images to a gallery: one by one with a script, else all in one form."""
    viewer = viewer_of(request)
    gallery = visible_galleries(viewer).filter(public_id=public_id).first()
    may_add = viewer.is_authenticated and gallery is not None
    if gallery is None or not may_add or not get_policy().may_add(viewer, gallery):
        return absent(request)
    return _add(request, gallery, may_arrange=is_reachable(gallery, viewer, Right.CHANGE))


@gated(most_files=None)
def _add(request: HttpRequest, gallery: Gallery, *, may_arrange: bool) -> HttpResponseBase:
    data = (request.POST, request.FILES) if request.method == "POST" else ()
    form = UploadForm(*data, gallery=gallery)
    if request.method == "POST" and form.is_valid():
        tell_how_many(request, len(form.ingest(owner=request.user)))
        if not form.errors:
            page = "arrange" if may_arrange else "gallery"
            return HttpResponseRedirect(reverse(f"images_app:{page}", args=[gallery.public_id]))
    context = {
        "gallery": gallery,
        "form": form,
        "may_arrange": may_arrange,
        "uploader": Uploader(gallery=gallery, may_order=may_arrange),
    }
    status = HTTPStatus.BAD_REQUEST if form.errors else HTTPStatus.OK
    if form.failure is None:
        return _respond(request, context, status)
    response = _respond(request, context, form.failure.status_code)
    response.headers["Retry-After"] = str(form.failure.retry_after)
    return response


def tell_how_many(request: HttpRequest, number: int) -> None:
    """Tell on the next page how many were added; a host may have no messages."""
    if number:
        text = ngettext("%d image was added.", "%d images were added.", number) % number
        messages.success(request, text, fail_silently=True)


def _respond(request: HttpRequest, context: dict[str, Any], status: int) -> HttpResponse:
    response = render(request, "images_app/add_images.html", context, status=status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _refusal_of_length(limits: Limits) -> str:
    try:
        check_length(limits.max_bytes + 1, limits)
    except UploadRefused as refused:
        return _(refused.public_message) % refused.params
    return ""
