"""Representation: the value that travels from the record to the response (RFC 9110 3.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO


@dataclass(frozen=True, kw_only=True)
class Location:
    """Where the bytes are, known to exist in the record; nothing is opened yet."""

    storage_alias: str
    name: str
    length: int  # bytes
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True, kw_only=True)
class Representation:
    """What one response will send.

    All but ``locate`` comes from the record, so that a 304 needs no storage. ``locate``
    finds the bytes, or makes them, and is called only once they are really wanted.
    """

    content_type: str
    etag: str  # quoted, with W/ where weak (RFC 9110 8.8.3)
    filename: str
    is_attachment: bool
    is_public: bool
    is_negotiated: bool = False  # by the Accept header (RFC 9110 12.5.1)
    max_age: int  # seconds
    locate: Callable[[], Location]
