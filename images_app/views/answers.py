"""Answers in JSON: images as scripts need them, and failures with their codes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import Error as DatabaseFailure
from django.db import IntegrityError
from django.http import Http404, HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from images_app.access import Level
from images_app.conf import get_settings
from images_app.database import database_failures_told
from images_app.exceptions import ImagesAppError
from images_app.http import SECURITY_HEADERS
from images_app.models import AbstractImage
from images_app.renditions import rendition_url
from images_app.uploads import linger
from images_app.views.authorise import viewer_of
from images_app.views.guarding import without_transaction

logger = logging.getLogger("images_app.views")

View = Callable[..., HttpResponseBase]
_HEADERS = {
    "Cache-Control": "no-store",
    "Vary": "Cookie",
    "X-Robots-Tag": "noindex",
    **SECURITY_HEADERS,
}


def json_answer(data: Mapping[str, Any], status: int = HTTPStatus.OK) -> JsonResponse:
    """Answer with a JSON object that nobody stores."""
    response = JsonResponse(data, status=status)
    for name, value in _HEADERS.items():
        response.headers[name] = value
    return response


def json_error(
    code: str, message: str, status: int, *, retry_after: int | None = None
) -> JsonResponse:
    """Answer with a failure: a stable code for scripts, a translated sentence for people.

    Args:
        code: what went wrong.
        message: likewise, and what to do next.
        status: of HTTP, 400 or more.
        retry_after: seconds after which it is worth trying again.

    """
    response = json_answer({"error": {"code": code, "message": message}}, status)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def error_as_json(error: ImagesAppError) -> JsonResponse:
    """Translate one of our failures."""
    message = _(error.public_message) % error.params
    return json_error(error.code, message, error.status_code, retry_after=error.retry_after)


def login_required_answer() -> JsonResponse:
    """Answer 401 to whoever is not logged in, whatever they asked for."""
    message = _("You are not logged in any more. Log in and try again.")
    return json_error("login_required", message, HTTPStatus.UNAUTHORIZED)


def not_found_answer() -> JsonResponse:
    """Answer 404 alike for what is absent and what is forbidden."""
    message = _("This is not there, or not yours to change.")
    return json_error("not_found", message, HTTPStatus.NOT_FOUND)


def method_not_allowed_answer(allowed: Sequence[str]) -> JsonResponse:
    """Answer 405; it is decided before any lookup."""
    message = _("This cannot be done here.")
    response = json_error("method_not_allowed", message, HTTPStatus.METHOD_NOT_ALLOWED)
    response.headers["Allow"] = ", ".join(allowed)
    return response


def uploading(
    *methods: str, method_of: Callable[[HttpRequest], str | None] = lambda request: request.method
) -> Callable[[View], View]:
    """Answer in JSON whatever becomes of a view that takes bytes in.

    The method is decided first, then whether somebody is logged in, then by the view whether they
    may do it; all before the body is read. The view has to check for CSRF itself, after that:
    Django's middleware would read the body first.
    """

    def decorate(view: View) -> View:
        @without_transaction  # or ATOMIC_REQUESTS would lock rows while one decodes
        @login_not_required  # strangers are told in JSON, too
        @csrf_exempt
        @wraps(view)
        def answer(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
            if method_of(request) not in methods:
                return method_not_allowed_answer(methods)
            try:
                with database_failures_told():
                    if viewer_of(request).is_authenticated:
                        return view(request, **kwargs)
                linger(request)
                return login_required_answer()
            except (Http404, IntegrityError) as error:
                # The latter: a gallery or a user that was deleted while the body came in.
                if isinstance(error, IntegrityError):
                    logger.warning("upload refused: what it belongs to went meanwhile")
                linger(request)
                return not_found_answer()
            except ImagesAppError as error:
                _log(request, error)
                linger(request)
                return error_as_json(error)

        return answer

    return decorate


def _log(request: HttpRequest, error: ImagesAppError) -> None:
    is_ours = error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    level = logging.ERROR if is_ours else logging.INFO
    key = None
    with suppress(DatabaseFailure):  # perhaps it was this that failed
        key = request.user.pk
    logger.log(level, "upload refused: %s user=%s", error, key)


def image_as_json(
    image: AbstractImage, *, position: int | None = None, may_change: bool
) -> dict[str, Any]:
    """Answer with what a script shows of an image; all texts are as people wrote them.

    Args:
        image: read with what its viewer may see (``visible_to``), or just made by them.
        position: in the gallery that is spoken of.
        may_change: whether the viewer may change it.

    """
    level = getattr(image, "viewer_level", Level.ORIGINAL)  # of who has just made it
    return {
        "id": str(image.public_id),
        "url": image.get_absolute_url(),
        "thumbnail": rendition_url(image, get_settings().thumbnail_preset),
        "picture": _whole_picture(image),
        "title": image.title,
        "alt_text": image.alt_text,
        "width": image.width,
        "height": image.height,
        "focal_x": image.focal_x,
        "focal_y": image.focal_y,
        # As the admin's record: not for those who may only look.
        "file_name": image.file_name if level >= Level.ORIGINAL else "",
        "position": position,
        "may_change": may_change,
    }


def _whole_picture(image: AbstractImage) -> str | None:
    """Answer with a small URL of all of the picture, for thumbnails are cut; None if not theirs."""
    settings = get_settings()
    preset = settings.presets[settings.ladder_preset]
    level: int = getattr(image, "viewer_level", preset.level)
    if level < preset.level:
        return None
    return rendition_url(image, preset.name, width=preset.widths[0])
