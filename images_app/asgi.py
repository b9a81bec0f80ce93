"""Wrappers of ASGI applications: PathSend for what leaves, BodyLimit for what comes in."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext

from images_app.delivery.streaming import SEND_PATH
from images_app.exceptions import UploadRefused

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
    """Wraps an ASGI application: no request brings more than so many bytes.

    Django writes the whole body to disk before any of its code can refuse it. What is announced
    as too large is refused before a byte is read; what turns out to be, as soon as it is.

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
        if _announced_length(scope) > limit:
            await _refuse(send, limit)
            return
        body = _Body(receive, send, limit)
        await self._application(scope, body.receive, body.send)
        if body.is_too_large and not body.is_answered:
            await _refuse(send, limit)


def _default_limit() -> int:
    # Not above: asgi.py imports this room before Django is set up.
    from images_app.uploads import longest_body  # noqa: PLC0415

    return longest_body()


class _Body:
    """The body of one request, which ends for the application where it gets too large."""

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive, self._send, self._left = receive, send, limit
        self.is_answered = False

    @property
    def is_too_large(self) -> bool:
        return self._left < 0

    async def receive(self) -> Message:
        message: Message = {"type": "http.disconnect"}
        if not self.is_too_large:
            message = await self._receive()
            self._left -= len(message.get("body", b""))
        # As if the client had gone: an application stops then, and lets go of what it has kept.
        return {"type": "http.disconnect"} if self.is_too_large else message

    async def send(self, message: Message) -> None:
        self.is_answered = True
        await self._send(message)


def _announced_length(scope: Message) -> int:
    """Answer with the Content-Length; 0 where there is none that can be read."""
    for name, value in scope.get("headers", ()):
        if bytes(name).lower() == b"content-length" and bytes(value).isdigit():
            return int(value)
    return 0


async def _refuse(send: Send, limit: int) -> None:
    """Answer as the upload views do; the server drops what still comes, or the connection."""
    error = UploadRefused("too_large", limit=filesizeformat(limit))
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
