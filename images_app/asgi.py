"""Wrappers of ASGI applications: PathSend for what leaves, BodyLimit for what comes in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import nullcontext
from http import HTTPStatus
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.urls import Resolver404, resolve
from django.utils.translation import get_language_from_path, gettext, override

from images_app.bodies import FILES, Intake, intake_of
from images_app.delivery.streaming import SEND_PATH
from images_app.exceptions import UploadRefused

_MOST_DIGITS = 19  # of a Content-Length

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

EXTENSION = "http.response.pathsend"  # ASGI specification, Extensions, Path Send


class PathSend:
    """Wraps an ASGI application, such as that of get_asgi_application().

    Whole originals and renditions with a path of their own are then sent by the server
    itself, if it offers the extension (Granian does). All else passes through untouched.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or EXTENSION not in (scope.get("extensions") or {}):
            await self._application(scope, receive, send)
            return
        answer = _Answer(send)
        # A copy, for the scope is the server's. No part of a request becomes a key of it, so
        # that no client can put one there.
        ours = {**scope, SEND_PATH: answer.send_path}
        await self._application(ours, receive, answer.send)


class _Answer:
    """What is sent on one connection: the application's messages, or a path in their place."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None  # while it is the latest message
        self._is_complete = False

    async def send(self, message: Message) -> None:
        if self._is_complete:
            return  # Django ends each stream with an empty body, which may not follow a path
        self._start = message if message["type"] == "http.response.start" else None
        await self._send(message)

    async def send_path(self, path: str, length: int) -> bool:
        """See SendPath. The path goes to the server only; no header ever has it."""
        if self._start is None or not _is_whole(self._start, length):
            return False
        self._start, self._is_complete = None, True
        await self._send({"type": EXTENSION, "path": path})
        return True


def _is_whole(start: Message, length: int) -> bool:
    """Tell whether a file's own bytes are what was announced: some middleware compress."""
    headers = [(bytes(name).lower(), bytes(value)) for name, value in start.get("headers", ())]
    lengths = [value for name, value in headers if name == b"content-length"]
    is_encoded = any(name == b"content-encoding" for name, _ in headers)
    return start["status"] == HTTPStatus.OK and lengths == [b"%d" % length] and not is_encoded


class BodyLimit:
    """Wraps an ASGI application: no request brings more than the address takes.

    Django writes the whole body to disk before any of its code can refuse it. What is announced
    as too large is refused before a byte is read; what turns out to be, as soon as it is. Of our
    own addresses each has a limit of its own, a few kB for most; `max_bytes` is that of all others.

    Args:
        application: such as that of get_asgi_application().
        max_bytes: of one body. By default one image of ``MAX_UPLOAD_BYTES`` and what a form has
            besides; a form without JavaScript that sends several at once needs more.

    """

    def __init__(self, application: Application, max_bytes: int | None = None) -> None:
        self._application = application
        self._max_bytes = max_bytes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        limit = _default_limit() if self._max_bytes is None else self._max_bytes
        body = _Body(scope, receive, send, limit)
        error = await body.refusal()
        if error is None:
            await self._application(scope, body.receive, body.send)
            error = body.refusal_so_far()
        if error is not None:
            await _refuse(send, error)


def _default_limit() -> int:
    # Not above: asgi.py imports this room before Django is set up.
    from images_app.uploads import longest_body  # noqa: PLC0415

    return longest_body()


def _intake_at(path: str, root_path: str) -> Intake:
    """Return what an address takes; what a file may have where it is not ours, or leads nowhere."""
    path = path.removeprefix((settings.FORCE_SCRIPT_NAME or root_path).rstrip("/"))
    language = get_language_from_path(path)  # which i18n_patterns() would go by
    try:
        with override(language) if language else nullcontext():
            view = resolve(path).func
    except Resolver404:
        return FILES
    return intake_of(view) or FILES


class _Body:
    """The body of one request, which ends for the application where it gets too large."""

    def __init__(self, scope: Message, receive: Receive, send: Send, limit: int) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._limit, self._intake = limit, FILES
        self._is_known = self._is_answered = self._has_ended = False
        self._received = 0

    async def refusal(self) -> UploadRefused | None:
        """Return what is wrong by the headers alone."""
        length = _announced_length(self._scope)
        if length == 0:  # or it is not said: the address is asked once there is a byte
            return None
        await self._learn()
        if self._limit == 0:
            return None
        if _is_multipart(self._scope) and not self._intake.takes_multipart:
            return UploadRefused("unsupported")
        return self._too_large() if length > self._limit else None

    def refusal_so_far(self) -> UploadRefused | None:
        """Return what turned out to be wrong, unless the application has said it."""
        is_told = self._is_answered or not self._is_too_large
        return None if is_told else self._too_large()

    async def receive(self) -> Message:
        """Return the next message for the application."""
        if self._has_ended:
            # Whether the client goes is not seen: to be told of it, its body would have to be read.
            await asyncio.Event().wait()
        if self._is_known and self._limit == 0:
            return self._end()
        message: Message = {"type": "http.disconnect"}
        if not self._is_too_large:
            message = await self._receive()
            self._received += len(message.get("body", b""))
        if self._received and not self._is_known:
            await self._learn()
            if self._limit == 0:
                return self._end()
        # As if the client had gone: an application stops then, and lets go of what it has kept.
        return {"type": "http.disconnect"} if self._is_too_large else message

    async def send(self, message: Message) -> None:
        """Send, and note that there is an answer."""
        self._is_answered = True
        await self._send(message)

    async def _learn(self) -> None:
        """Ask the address what it takes; in a thread, for it may ask the database who it is."""
        path, root_path = self._scope["path"], self._scope.get("root_path", "")
        self._intake = await sync_to_async(_intake_at)(path, root_path)
        if self._intake.most_bytes is not None:
            self._limit = min(self._limit, self._intake.most_bytes())
        self._is_known = True

    def _end(self) -> Message:
        """Let a body end before it begins, where nothing looks at it."""
        self._has_ended, self._received = True, 0
        return {"type": "http.request", "body": b"", "more_body": False}

    @property
    def _is_too_large(self) -> bool:
        return self._received > self._limit

    def _too_large(self) -> UploadRefused:
        code = "too_large" if self._intake.most_bytes is None else "too_long"
        return UploadRefused(code, limit=filesizeformat(self._limit))


def _is_multipart(scope: Message) -> bool:
    value = _header(scope, b"content-type") or b""
    return value.partition(b";")[0].strip().lower() == b"multipart/form-data"


def _header(scope: Message, wanted: bytes) -> bytes | None:
    for name, value in scope.get("headers", ()):
        if bytes(name).lower() == wanted:
            return bytes(value)
    return None


def _announced_length(scope: Message) -> int:
    """Return the Content-Length; 0 where there is none that can be read."""
    value = _header(scope, b"content-length") or b""
    is_readable = value.isdigit() and len(value) < _MOST_DIGITS  # of longer ones int() raises
    return int(value) if is_readable else 0


async def _refuse(send: Send, error: UploadRefused) -> None:
    """Answer as the upload views do; the server drops what still comes, or the connection."""
    message = gettext(error.public_message) % error.params
    body = json.dumps({"error": {"code": error.code, "message": message}}).encode()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status_code, "headers": sent})
    await send({"type": "http.response.body", "body": body})
