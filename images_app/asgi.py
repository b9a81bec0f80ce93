"""PathSend: whole files leave without passing through Python, where the ASGI server can do that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from images_app.delivery.streaming import SEND_PATH

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
