"""The tus protocol 1.0.0: what its headers say, and what it says around every answer."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from images_app.conf import get_settings
from images_app.exceptions import UploadRefused
from images_app.http import bodiless_response
from images_app.models.partial_upload import LONGEST_METADATA
from images_app.views.answers import View, json_error, uploading
from images_app.views.guarding import without_transaction

VERSION = "1.0.0"
ALGORITHMS = ("sha256", "sha1")
PART_TYPE = "application/offset+octet-stream"
_NUMBER = re.compile(r"[0-9]{1,18}")


def method_of(request: HttpRequest) -> str | None:
    """Answer with the method that is meant: some proxies let none but GET and POST through.

    Only a POST may say so, for Django checks it for CSRF.
    """
    override = request.headers.get("X-HTTP-Method-Override")
    return override.upper() if override and request.method == "POST" else request.method


def tus_view(*methods: str) -> Callable[[View], View]:
    """Speak the protocol around a view: its version, and what it can do."""

    def decorate(view: View) -> View:
        @uploading(*methods, method_of=method_of)
        def of_this_version(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
            if request.headers.get("Tus-Resumable") != VERSION:
                return _other_version()
            return view(request, **kwargs)

        @without_transaction
        @login_not_required
        @csrf_exempt
        @wraps(view)
        def answer(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
            if method_of(request) == "OPTIONS":
                response = _abilities(request)
            else:
                response = of_this_version(request, **kwargs)
            response.headers["Tus-Resumable"] = VERSION
            return response

        return answer

    return decorate


def read_number(request: HttpRequest, name: str) -> int | None:
    """Answer with the number in a header; None where there is none."""
    value = request.headers.get(name, "")
    return int(value) if _NUMBER.fullmatch(value) else None


def read_checksum(request: HttpRequest) -> tuple[Any, bytes | None]:
    """Answer with what counts the checksum of a part, and what it has to be, if that is said."""
    said = request.headers.get("Upload-Checksum")
    if said is None:
        return hashlib.sha1(usedforsecurity=False), None
    algorithm, _space, value = said.partition(" ")
    if algorithm not in ALGORITHMS:
        raise UploadRefused("unreadable", "Upload-Checksum")
    return hashlib.new(algorithm, usedforsecurity=False), _decoded(value)


def read_metadata(request: HttpRequest) -> str:
    """Answer with the metadata as they were sent, if they can be read."""
    metadata = request.headers.get("Upload-Metadata", "")
    is_plain = metadata.isascii() and metadata.isprintable()
    if len(metadata) > LONGEST_METADATA or not is_plain:
        raise UploadRefused("unreadable", "Upload-Metadata")
    file_name_of(metadata)
    return metadata


def file_name_of(metadata: str) -> str:
    """Answer with the name of the file; ingest makes it safe."""
    pairs = (pair.strip().partition(" ") for pair in metadata.split(",") if pair.strip())
    values = {key: _decoded(value) for key, _space, value in pairs}
    return values.get("filename", b"").decode(errors="replace")


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value.encode("ascii"), validate=True)
    except ValueError as error:  # of binascii, too
        raise UploadRefused("unreadable", "Base64") from error


def done(request: HttpRequest, headers: dict[str, str]) -> HttpResponseBase:
    """Answer 204, with the headers of the protocol."""
    kept = {"Cache-Control": "no-store", "Vary": "Cookie", **headers}
    response = bodiless_response(request, HTTPStatus.NO_CONTENT, kept)
    del response.headers["Content-Type"]
    return response


def _abilities(request: HttpRequest) -> HttpResponseBase:
    """Tell what is understood here; it is the same for everybody."""
    headers = {
        "Tus-Version": VERSION,
        "Tus-Extension": "creation,expiration,checksum,termination",
        "Tus-Max-Size": str(get_settings().max_upload_bytes),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }
    return done(request, headers)


def _other_version() -> HttpResponseBase:
    message = _("Only version 1.0.0 of the tus protocol is understood here.")
    response = json_error("version", message, HTTPStatus.PRECONDITION_FAILED)
    response.headers["Tus-Version"] = VERSION
    return response
