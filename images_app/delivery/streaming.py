"""StreamingDelivery: Django sends the bytes, in constant memory under WSGI and ASGI alike."""

from __future__ import annotations

import asyncio
import io
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from images_app.http import (
    AsItIsResponse,
    AsItIsStream,
    ByteRange,
    RangeNotSatisfiable,
    range_not_satisfiable,
    requested_range,
)
from images_app.representation import Location

logger = logging.getLogger("images_app.delivery")

# Django's own 4 KiB costs two thirds of the throughput of some servers.
BLOCK_SIZE = 64 * 1024  # bytes

# The key of an ASGI scope under which images_app.asgi.PathSend offers a SendPath: given a path
# and the bytes it has, it lets the server send them, or says False where the answer that was
# started is not just these.
SEND_PATH = "images_app.send_path"
SendPath = Callable[[str, int], Awaitable[bool]]


class BoundedFile:
    """A file from its position on, for a number of bytes.

    It keeps ``fileno`` where the file has one: servers that are handed it then send the bytes
    without reading them (sendfile(2)).
    """

    def __init__(self, file: IO[bytes], length: int, key: str = "") -> None:
        """Take the file, the bytes to send, and what the log calls it."""
        self._file = file
        self._left = length
        self._key = key
        if hasattr(file, "fileno"):
            self.fileno, self.tell, self.seek = file.fileno, file.tell, file.seek

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes; b"" at the end of the range.

        Raises:
            OSError: when the file ends before: the connection breaks then, for the Content-Length
                has been promised, and nobody shall take what came for the whole.

        """
        wanted = self._left if size < 0 else min(size, self._left)
        if not wanted:
            return b""
        try:
            data = self._file.read(wanted)
        except Exception:
            logger.exception("code=bytes_broken_off key=%s", self._key)
            raise
        if not data:
            logger.error("code=bytes_damaged key=%s", self._key)
            message = "Stored bytes end too early."
            raise OSError(message)
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class FileStreamResponse(AsItIsStream):
    """Streams a bounded file by the iterator that its server can use.

    A synchronous iterator under ASGI, or the reverse, would make Django read the whole
    file into memory first. The two ways around the iterator, ``file_to_stream`` and
    ``send_path``, are open only as long as nothing has taken its place.
    """

    block_size = BLOCK_SIZE  # read by Django's WSGI handler, with file_to_stream

    def __init__(
        self,
        file: BoundedFile,
        *,
        status: int,
        headers: dict[str, str],
        is_async: bool,
        is_kernels: bool = False,
        send_path: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """Stream the file.

        Args:
            file: what to send.
            status: of the response.
            headers: of the response.
            is_async: whether the server is an ASGI one.
            is_kernels: whether the kernel has just these bytes in the file, so that a WSGI server
                may send them by itself.
            send_path: lets an ASGI server send them, where it can.

        """
        blocks = self._send_or_read(file) if is_async else _read(file)
        super().__init__(blocks, status=status, headers=headers)
        # Kept now: where the server sends the file itself, Django puts our own close() in
        # the place of the file's, which would then call itself.
        self._close_file = file.close
        self._send_path = send_path
        self.file_to_stream = file if is_kernels and not is_async else None

    def _set_streaming_content(self, value: Any) -> None:
        """Take the blocks, or what a middleware puts in their place: only that is sent then."""
        self.file_to_stream = self._send_path = None
        super()._set_streaming_content(value)  # type: ignore[misc]  # not in the stubs

    async def _send_or_read(self, file: BoundedFile) -> AsyncIterator[bytes]:
        # Asked no sooner than for the first block: only then has the answer been started, and is
        # known to be ours.
        if self._send_path is not None and await self._send_path():
            return
        while block := await asyncio.to_thread(file.read, BLOCK_SIZE):
            yield block

    def close(self) -> None:
        """Close the file with the response, however much of it was sent."""
        self._close_file()
        super().close()


class StreamingDelivery:
    """The default: works everywhere, needs nothing."""

    def deliver(
        self, request: HttpRequest, location: Location, etag: str, headers: dict[str, str]
    ) -> HttpResponseBase:
        """See Delivery."""
        try:
            part = requested_range(request, etag, location.length)
        except RangeNotSatisfiable:
            return range_not_satisfiable(location.length)
        headers = {**headers, "Accept-Ranges": "bytes"}
        status = HTTPStatus.OK
        if part is None:
            part = ByteRange(start=0, stop=location.length)
        else:
            status = HTTPStatus.PARTIAL_CONTENT
            headers["Content-Range"] = part.content_range(location.length)
        headers["Content-Length"] = str(part.length)
        if location.in_memory is not None:
            content = location.in_memory()[part.start : part.stop]
            body = b"" if request.method == "HEAD" else content
            return AsItIsResponse(body, status=status, headers=headers)
        if request.method == "HEAD":
            # Asked all the same: HEAD shall not promise what GET cannot keep.
            location.open_range(0, min(1, location.length)).close()
            return AsItIsResponse(status=status, headers=headers)
        opened = location.open_range(part.start, part.stop)
        return FileStreamResponse(
            BoundedFile(opened, part.length, location.key),
            status=status,
            headers=headers,
            is_async=isinstance(request, ASGIRequest),
            # Servers need not begin at the file's position (PEP 3333): uWSGI sends all of it.
            is_kernels=status == HTTPStatus.OK and _is_kernels(opened, location.length),
            send_path=_path_sender(request, location, opened) if status == HTTPStatus.OK else None,
        )


def _is_kernels(file: IO[bytes], length: int) -> bool:
    """Return whether reading the file gives just what the kernel has under its descriptor.

    A ``fileno()`` alone proves nothing: what decrypts or unzips while reading has one too.
    """
    reader = getattr(file.read, "__self__", None)
    # The exact types: what is built on them may read something else than the kernel has there.
    is_buffered = type(reader) is io.BufferedReader and type(reader.raw) is io.FileIO
    if reader is None or not (is_buffered or type(reader) is io.FileIO):
        return False
    return reader.tell() == 0 and os.fstat(reader.fileno()).st_size == length


def _path_sender(
    request: HttpRequest, location: Location, file: IO[bytes]
) -> Callable[[], Awaitable[bool]] | None:
    """Answer with what lets the server send the file, where both can."""
    send_path: SendPath | None = getattr(request, "scope", {}).get(SEND_PATH)
    path = _path_of(location, file) if send_path else None
    if send_path is None or path is None:
        return None
    return lambda: send_path(path, location.length)


def _path_of(location: Location, file: IO[bytes]) -> str | None:
    """Answer with the path of the very file that was opened, if it has just the bytes to send.

    A storage may have a path and yet read something else from it, by decrypting for example.
    """
    try:
        path = Path(location.storage.path(location.name)).absolute()
        opened, named = os.fstat(file.fileno()), path.stat()
    except (AttributeError, NotImplementedError, OSError, ValueError):
        return None
    is_it = os.path.samestat(opened, named) and opened.st_size == location.length
    return str(path) if is_it else None


def _read(file: BoundedFile) -> Iterator[bytes]:
    while block := file.read(BLOCK_SIZE):
        yield block
