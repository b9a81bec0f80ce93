"""What an engine and its child process say to each other over a socket.

Calls are pickled, for the child trusts its parent. Answers are JSON, for the parent does not
trust a child that has read strangers' files; the bytes of renditions follow behind them.
"""

from __future__ import annotations

import socket
import struct
from typing import IO

TAKEN = b"+"
"""The child's word that it has a call and works on it: what ends now, this call has ended."""

_LENGTH = struct.Struct("!I")
_BLOCK = 1 << 18  # bytes


def send_message(connection: socket.socket, message: bytes, files: tuple[int, ...] = ()) -> None:
    """Send a message, and with it the descriptors of open files."""
    socket.send_fds(connection, [_LENGTH.pack(len(message))], files)
    connection.sendall(message)


def receive_message(connection: socket.socket, *, most: int = 2**31) -> tuple[bytes, list[int]]:
    """Receive a message of at most so many bytes, and at most one descriptor.

    Raises:
        EOFError: when the other side is gone.
        ValueError: when it is longer.

    """
    head, files, _, _ = socket.recv_fds(connection, _LENGTH.size, 1)
    head += receive_exactly(connection, _LENGTH.size - len(head)) if head else b""
    if not head:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    if length > most:
        raise ValueError("too long")
    return receive_exactly(connection, length), files


def receive_exactly(connection: socket.socket, length: int) -> bytes:
    """Receive so many bytes; EOFError when the other side is gone."""
    received = bytearray()
    while len(received) < length:
        block = connection.recv(min(_BLOCK, length - len(received)))
        if not block:
            raise EOFError
        received += block
    return bytes(received)


def receive_into(connection: socket.socket, target: IO[bytes], length: int) -> None:
    """Receive so many bytes into a file; EOFError when the other side is gone."""
    while length:
        block = connection.recv(min(_BLOCK, length))
        if not block:
            raise EOFError
        target.write(block)
        length -= len(block)
