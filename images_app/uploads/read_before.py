"""Bodies that somebody has read before the view: a middleware, which may not know what comes in."""

from __future__ import annotations

import logging
from io import BytesIO
from typing import IO, Any, cast

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest

from images_app.conf import get_settings
from images_app.exceptions import UploadRefused
from images_app.uploads.handler import TooLargeFile

logger = logging.getLogger("images_app.uploads")


def was_parsed(request: HttpRequest) -> bool:
    """Return whether a form has been parsed already: nobody can ask for that a second time."""
    return hasattr(request, "_files")


def hold_parsed(request: HttpRequest, length: int, *, most_files: int | None) -> bool:
    """Hold what was parsed to what a file may have, and return whether there are too many.

    Args:
        request: whose files are kept where Django's handlers have put them.
        length: of its body.
        most_files: that it may have; see read_form. Of more, none is kept.

    Raises:
        UploadRefused: when nothing came of parsing it.

    """
    if length and most_files != 0 and not request.POST and not request.FILES:
        # Django leaves both empty where parsing failed; who asked has kept that to itself.
        raise UploadRefused("unreadable", "parsed before the view, in vain")
    limit, files = get_settings().max_upload_bytes, cast("Any", request.FILES)
    number = sum(len(several) for _name, several in files.lists())
    has_too_many = most_files is not None and number > most_files
    for name, several in list(files.lists()):
        kept = [] if has_too_many else [_held(file, limit) for file in several]
        for file in several:
            if file not in kept:
                file.close()  # a temporary file goes with that
        files.setlist(name, kept)
    if has_too_many:
        files.clear()
    return has_too_many


def _held(file: UploadedFile[bytes], limit: int) -> UploadedFile[bytes]:
    is_within = file.size is not None and file.size <= limit
    return file if is_within else TooLargeFile(file.name or "", limit)


def refuse_if_read(request: HttpRequest) -> None:
    """Refuse a body that has been read and is kept nowhere: what it was can nobody tell.

    Raises:
        UploadRefused: which the log explains to who runs the site.

    """
    has_body = request.META.get("CONTENT_LENGTH") not in {None, "", "0"}
    if has_body and getattr(request, "_read_started", False) and not _is_kept(request):
        logger.error(
            "code=read_before view=%s: a middleware reads from the request before the view. "
            "Have it leave this view alone.",
            getattr(request.resolver_match, "view_name", ""),  # no address: some hold a token
        )
        raise UploadRefused("read_before")


def _is_kept(request: HttpRequest) -> bool:
    return hasattr(request, "_body") or was_parsed(request)


def unread_body(request: HttpRequest) -> IO[bytes]:
    """Return the body as a file, from its beginning, whoever has asked for it before.

    Raises:
        UploadRefused: see refuse_if_read.

    """
    refuse_if_read(request)
    return BytesIO(request.body) if hasattr(request, "_body") else cast("IO[bytes]", request)
