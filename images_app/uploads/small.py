"""Small bodies: a form of a few kB, a longer one, or JSON; no more is read, no file is kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import TypeVar, cast

from django.conf import settings as django_settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from images_app.bodies import Intake, takes
from images_app.exceptions import ImagesAppError, UploadRefused
from images_app.uploads.gate import (
    MULTIPART,
    check_length,
    linger,
    protected,
    read_form,
    refuse_in_text,
)
from images_app.uploads.read_before import refuse_if_read

LONGEST_FORM = 16 * 1024
"""Bytes of a form with a few fields; the longest password that is hashed fits in."""
_LONGEST_TEXT = 2_621_440  # where Django's own limit is switched off

_View = TypeVar("_View", bound=Callable[..., HttpResponseBase])


def longest_text() -> int:
    """Return the most bytes of JSON, or of a form with many fields: Django's limit for these."""
    most = django_settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return _LONGEST_TEXT if most is None else most


FORM = Intake(most_bytes=lambda: LONGEST_FORM)
LONG_FORM = Intake(most_bytes=longest_text)
JSON = Intake(most_bytes=longest_text, takes_multipart=False)
NO_FORM = Intake(most_bytes=lambda: LONGEST_FORM, takes_multipart=False)


def form_gated(intake: Intake = FORM) -> Callable[[_View], _View]:
    """Guard a view that takes a form without files.

    What is too long is refused by its length, unread; files are dropped while they arrive. The
    view is exempt from CSRF checks outside, because these read the body; it has them inside.
    """

    def guard(view: _View) -> _View:
        @csrf_exempt
        @wraps(view)
        def gate(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            try:
                read_small(request, intake)
            except ImagesAppError as error:
                linger(request)
                return refuse_in_text(error)
            return protected(request, partial(view, request, *args, **kwargs))

        return takes(intake)(cast("_View", gate))

    return guard


def read_small(request: HttpRequest, intake: Intake) -> None:
    """Parse a form without files, or see that a body is no form, within its bounds.

    Raises:
        UploadRefused: when it is too long, of another kind, or cannot be read.
        StorageUnavailable: when there is no room for it on this machine.

    """
    assert intake.most_bytes is not None  # noqa: S101 (for the type checker)
    if request.content_type == MULTIPART and not intake.takes_multipart:
        raise UploadRefused("unsupported")
    if request.method != "POST":
        return  # nothing reads it
    if intake.takes_multipart:
        read_form(request, most_files=0, most_bytes=intake.most_bytes())
    else:
        check_length(request, intake.most_bytes(), code="too_long")
        refuse_if_read(request)
