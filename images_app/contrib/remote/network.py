"""The network: names become addresses once, and only a checked address is connected to."""

from __future__ import annotations

import io
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from images_app.contrib.remote.addresses import is_public
from images_app.contrib.remote.exceptions import RemoteRefused
from images_app.contrib.remote.targets import Target, is_address

_MOST_LOOKUPS = 16  # at once in a process; one that hangs ends when the system's resolver does
_lookups = threading.BoundedSemaphore(_MOST_LOOKUPS)


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """When everything must be over, by the monotonic clock."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Answer with the one that is so far ahead."""
        return cls(at=time.monotonic() + seconds)

    def left(self, most: float) -> float:
        """Answer with the seconds that are left, and no more than ``most``.

        Raises:
            RemoteRefused: when it has passed.

        """
        left = self.at - time.monotonic()
        if left <= 0:
            raise RemoteRefused("unreachable", "the time is up")
        return min(left, most)


def resolve(host: str) -> list[str]:
    """Answer with all addresses of a name, as the system knows them."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in found))


def connect(address: str, port: int, seconds: float) -> socket.socket:
    """Connect to an address; no name is looked up here."""
    family = socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6  # noqa: PLR2004
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        sock.connect((address, port))
    except BaseException:
        sock.close()
        raise
    return sock


@dataclass(frozen=True, kw_only=True)
class Network:
    """What stands between us and the internet; tests put their own in its place."""

    resolve: Callable[[str], Sequence[str]] = resolve
    connect: Callable[[str, int, float], socket.socket] = connect
    tls: Callable[[], ssl.SSLContext] = ssl.create_default_context


def open_socket(
    target: Target, network: Network, deadline: Deadline, connect_seconds: float
) -> socket.socket:
    """Connect to a target, whose addresses are looked up and checked here and never again.

    Raises:
        RemoteRefused: when one of its addresses is not public, with the code ``unreachable``.
        OSError: when no address answers, or its certificate is not for this name.

    """
    addresses = _addresses_of(target, network, deadline)
    if not addresses or not all(is_public(address) for address in addresses):
        raise RemoteRefused("unreachable", f"{target} is at {', '.join(addresses) or 'nothing'}")
    sock = _first_to_answer(addresses, target.port, network, deadline, connect_seconds)
    if target.scheme == "http":
        return sock
    try:
        sock.settimeout(deadline.left(connect_seconds))
        return network.tls().wrap_socket(sock, server_hostname=target.host)
    except BaseException:
        sock.close()
        raise


def _first_to_answer(
    addresses: Sequence[str],
    port: int,
    network: Network,
    deadline: Deadline,
    connect_seconds: float,
) -> socket.socket:
    failure = OSError("no address")
    for address in addresses:
        try:
            return network.connect(address, port, deadline.left(connect_seconds))
        except OSError as error:
            failure = error
    raise failure


def _addresses_of(target: Target, network: Network, deadline: Deadline) -> list[str]:
    """Look a name up in a thread, since the system's resolver knows no deadline."""
    if is_address(target.host):
        return [target.host]
    answers: queue.Queue[Any] = queue.Queue()

    def look_up() -> None:
        try:
            answers.put(list(network.resolve(target.host)))
        except (OSError, UnicodeError) as error:
            answers.put(error)
        finally:
            _lookups.release()

    if not _lookups.acquire(timeout=deadline.left(threading.TIMEOUT_MAX)):
        raise RemoteRefused("unreachable", f"{target}: too many names are being looked up")
    threading.Thread(target=look_up, name="images_app.remote", daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.left(threading.TIMEOUT_MAX))
    except queue.Empty as error:
        raise RemoteRefused("unreachable", f"{target}: no answer from the resolver") from error
    if isinstance(answer, Exception):
        raise RemoteRefused("unreachable", f"{target}: {type(answer).__name__}") from answer
    addresses: list[str] = answer
    return addresses


class TimedSocket:
    """What http.client needs of a socket: each wait ends, and so does the number of bytes."""

    def __init__(self, sock: socket.socket, deadline: Deadline, read_seconds: float) -> None:
        self._sock = sock
        self._deadline = deadline
        self._read_seconds = read_seconds
        self._allowed = 0

    def allow(self, number: int) -> None:
        """Let so many bytes more come in."""
        self._allowed = number

    def sendall(self, data: bytes) -> None:
        """Send."""
        self._sock.settimeout(self._deadline.left(self._read_seconds))
        self._sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Answer with what can be read."""
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Leave the socket to who opened it: http.client closes before the body is read."""

    def receive_into(self, buffer: Any) -> int:
        """Fill the buffer with what comes next.

        Raises:
            RemoteRefused: when there is too much of it, or no time left.

        """
        self._sock.settimeout(self._deadline.left(self._read_seconds))
        number = self._sock.recv_into(buffer)
        self._allowed -= number
        if self._allowed < 0:
            raise RemoteRefused("unreachable", "more than was allowed")
        return number


class _Reader(io.RawIOBase):
    def __init__(self, sock: TimedSocket) -> None:
        super().__init__()
        self._timed = sock

    def readable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See io.RawIOBase."""
        return self._timed.receive_into(buffer)
