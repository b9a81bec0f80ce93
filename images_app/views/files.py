"""The bytes: originals and renditions, by one straight line that is never reordered."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase

from images_app import audit
from images_app.access import Level
from images_app.conf import get_engine, get_settings, get_signer
from images_app.exceptions import ImagesAppError
from images_app.http import (
    bodiless_response,
    error_response,
    negotiate,
    not_found,
    plain_response,
    read_only,
    representation_headers,
    safe_filename,
)
from images_app.models.access_entry import Kind, Reason
from images_app.renditions import (
    is_made_for,
    locate_original,
    locate_rendition,
    locate_unrecorded,
    resolve,
)
from images_app.representation import Location, Representation
from images_app.specs import CONTENT_TYPES, EXTENSIONS, FOREIGN_FORMATS, RenditionSpec
from images_app.views.authorise import ANONYMOUS, find_image, find_signed_image
from images_app.views.sending import send_representation

logger = logging.getLogger("images_app.views")

_VERSION = re.compile(r"[1-9][0-9]{0,9}")

View = Callable[..., HttpResponseBase]


def _image_bytes(view: Callable[..., Representation | None]) -> View:
    """Carry a view's representation to the client; None is the one 404."""

    @login_not_required  # LoginRequiredMiddleware would tell strangers what is there
    @read_only
    @wraps(view)
    def answer(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        try:
            representation = view(request, **kwargs)
            if representation is None:
                return not_found()
            return send_representation(request, representation)
        except Http404:
            return not_found()
        except ImagesAppError as error:
            logger.error("%s image=%s", error, kwargs["public_id"])  # noqa: TRY400 (no bug of ours)
            return error_response(error)

    return answer


@login_not_required
@read_only
def nothing(request: HttpRequest, *, rest: str) -> HttpResponseBase:
    """Answer for an address that no image can have, as for one that it has not."""
    return not_found()


@_image_bytes
def rendition(
    request: HttpRequest, *, public_id: UUID, version: str, file_name: str
) -> Representation | None:
    """Send a rendition, making it where nobody has asked before.

    A signature is a decision that was made before, and holds for who sends it. Without one, or
    when it has expired, the policy decides.
    """
    return _signed_rendition(request, public_id, version, file_name) or _decided_rendition(
        request, public_id, version, file_name
    )


@login_not_required
@read_only
def decision(
    request: HttpRequest, *, public_id: UUID, version: str, file_name: str
) -> HttpResponseBase:
    """Tell a web server whether it may send a rendition: 204 with all its headers, or 403."""
    representation = _decided_rendition(request, public_id, version, file_name)
    if representation is None:
        return plain_response(HTTPStatus.FORBIDDEN, "Forbidden.")
    headers = representation_headers(representation)
    return bodiless_response(request, HTTPStatus.NO_CONTENT, headers)


def _decided_rendition(
    request: HttpRequest, public_id: UUID, version: str, file_name: str
) -> Representation | None:
    """Represent a rendition by the policy's decision; None is the one 404."""
    meaning = resolve(file_name)
    if meaning is None:
        return None
    spec = negotiate(request.headers.get("Accept", ""), meaning.specs)
    identity = spec.fingerprint(get_engine().output_version), spec.format
    level, kind = meaning.presets[0].level, Kind.RENDITION
    found = find_image(
        request, public_id, level, kind=kind, rendition=identity, watermark=meaning.watermark
    )
    if found is None:
        return None
    image = found.image
    # As text: "01" would be a second address of the same bytes.
    if str(image.version) != version or not is_made_for(image, meaning):
        audit.denied(found.viewer, kind, public_id, level, reason=Reason.OUTDATED)
        return None
    audit.allowed(found.viewer, kind, public_id, level, watermark=meaning.watermark)
    return Representation(
        content_type=CONTENT_TYPES[spec.format],
        etag=_etag(version, file_name, spec),
        filename=_offered_name(image.title, public_id, EXTENSIONS[spec.format]),
        is_public=found.is_public,
        is_negotiated=len(meaning.specs) > 1,
        max_age=min(preset.max_age for preset in meaning.presets),
        locate=lambda: locate_rendition(image, spec),
    )


def _signed_rendition(
    request: HttpRequest, public_id: UUID, version: str, file_name: str
) -> Representation | None:
    """Represent a rendition by its URL's signature, without a query; None where none holds."""
    signer, meaning = get_signer(), resolve(file_name)
    if signer is None or meaning is None or not _VERSION.fullmatch(version):
        return None
    until = signer.verify(request)
    if until is None:
        return None
    spec = negotiate(request.headers.get("Accept", ""), meaning.specs)
    level, kind = meaning.presets[0].level, Kind.RENDITION
    audit.allowed(ANONYMOUS, kind, public_id, level, reason=Reason.SIGNED)

    def locate() -> Location:
        location = locate_unrecorded(public_id, int(version), spec)
        if location is not None:
            return location
        image = find_signed_image(public_id)
        if image is None or image.version != int(version) or not is_made_for(image, meaning):
            reason = Reason.OUTDATED if image else ""
            audit.denied(ANONYMOUS, kind, public_id, level, reason=reason)
            raise Http404
        return locate_rendition(image, spec)

    return Representation(
        content_type=CONTENT_TYPES[spec.format],
        etag=_etag(version, file_name, spec),
        filename=f"{public_id}.{EXTENSIONS[spec.format]}",
        is_signed=True,
        is_negotiated=len(meaning.specs) > 1,
        max_age=min(int(until - time.time()), *(preset.max_age for preset in meaning.presets)),
        locate=locate,
    )


def _etag(version: str, file_name: str, spec: RenditionSpec) -> str:
    """Answer with a validator that nginx can tell from the URL alone; see deploy/."""
    return f'W/"{version}-{file_name.partition(".")[0]}-{EXTENSIONS[spec.format]}"'


def _offered_name(name: str, otherwise: object, extension: str) -> str:
    """Return the name for saving: of the other one, where nothing of the first can stand in it."""
    return f"{safe_filename(name) or otherwise}.{extension}"


@_image_bytes
def original(request: HttpRequest, *, public_id: UUID, file_name: str) -> Representation | None:
    """Send an original; with ``?download`` for saving."""
    level, kind = Level.ORIGINAL, Kind.ORIGINAL
    found = find_image(request, public_id, level, kind=kind)
    if found is None:
        return None
    image = found.image
    if file_name != f"{image.version}.{EXTENSIONS[image.format]}":
        audit.denied(found.viewer, kind, public_id, level, reason=Reason.OUTDATED)
        return None
    audit.allowed(found.viewer, kind, public_id, level)
    return Representation(
        content_type=image.content_type,
        etag=f'"{image.version}-original"',
        # The client's name, with our extension: a JPEG never comes back as a page.
        filename=_offered_name(
            PurePosixPath(image.file_name).stem, image.version, EXTENSIONS[image.format]
        ),
        # What a browser cannot show would only confuse it.
        is_attachment="download" in request.GET or image.format in FOREIGN_FORMATS,
        is_public=found.is_public,
        max_age=get_settings().original_max_age,
        locate=lambda: locate_original(image),
    )
