"""HTTP as values: header sets, conditional answers, Range arithmetic, error answers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header
from django.views.decorators.csrf import csrf_exempt

from images_app.bodies import NOTHING, takes
from images_app.exceptions import ImagesAppError
from images_app.representation import Representation
from images_app.specs import CONTENT_TYPES, RenditionSpec

ALLOWED_METHODS = ("GET", "HEAD")
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
# Latin control characters, what separates paths, and the marks that turn text around.
_UNSAFE_IN_FILENAME = re.compile(
    r"[\x00-\x1f\x7f-\x9f/\\:\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069]+"
)
# RFC 9110 14.1.2: one range, whole or open at either end.
_SINGLE_RANGE = re.compile(
    r"bytes\s*=\s*(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))\s*", re.IGNORECASE | re.ASCII
)


# RFC 9110 13.1; If-Range belongs to Range.
_CONDITIONS = {"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE"}
_REFUSED = re.compile(r"\s*q\s*=\s*0(\.0*)?\s*")  # RFC 9110 12.4.2


@dataclass(frozen=True, kw_only=True)
class ByteRange:
    """Bytes ``start`` up to, not including, ``stop``."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.stop - self.start

    def content_range(self, total: int) -> str:
        """Answer with the Content-Range value of a 206 (RFC 9110 14.4)."""
        return f"bytes {self.start}-{self.stop - 1}/{total}"


class RangeNotSatisfiable(Exception):
    """The one range asked for lies outside the representation."""


class AsItIsMixin(HttpResponseBase):
    """An answer whose bytes leave as they are: its content coding has been decided (RFC 9110 8.4).

    Images do not get smaller, their ranges would be cut from the wrong bytes, and an empty answer
    would get a body. Django's GZipMiddleware and its kind leave alone what has a
    Content-Encoding, so they are told that there is one; the header itself is never sent, for
    "identity" may not be.
    """

    def has_header(self, header: str) -> bool:
        """Return whether a header is set; of Content-Encoding always True."""
        return header.lower() == "content-encoding" or super().has_header(header)

    __contains__ = has_header

    def __getitem__(self, header: str) -> str:
        """Return a header; of Content-Encoding at least what no coding is called."""
        if header.lower() == "content-encoding":
            return self.headers.get(header, "identity")
        return super().__getitem__(header)


class AsItIsResponse(AsItIsMixin, HttpResponse):
    """Bytes in memory, or none, that no middleware is to compress."""


class AsItIsStream(AsItIsMixin, StreamingHttpResponse):
    """A stream that no middleware is to compress."""


def representation_headers(representation: Representation) -> dict[str, str]:
    """Answer with the full header set that 200, 206 and 304 share."""
    headers = {
        "Content-Type": representation.content_type,
        "ETag": representation.etag,
        "Cache-Control": cache_control(representation),
        "Cross-Origin-Resource-Policy": "cross-origin"
        if representation.is_public
        else "same-origin",
        **SECURITY_HEADERS,
    }
    if not representation.is_public:
        headers |= {"X-Robots-Tag": "noindex", "Referrer-Policy": "same-origin"}
    by_cookie = not (representation.is_public or representation.is_signed)
    varies = {"Accept": representation.is_negotiated, "Cookie": by_cookie}
    if any(varies.values()):
        headers["Vary"] = ", ".join(name for name, does in varies.items() if does)
    disposition = content_disposition_header(
        representation.is_attachment, safe_filename(representation.filename)
    )
    if disposition:
        headers["Content-Disposition"] = disposition
    return headers


def negotiate(accept: str, specs: Sequence[RenditionSpec]) -> RenditionSpec:
    """Choose among specs, best first, by an Accept header (RFC 9110 12.5.1).

    A format counts only where it is named: ``*/*`` is what clients send that know neither
    WebP nor AVIF. The last spec is for them, and for who accepts no image at all.
    """
    named = {media.strip(): parameters for media, *parameters in _parts_of(accept)}
    for spec in specs[:-1]:
        parameters = named.get(CONTENT_TYPES[spec.format])
        if parameters is not None and not any(map(_REFUSED.fullmatch, parameters)):
            return spec
    return specs[-1]


def _parts_of(accept: str) -> list[list[str]]:
    return [entry.lower().split(";") for entry in accept.split(",")]


def cache_control(representation: Representation) -> str:
    """Answer with the Cache-Control value: `private` unless anyone may see it (RFC 9111 5.2.2)."""
    audience = "public" if representation.is_public else "private"
    if representation.max_age <= 0:
        return f"{audience}, no-cache"
    fresh = f"{audience}, max-age={representation.max_age}"
    return f"{fresh}, immutable" if representation.is_immutable else fresh


def safe_filename(name: str) -> str:
    """Answer with a name that is safe to offer for saving; empty if nothing is left of it."""
    cleaned = _UNSAFE_IN_FILENAME.sub("_", name).encode(errors="replace").decode()
    return cleaned.strip(" .")[-150:].lstrip(" .")


def conditional_response(
    request: HttpRequest, etag: str, headers: dict[str, str]
) -> HttpResponseBase | None:
    """Answer with the 304 or 412 that the request's validators ask for, else None.

    Django compares weak, listed and ``*`` tags as RFC 9110 13 says.
    """
    if not _CONDITIONS & request.META.keys():
        return None
    with _without_unmodified_since(request):
        response = get_conditional_response(request, etag=etag)
    if response is None:
        return None
    if response.status_code != HTTPStatus.NOT_MODIFIED:
        return plain_response(response.status_code, "The image has changed.")
    kept = {
        name: value
        for name, value in headers.items()
        if not name.startswith("Content-") or name == "Content-Security-Policy"
    }
    not_modified = bodiless_response(request, HTTPStatus.NOT_MODIFIED, kept)
    del not_modified.headers["Content-Type"]
    return not_modified


def bodiless_response(request: HttpRequest, status: int, headers: dict[str, str]) -> AsItIsStream:
    """Return an answer whose status allows no body.

    Streamed, or Django's middleware would add `Content-Length: 0`, which is not the length of
    what a 200 would send, and forbidden in a 204 (RFC 9110 8.6).
    """
    nothing = _nothing_async() if isinstance(request, ASGIRequest) else iter(())
    return AsItIsStream(nothing, status=status, headers=headers)


@contextmanager
def _without_unmodified_since(request: HttpRequest) -> Iterator[None]:
    """Hide what is ignored where there is no date to compare with (RFC 9110 13.1.4).

    Django would answer 412. It is put back, for a web server behind which we are sees it too.
    """
    name = "HTTP_IF_UNMODIFIED_SINCE"
    hidden = request.META.pop(name, None)
    yield
    if hidden is not None:
        request.META[name] = hidden


async def _nothing_async() -> AsyncIterator[bytes]:
    for block in list[bytes]():
        yield block


def requested_range(request: HttpRequest, etag: str, length: int) -> ByteRange | None:
    """Answer with the one range that a GET asks for, or None for the whole.

    Raises:
        RangeNotSatisfiable: when it starts behind the end (RFC 9110 15.5.17).

    """
    value = request.headers.get("Range")
    if value is None or request.method != "GET" or not _if_range_holds(request, etag):
        return None
    match = _SINGLE_RANGE.fullmatch(value.strip())
    if match is None:  # another unit, several ranges, nonsense: RFC 9110 14.2 lets us ignore it
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        start, stop = max(0, length - int(suffix)), length
    else:
        start, stop = int(first), min(length, int(last) + 1 if last else length)
        if last and int(last) < start:  # invalid, so ignored
            return None
    if start >= stop:
        raise RangeNotSatisfiable
    return ByteRange(start=start, stop=stop)


def _if_range_holds(request: HttpRequest, etag: str) -> bool:
    """Tell whether a Range may be honoured: If-Range needs a strong match (RFC 9110 13.1.5)."""
    condition = request.headers.get("If-Range")
    if condition is None:
        return True
    return condition.strip() == etag and not etag.startswith("W/")


def plain_response(status: int, text: str, **headers: str) -> HttpResponse:
    """Answer with a short text that nobody stores: what every refusal of bytes looks like."""
    response = HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
    for name, value in {
        "Cache-Control": "no-store",
        "Vary": "Cookie",
        "X-Robots-Tag": "noindex",
        **SECURITY_HEADERS,
    }.items():
        response.headers[name] = value
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    return response


def not_found() -> HttpResponse:
    """Answer with the one 404 of image bytes: the same for absent and for forbidden."""
    return plain_response(404, "Not found.")


def method_not_allowed() -> HttpResponse:
    """Answer with the 405 that is decided before any lookup."""
    return plain_response(405, "Method not allowed.", Allow=", ".join(ALLOWED_METHODS))


def read_only(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Refuse all methods but GET and HEAD, before Django looks for a CSRF token."""

    @takes(NOTHING)
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method not in ALLOWED_METHODS:
            return method_not_allowed()
        return view(request, *args, **kwargs)

    return csrf_exempt(answer)


def range_not_satisfiable(length: int) -> HttpResponse:
    """Answer with the 416 that tells the real length (RFC 9110 15.5.17)."""
    return plain_response(416, "Range not satisfiable.", Content_Range=f"bytes */{length}")


def error_response(error: ImagesAppError) -> HttpResponse:
    """Translate one of our failures to HTTP; the only place that does."""
    headers = {} if error.retry_after is None else {"Retry_After": str(error.retry_after)}
    return plain_response(error.status_code, error.public_message % error.params, **headers)
