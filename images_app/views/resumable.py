"""Uploads that can be resumed, by the tus protocol 1.0.0."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import IO
from uuid import UUID

from django.http import Http404, HttpRequest, UnreadablePostError
from django.http.response import HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.http import http_date
from django.views.decorators.csrf import csrf_protect

from images_app.access import Viewer
from images_app.bodies import Intake, takes
from images_app.exceptions import ChecksumMismatch, StorageUnavailable, UploadRefused
from images_app.models import PartialUpload
from images_app.temporary import temporary_file
from images_app.uploads import Target
from images_app.uploads.gate import check_length
from images_app.uploads.read_before import unread_body
from images_app.uploads.resuming import append, begin, check_part, drop, find_upload, finish
from images_app.uploads.small import NO_FORM, read_small
from images_app.views.answers import json_answer
from images_app.views.authorise import viewer_of
from images_app.views.tus import (
    PART_TYPE,
    done,
    file_name_of,
    method_of,
    read_checksum,
    read_metadata,
    read_number,
    tus_view,
)
from images_app.views.upload import may_add, read_duplicates, read_target, taken_as_json

LONGEST_PART = 16 * 2**20
"""Bytes that one request may bring."""
PART = Intake(most_bytes=lambda: LONGEST_PART, takes_multipart=False)
_BLOCK = 64 * 1024


@tus_view("POST", "OPTIONS")
@takes(NO_FORM)
def resumable(request: HttpRequest) -> HttpResponseBase:
    """Begin an upload, where the query says."""
    viewer = viewer_of(request)
    target = read_target(request.GET, viewer)
    read_small(request, NO_FORM)
    return _begin(request, viewer, target)


@csrf_protect
def _begin(request: HttpRequest, viewer: Viewer, target: Target) -> HttpResponseBase:
    length, metadata = read_number(request, "Upload-Length"), read_metadata(request)
    if length is None:
        raise UploadRefused("length_required")
    upload = begin(viewer, target, length=length, metadata=metadata)
    response = json_answer({}, HTTPStatus.CREATED)
    response.headers["Location"] = reverse("images_app:resumable_part", args=[upload.public_id])
    response.headers["Upload-Expires"] = http_date(upload.expires_at.timestamp())
    return response


@tus_view("HEAD", "PATCH", "DELETE", "OPTIONS")
@takes(PART)
def resumable_part(request: HttpRequest, *, public_id: UUID) -> HttpResponseBase:
    """Tell how far an upload is, take its next part, or forget it; of others' nothing is told."""
    viewer = viewer_of(request)
    upload = find_upload(viewer.user, public_id)
    if upload is None or not may_add(viewer, upload.gallery):
        raise Http404
    match method_of(request):
        case "HEAD":
            return _tell(request, upload)
        case "DELETE":
            read_small(request, NO_FORM)  # of a POST that means it, the body is read for CSRF
            return _forget(request, upload)
        case _:
            return _go_on(request, viewer, upload)


def _tell(request: HttpRequest, upload: PartialUpload) -> HttpResponseBase:
    response = json_answer({})
    for name, value in _state(upload).items():
        response.headers[name] = value
    response.headers["Upload-Length"] = str(upload.length)
    if upload.metadata:
        response.headers["Upload-Metadata"] = upload.metadata
    return response


@csrf_protect
def _forget(request: HttpRequest, upload: PartialUpload) -> HttpResponseBase:
    drop(upload)
    return done(request, {})


def _go_on(request: HttpRequest, viewer: Viewer, upload: PartialUpload) -> HttpResponseBase:
    """Take a part, after all that can be known of it before it is read."""
    if request.content_type != PART_TYPE:
        raise UploadRefused("unsupported")
    try:
        length = check_length(request, LONGEST_PART)
    except UploadRefused as error:
        if error.code != "too_large":
            raise
        limit = filesizeformat(LONGEST_PART)
        raise UploadRefused("chunk_too_large", limit=limit) from error
    return _append(request, viewer, upload, length)


@csrf_protect
def _append(
    request: HttpRequest, viewer: Viewer, upload: PartialUpload, length: int
) -> HttpResponseBase:
    offset = read_number(request, "Upload-Offset")
    if offset is None:
        raise UploadRefused("unreadable", "Upload-Offset")
    duplicates = read_duplicates(request.GET, upload.duplicates)
    check_part(upload, offset, length)  # before it is read
    with _read_part(request, length) as (part, arrived):
        append(upload, offset, part, arrived)
    if not upload.is_complete:
        return done(request, _state(upload))
    if not may_add(viewer, upload.gallery):  # any more: a part may take long to come
        raise Http404
    target = Target(gallery=upload.gallery, position=upload.position, duplicates=duplicates)
    taken = finish(upload, viewer, target, file_name=file_name_of(upload.metadata))
    response = taken_as_json(taken, viewer, target)
    if response.status_code == HTTPStatus.CREATED:
        response.status_code = HTTPStatus.OK  # of the upload nothing is created here
    for name, value in _state(upload).items():
        response.headers[name] = value
    return response


@contextmanager
def _read_part(request: HttpRequest, length: int) -> Iterator[tuple[IO[bytes], int]]:
    """Read a part into a temporary file; what arrives of one that is broken off counts, too.

    Raises:
        ChecksumMismatch: when it is not what its sender says it is.
        StorageUnavailable: when there is no room for it on this machine.

    """
    digest, expected = read_checksum(request)
    body, arrived = unread_body(request), 0
    with temporary_file() as part:
        try:
            while block := body.read(min(_BLOCK, length - arrived)):
                part.write(block)
                digest.update(block)
                arrived += len(block)
        except UnreadablePostError:
            pass
        except OSError as error:
            raise StorageUnavailable(type(error).__name__) from error
        if expected is not None and not hmac.compare_digest(digest.digest(), expected):
            raise ChecksumMismatch
        yield part, arrived


def _state(upload: PartialUpload) -> dict[str, str]:
    return {
        "Upload-Offset": str(upload.offset),
        "Upload-Expires": http_date(upload.expires_at.timestamp()),
    }
