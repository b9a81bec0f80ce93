"""Fetching: one GET, hop by hop, each checked like the first; the body goes into a file."""

from __future__ import annotations

import hashlib
import http.client
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO, Any, cast

from images_app.contrib.remote.conf import Remote
from images_app.contrib.remote.exceptions import RemoteRefused
from images_app.contrib.remote.network import Deadline, Network, TimedSocket, open_socket
from images_app.contrib.remote.targets import Target, follow, parse_target
from images_app.exceptions import StorageUnavailable
from images_app.validation import Limits, check_length

USER_AGENT = "images_app"
LONGEST_VALIDATOR = 500  # characters
_MOST_HEADER_BYTES = 64 * 1024
_CHUNK_SIZE = 64 * 1024  # bytes
_SLACK = 2**20  # bytes of framing around a body
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
# The gate decides by content; a page in HTML is not even read.
_CONTENT_TYPE = re.compile(
    r"(?:image/[a-z0-9.+-]+|(?:application|binary)/octet-stream)\s*(?:;.*)?", re.IGNORECASE
)
_VALIDATOR = re.compile(r"[ -~]+", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Validators:
    """What a server said of the bytes that it sent, and under which URL."""

    url: str
    etag: str = ""
    last_modified: str = ""

    def conditions_for(self, target: Target) -> dict[str, str]:
        """Answer with the headers that ask for other bytes only; of this URL alone."""
        if target.url != self.url:
            return {}
        given = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """The answer; without a file, nothing has changed."""

    validators: Validators
    file_name: str
    file: IO[bytes] | None = None
    checksum: str = ""


@dataclass(frozen=True, kw_only=True)
class Fetcher:
    """Fetches under these bounds."""

    remote: Remote
    limits: Limits
    network: Network = field(default_factory=Network)
    folder: str | None = None  # for the file; None: the system's for temporary ones

    @contextmanager
    def fetch(self, url: str, known: Validators | None = None) -> Iterator[Fetched]:
        """Fetch one URL; the file is gone afterwards.

        Args:
            url: of the image.
            known: from the last time, to be told when nothing has changed.

        Raises:
            RemoteRefused: with a code and a sentence; see there.
            UploadRefused: ``empty`` or ``too_large``.
            StorageUnavailable: when there is no place for the file.

        """
        target, deadline = parse_target(url), Deadline.after(self.remote.max_seconds)
        for _hop in range(self.remote.max_redirects + 1):
            conditions = {} if known is None else known.conditions_for(target)
            with self._ask(target, deadline, conditions) as response:
                if response.status not in _REDIRECTS:
                    with self._take(target, response, known if conditions else None) as fetched:
                        yield fetched
                    return
                target = follow(target, response.getheader("Location") or "")
        raise RemoteRefused("too_many_redirects", str(target))

    @contextmanager
    def _ask(
        self, target: Target, deadline: Deadline, conditions: Mapping[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        """Send one request, without cookies, credentials or proxies, and read the headers."""
        if not self.remote.allows(target):
            raise RemoteRefused("host_not_allowed", str(target))
        with _named(target):
            sock = open_socket(target, self.network, deadline, self.remote.connect_seconds)
        with sock:
            timed = TimedSocket(sock, deadline, self.remote.read_seconds)
            timed.allow(_MOST_HEADER_BYTES)
            with _named(target):
                response = _send(target, timed, conditions)
            timed.allow(2 * self.limits.max_bytes + _SLACK)
            with response:
                yield response

    @contextmanager
    def _take(
        self, target: Target, response: http.client.HTTPResponse, known: Validators | None
    ) -> Iterator[Fetched]:
        """Read the body of the last answer."""
        if known is not None and response.status == HTTPStatus.NOT_MODIFIED:
            yield Fetched(validators=known, file_name=target.file_name)
            return
        _check_answer(target, response)
        check_length(1 if response.length is None else response.length, self.limits)
        with _temporary_file(self.folder) as file:
            checksum = self._read_body(target, response, file)
            validators = Validators(
                url=target.url,
                etag=_validator(response, "ETag"),
                last_modified=_validator(response, "Last-Modified"),
            )
            yield Fetched(
                validators=validators, file_name=target.file_name, file=file, checksum=checksum
            )

    def _read_body(
        self, target: Target, response: http.client.HTTPResponse, file: IO[bytes]
    ) -> str:
        """Write the body into a file, giving up as soon as there is too much."""
        digest, length = hashlib.sha256(), 0
        while chunk := _read(target, response):
            length += len(chunk)
            check_length(length, self.limits)
            digest.update(chunk)
            _write(file, chunk)
        if response.length:
            raise RemoteRefused("unreachable", f"{target}: {response.length} bytes are missing")
        check_length(length, self.limits)
        file.seek(0)
        return digest.hexdigest()


@contextmanager
def _named(target: Target) -> Iterator[None]:
    """Make one refusal of all that can go wrong on the way."""
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise RemoteRefused("unreachable", f"{target}: {type(error).__name__}") from error


def _send(
    target: Target, sock: TimedSocket, conditions: Mapping[str, str]
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.auto_open = 0  # it shall never connect by itself, which would look the name up
    connection.sock = cast("Any", sock)
    connection.putrequest("GET", target.path, skip_host=True, skip_accept_encoding=True)
    headers = {
        "Host": target.authority,
        "User-Agent": USER_AGENT,
        "Accept": "image/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
        **conditions,
    }
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    return connection.getresponse()


def _check_answer(target: Target, response: http.client.HTTPResponse) -> None:
    """Refuse what is no image by its status and headers."""
    if response.status in _GONE:
        raise RemoteRefused("gone", f"{target} answers {response.status}")
    if response.status != HTTPStatus.OK:
        raise RemoteRefused("no_image", f"{target} answers {response.status}")
    if not _CONTENT_TYPE.fullmatch(response.getheader("Content-Type") or ""):
        raise RemoteRefused("no_image", f"{target} sends another type")
    encoded = (response.getheader("Content-Encoding") or "identity").lower()
    framed = (response.getheader("Transfer-Encoding") or "chunked").lower()
    if encoded != "identity" or framed != "chunked":
        raise RemoteRefused("no_image", f"{target} sends it encoded")


def _read(target: Target, response: http.client.HTTPResponse) -> bytes:
    with _named(target):
        return response.read(_CHUNK_SIZE)


@contextmanager
def _temporary_file(folder: str | None) -> Iterator[IO[bytes]]:
    try:
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed below)
    except OSError as error:
        raise StorageUnavailable(type(error).__name__) from error
    with file:
        yield file


def _write(file: IO[bytes], chunk: bytes) -> None:
    try:
        file.write(chunk)
        file.flush()  # here a full disk speaks up
    except OSError as error:
        raise StorageUnavailable(type(error).__name__) from error


def _validator(response: http.client.HTTPResponse, name: str) -> str:
    """Answer with a validator that can be sent back; "" for none."""
    value = (response.getheader(name) or "").strip()
    is_usable = len(value) <= LONGEST_VALIDATOR and _VALIDATOR.fullmatch(value)
    return value if is_usable else ""
