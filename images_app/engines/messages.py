"""What an engine and its child process say to each other over a socket.

Calls are pickled, for the child trusts its parent. Answers are JSON, for the parent does not
trust a child that has read strangers' files; the bytes of renditions follow behind them. Each call
has a token that nobody can guess, and its answer repeats it: what a child has said before is no
answer to what it is asked later.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from typing import IO

TAKEN = b"+"
"""The child's word that it has a call and works on it: what ends now, this call has ended."""

_LENGTH = struct.Struct("!I")
_BLOCK = 1 << 18  # bytes


def send_message(connection: socket.socket, message: bytes, files: tuple[int, ...] = ()) -> None:
    """Send a message, and with it the descriptors of open files."""
    socket.send_fds(connection, [_LENGTH.pack(len(message))], files)
    connection.sendall(message)


def receive_message(
    connection: socket.socket, *, most: int = 2**31, until: float | None = None
) -> tuple[bytes, list[int]]:
    """Receive a message of at most so many bytes, and at most one descriptor.

    Args:
        connection: where from.
        most: bytes.
        until: the end of all waiting, by time.monotonic(); without, the socket's timeout holds.

    Raises:
        EOFError: when the other side is gone.
        TimeoutError: when it is late.
        ValueError: when it is longer.

    """
    _wait_no_longer(connection, until)
    head, files, _, _ = socket.recv_fds(connection, _LENGTH.size, 1)
    head += receive_exactly(connection, _LENGTH.size - len(head), until) if head else b""
    if not head:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    if length > most:
        raise ValueError("too long")
    return receive_exactly(connection, length, until), files


def receive_exactly(connection: socket.socket, length: int, until: float | None = None) -> bytes:
    """Receive so many bytes; EOFError when the other side is gone, TimeoutError when it is late."""
    return b"".join(_blocks(connection, length, until))


def receive_into(
    connection: socket.socket, target: IO[bytes], length: int, until: float | None = None
) -> None:
    """Receive so many bytes into a file; raises as ``receive_exactly``."""
    for block in _blocks(connection, length, until):
        target.write(block)


def has_more(connection: socket.socket) -> bool:
    """Return whether something has arrived that nobody asked for, or the other side is gone."""
    connection.settimeout(0)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _blocks(connection: socket.socket, length: int, until: float | None) -> Iterator[bytes]:
    while length:
        _wait_no_longer(connection, until)
        block = connection.recv(min(_BLOCK, length))
        if not block:
            raise EOFError
        yield block
        length -= len(block)


def _wait_no_longer(connection: socket.socket, until: float | None) -> None:
    """Leave only the rest of the time: who sends byte by byte gets no more of it."""
    if until is None:
        return
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)
