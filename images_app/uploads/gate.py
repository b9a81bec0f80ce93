"""The size gate: no view, nor Django's CSRF protection, reads more of a body than is let in."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeVar, cast

from django.conf import settings as django_settings
from django.core.exceptions import (
    BadRequest,
    RequestDataTooBig,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import HttpRequest, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from images_app.bodies import FILES, takes
from images_app.conf import get_settings
from images_app.exceptions import ImagesAppError, StorageUnavailable, UploadRefused
from images_app.http import plain_response
from images_app.uploads.handler import CountingHandler, close_files
from images_app.uploads.read_before import hold_parsed, refuse_if_read, was_parsed

BESIDES = 2**20
"""Bytes of a body that are not of its files: boundaries, headers, the fields of a form."""
FILES_TOGETHER = 10
"""How many files of the largest size one form with several files may bring at once."""
LINGERING = 16 * 2**20
"""Bytes that are read and dropped after a refusal, so that the client gets to read why."""
_BLOCK = 64 * 1024
_LENGTH = re.compile(r"[0-9]{1,18}", re.ASCII)
MULTIPART = "multipart/form-data"
_BROKEN = (
    BadRequest,
    MultiPartParserError,
    RequestDataTooBig,
    TooManyFieldsSent,
    UnreadablePostError,
)

_View = TypeVar("_View", bound=Callable[..., HttpResponseBase])
Refuse = Callable[[ImagesAppError], HttpResponseBase]


def longest_body(*, most_files: int | None = 1) -> int:
    """Answer with the most bytes that one request may bring.

    Args:
        most_files: that it may have; None for a form with several.

    """
    together = FILES_TOGETHER if most_files is None else most_files
    return get_settings().max_upload_bytes * together + BESIDES


def refuse_in_text(error: ImagesAppError) -> HttpResponseBase:
    """Answer with the sentence, for a page that has no form to show it in."""
    headers = {} if error.retry_after is None else {"Retry_After": str(error.retry_after)}
    return plain_response(
        error.status_code, gettext(error.public_message) % error.params, **headers
    )


def gated(
    *, most_files: int | None = 1, refuse: Refuse = refuse_in_text
) -> Callable[[_View], _View]:
    """Guard a view, or a method of an admin, that takes files.

    Who may use it is to be decided before, for here the body is read; a file that is too large is
    dropped while it is read, and raises UploadRefused where it is read in the view. The view is
    exempt from CSRF checks outside, because these read the body; it has them inside.

    Args:
        most_files: how many files one request may have; None for ``DATA_UPLOAD_MAX_NUMBER_FILES``.
        refuse: makes the answer to a request that is not let through.

    """

    def guard(view: _View) -> _View:
        @csrf_exempt
        @wraps(view)
        def gate(*args: Any, **kwargs: Any) -> HttpResponseBase:
            request = next(arg for arg in args if isinstance(arg, HttpRequest))
            try:
                read_form(request, most_files=most_files)
            except ImagesAppError as error:
                linger(request)
                return refuse(error)
            return protected(request, partial(view, *args, **kwargs))

        return takes(FILES)(cast("_View", gate))

    return guard


@csrf_protect
def protected(request: HttpRequest, view: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """Check for CSRF, now that reading the token reads no more than is let in."""
    return view()


def read_form(
    request: HttpRequest, *, most_files: int | None, most_bytes: int | None = None
) -> None:
    """Parse the form of a request, within its bounds.

    What a middleware has parsed before is taken, and held to the same bounds.

    Args:
        request: whose body nobody has read, or all of it.
        most_files: that it may have; with 0 files are dropped without a word.
        most_bytes: of the body, if not what so many files may have.

    Raises:
        UploadRefused: when it is too large, has too many files, or cannot be read.
        StorageUnavailable: when there is no room for it on this machine.

    """
    if request.method != "POST":
        return
    if most_bytes is None:
        most_bytes = longest_body(most_files=most_files)
    length = check_length(request, most_bytes, code="too_large" if most_files != 0 else "too_long")
    if was_parsed(request):
        has_too_many = hold_parsed(request, length, most_files=most_files)
    else:
        refuse_if_read(request)
        has_too_many = _parse_within(request, most_files)
    if has_too_many and most_files != 0:
        raise UploadRefused("one_file" if most_files == 1 else "too_many_files", limit=most_files)


def _parse_within(request: HttpRequest, most_files: int | None) -> bool:
    """Parse, and return whether there were more files than may be; those were dropped."""
    if request.content_type != MULTIPART:
        _parse(request)
        return False
    counting = CountingHandler(request, most_files=most_files)
    # First of all, so that the others get no more of a file than is let in.
    request.upload_handlers.insert(0, cast("Any", counting))
    _parse(request)
    return counting.has_too_many


def _parse(request: HttpRequest) -> None:
    try:
        request.POST, request.FILES  # noqa: B018 (are parsed by being asked for)
    except Exception as error:
        close_files(request)
        if isinstance(error, TooManyFilesSent):
            limit = django_settings.DATA_UPLOAD_MAX_NUMBER_FILES
            raise UploadRefused("too_many_files", limit=limit) from error
        if isinstance(error, _BROKEN):
            raise UploadRefused("unreadable", type(error).__name__) from error
        if isinstance(error, OSError):
            raise StorageUnavailable(type(error).__name__) from error
        raise


def check_length(request: HttpRequest, limit: int, *, code: str = "too_large") -> int:
    """Return the length of a body, by what its header says.

    Args:
        request: whose body nobody needs to have read.
        limit: of its bytes.
        code: of the refusal of a longer one.

    Raises:
        UploadRefused: when it is above the limit, or not said: Django would read nothing.

    """
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length and "Transfer-Encoding" in request.headers:
        raise UploadRefused("length_required")
    if length and not _LENGTH.fullmatch(length):
        raise UploadRefused("unreadable", "Content-Length")
    length = length or "0"
    if int(length) > limit:
        # The other bytes of a body are no file's: people know the limit of a file.
        limit = min(limit, get_settings().max_upload_bytes)
        raise UploadRefused(code, limit=filesizeformat(limit))
    return int(length)


def linger(request: HttpRequest) -> None:
    """Read and drop what is left of a short body.

    A server that closes a connection from which something is still to be read resets it, and
    then a browser tells of a broken line instead of showing the answer. Of a long body nothing is
    read: it would hold a worker for nothing.
    """
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not _LENGTH.fullmatch(length) or int(length) > LINGERING:
        return
    with contextlib.suppress(OSError, ValueError):
        while request.read(_BLOCK):
            pass
