"""Opening a share link: the only URL that holds its token."""

from __future__ import annotations

import logging
import re
from functools import wraps
from http import HTTPStatus
from typing import Any, cast

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from images_app import audit
from images_app.access import Level
from images_app.bodies import takes
from images_app.database import is_unavailable
from images_app.exceptions import ImagesAppError, StorageUnavailable, TooManyGuesses, UploadRefused
from images_app.models import ShareLink
from images_app.models.access_entry import Kind, Reason
from images_app.sharing import find_ended_link, find_link, is_unlocked, may_be_unlocked, unlock
from images_app.uploads import linger
from images_app.uploads.gate import refuse_in_text
from images_app.uploads.small import FORM, read_small
from images_app.views.authorise import viewer_of
from images_app.views.pages import nothing_here

logger = logging.getLogger("images_app.views")

_METHODS = ("GET", "HEAD", "POST")
_FOREIGN = {"cross-site", "same-site"}  # W3C Fetch Metadata, 2.3
_TOKEN = re.compile(r"[A-Za-z0-9_-]*")
_LONGEST_PASSWORD = 1000  # letters that are hashed at most


def _discreet(view: Any) -> Any:
    """Keep the token to the two who know it: no referrer, no cache, no line in Django's log."""

    @login_not_required
    # A forged request would have to know the token, and opens nothing to who forged it.
    @csrf_exempt
    @takes(FORM)
    @sensitive_post_parameters("password")
    @wraps(view)
    def answer(request: HttpRequest, token: str) -> HttpResponseBase:
        response: Any
        if request.method not in _METHODS:
            response = HttpResponse(status=HTTPStatus.METHOD_NOT_ALLOWED)
            response.headers["Allow"] = ", ".join(_METHODS)
        else:
            response = _answered(view, request, _TOKEN.match(token)[0])  # type: ignore[index]
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Robots-Tag"] = "noindex"
        patch_vary_headers(response, ["Cookie"])
        # Django would log the path of every answer from 400 on.
        response._has_been_logged = True  # noqa: SLF001
        return cast(HttpResponseBase, response)

    return answer


@sensitive_variables("token")
def _answered(view: Any, request: HttpRequest, token: str) -> HttpResponseBase:
    """Answer for failures, too: Django would log them, and mail them, with the address."""
    try:
        read_small(request, FORM)
        # Without sessions, nothing could remember that it was opened.
        show = view if hasattr(request, "session") else _absent
        answer: HttpResponseBase = show(request, token)
    except UploadRefused as error:
        linger(request)
        return refuse_in_text(error)
    except (BadRequest, SuspiciousOperation):
        return HttpResponse(status=HTTPStatus.BAD_REQUEST)
    except Exception as error:
        for connection in connections.all(initialized_only=True):
            if connection.in_atomic_block:  # by ATOMIC_REQUESTS
                transaction.set_rollback(True, using=connection.alias)
        logger.exception("code=share_link_failed")
        if is_unavailable(error):
            return refuse_in_text(StorageUnavailable(type(error).__name__))
        return HttpResponse(status=HTTPStatus.INTERNAL_SERVER_ERROR)
    return answer


@sensitive_variables("_token")
def _absent(request: HttpRequest, _token: str) -> HttpResponseBase:
    return nothing_here(request)


@_discreet
@sensitive_variables("token", "password")
def shared(request: HttpRequest, token: str) -> HttpResponseBase:
    """Open a link for this session, and lead to what it shows.

    One that counts its views waits for a click, as one with a password does: programs that look
    at links before people do would use it up.
    """
    if request.method == "POST" and request.headers.get("Sec-Fetch-Site") in _FOREIGN:
        # Without its cookies, it would get a new session here, and lose the one it has.
        return HttpResponseRedirect(reverse("images_app:shared", args=[token]))
    link = find_link(token)
    if link is None:
        return _ended(request, find_ended_link(token))
    target = HttpResponseRedirect(link.subject.get_absolute_url())
    if is_unlocked(request.session, link):
        return target
    if not may_be_unlocked(link):
        return _ended(request, link)
    if request.method == "HEAD" or (request.method == "GET" and link.is_asking):
        return _ask(request, link) if link.is_asking else target
    return _open(request, link, request.POST.get("password", "")[:_LONGEST_PASSWORD]) or target


def _open(request: HttpRequest, link: ShareLink, password: str) -> HttpResponseBase | None:
    """Unlock, and answer only where that was refused."""
    viewer, kind, level = viewer_of(request), Kind.LINK, Level(link.level)
    try:
        is_open = unlock(request.session, link, password)
    except ImagesAppError as error:
        is_resting = isinstance(error, TooManyGuesses)
        reason = Reason.RESTING if is_resting else Reason.PASSWORD
        audit.denied(viewer, kind, link.public_id, level, reason=reason, link=link)
        return _ask(request, link, error)
    if not is_open:
        return _ended(request, link)
    audit.allowed(viewer, kind, link.public_id, level, link=link)
    return None


def _ended(request: HttpRequest, link: ShareLink | None) -> HttpResponseBase:
    """Answer for a link that opens nothing any more as for one that never was."""
    if link is not None:
        level, reason = Level(link.level), Reason.ENDED
        audit.denied(viewer_of(request), Kind.LINK, link.public_id, level, reason=reason, link=link)
    return nothing_here(request)


def _ask(
    request: HttpRequest, link: ShareLink, error: ImagesAppError | None = None
) -> HttpResponse:
    """Ask for the password or a click; tells nothing of what is behind."""
    message = _(error.public_message) % error.params if error is not None else ""
    context = {"has_password": link.has_password, "error": message}
    response = render(
        request,
        "images_app/unlock.html",
        context,
        status=HTTPStatus.OK if error is None else error.status_code,
    )
    if error is not None and error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response
