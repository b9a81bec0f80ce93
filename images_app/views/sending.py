"""Sending a representation: the straight line from validators to bytes, for every view."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from images_app.conf import get_delivery
from images_app.http import (
    ALLOWED_METHODS,
    conditional_response,
    method_not_allowed,
    representation_headers,
)
from images_app.representation import Representation


def send_representation(request: HttpRequest, representation: Representation) -> HttpResponseBase:
    """Answer with what a viewer may have: 200, 206, 304, 405, 412 or 416, with all headers.

    The caller has authorised the request already.

    Raises:
        ImagesAppError: when the bytes cannot be had.

    """
    if request.method not in ALLOWED_METHODS:
        return method_not_allowed()
    headers = representation_headers(representation)
    answered = conditional_response(request, representation.etag, headers)
    if answered is not None:
        return answered
    location = representation.locate()
    return get_delivery().deliver(request, location, representation.etag, headers)
