"""Managing share links: for those who may share, all live ones, a form for a new one, an end."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from images_app.access import Level, Right
from images_app.exceptions import TooManyLinks
from images_app.forms import LinkPasswordForm, ShareLinkForm
from images_app.models import ShareLink
from images_app.sharing import (
    change_password,
    create_link,
    may_give,
    revoke_link,
    shared_by,
)
from images_app.uploads import form_gated
from images_app.views.authorise import (
    offers_links,
    viewer_of,
    visible_galleries,
    visible_images,
)
from images_app.views.keyset import keyset_page
from images_app.views.pages import absent
from images_app.views.session_user import session_user

_page = require_http_methods(["GET", "HEAD", "POST"])
_action = require_http_methods(["POST"])
_Rows = Callable[..., Any]
_ORDER = ("-created_at", "-id")
_ON_A_PAGE = 50


@form_gated()
@_page
def links(request: HttpRequest) -> HttpResponseBase:
    """List all live links to what the viewer may share."""
    if not session_user(request).is_authenticated:
        return absent(request)
    return _respond(request, _page_of(request, shared_by(viewer_of(request))))


@sensitive_post_parameters("password")
@form_gated()
@_page
def gallery_links(request: HttpRequest, *, public_id: UUID) -> HttpResponseBase:
    """Share a gallery."""
    return _share(request, visible_galleries, "gallery", public_id)


@sensitive_post_parameters("password")
@form_gated()
@_page
def image_links(request: HttpRequest, *, public_id: UUID) -> HttpResponseBase:
    """Share an image."""
    return _share(request, visible_images, "image", public_id)


@sensitive_variables("form", "token", "url", "context")
def _share(request: HttpRequest, rows: _Rows, kind: str, public_id: UUID) -> HttpResponseBase:
    viewer = viewer_of(request)
    subject = rows(viewer, Right.SHARE).filter(public_id=public_id).first()
    if subject is None or not offers_links(request):
        return absent(request)
    form = ShareLinkForm(request.POST if request.method == "POST" else None)
    url, status = "", int(HTTPStatus.BAD_REQUEST)
    if request.method == "POST" and form.is_valid():
        try:
            _link, token = create_link(viewer, subject, **form.terms())
        except PermissionDenied:
            form.add_error(None, _("You can give no more than you have yourself, nor for longer."))
        except TooManyLinks as error:
            form.add_error(None, _(error.public_message) % error.params)
            status = error.status_code
        else:
            # Shown this once, and kept nowhere: not in a message, whose store would hold it.
            url = request.build_absolute_uri(reverse("images_app:shared", args=[token]))
            form = ShareLinkForm()
    shown = _page_of(request, shared_by(viewer).filter(**{kind: subject}))
    context = {"subject": subject, "form": form, "new_url": url, **shown}
    return _respond(request, context, status if form.errors else HTTPStatus.OK)


@form_gated()
@_action
def revoke(request: HttpRequest, *, public_id: UUID) -> HttpResponseBase:
    """End a link at once."""
    link = _find(request, public_id)
    if link is None:
        return absent(request)
    revoke_link(link)
    _tell(request, messages.SUCCESS, _("The link is revoked."))
    return _back(link)


@sensitive_post_parameters("password")
@form_gated()
@_action
def set_password(request: HttpRequest, *, public_id: UUID) -> HttpResponseBase:
    """Give a link another password; who has opened it must open it again.

    That of somebody else's link opens it to whom this one tells, and so is a gift of all it shows.
    """
    link = _find(request, public_id)
    if link is None or not _may_set_password(request, link):
        return absent(request)
    form = LinkPasswordForm(request.POST)
    if "remove" in request.POST:
        change_password(link, "")
        text = _("The link asks for no password. Who had opened it must open it again.")
        _tell(request, messages.SUCCESS, text)
    elif form.is_valid():
        change_password(link, form.cleaned_data["password"])
        text = _("The link has a new password. Who had opened it must open it again.")
        _tell(request, messages.SUCCESS, text)
    else:
        _tell(request, messages.ERROR, " ".join(map(str, form.errors["password"])))
    return _back(link)


def _tell(request: HttpRequest, level: int, text: str) -> None:
    """Tell on the next page; a host may have no messages."""
    messages.add_message(request, level, text, fail_silently=True)


def _may_set_password(request: HttpRequest, link: ShareLink) -> bool:
    is_own = link.created_by_id == request.user.pk
    return is_own or may_give(viewer_of(request), link.subject, Level(link.level), link.ends_at)


def _find(request: HttpRequest, public_id: UUID) -> ShareLink | None:
    found: ShareLink | None = shared_by(viewer_of(request)).filter(public_id=public_id).first()
    return found


def _back(link: ShareLink) -> HttpResponseRedirect:
    view = "gallery_links" if link.gallery_id is not None else "image_links"
    return HttpResponseRedirect(reverse(f"images_app:{view}", args=[link.subject.public_id]))


def _page_of(request: HttpRequest, found: Any) -> dict[str, Any]:
    """Return the links of one page, newest first, and what leads to its neighbours."""
    asked = request.GET
    page = keyset_page(
        found, _ORDER, _ON_A_PAGE, after=asked.get("after"), before=asked.get("before")
    )
    return {"page": page, "links": page.rows}


def _respond(
    request: HttpRequest, context: dict[str, Any], status: int = HTTPStatus.OK
) -> HttpResponse:
    context["password_form"] = LinkPasswordForm()
    response = render(request, "images_app/links.html", context, status=status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
