"""Representation: the value that travels from the record to the response (RFC 9110 3.2)."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from django.utils.crypto import salted_hmac

DEFAULT_MAX_AGE = 600  # seconds


@dataclass(frozen=True, kw_only=True)
class Location:
    """Where the bytes are, known to exist in the record; nothing is opened yet.

    ``open_range(start, stop)`` answers with a readable that stands at ``start`` and has the
    bytes up to ``stop`` at least, so that no more than a range is fetched from afar.
    ``in_memory`` is there where the bytes are at hand, or so few that they are worth keeping so;
    a delivery may call it instead.
    """

    length: int  # bytes
    open_range: Callable[[int, int], IO[bytes]]
    in_memory: Callable[[], bytes] | None = None
    storage: Any = None  # a Django storage; None for bytes that no storage has
    storage_alias: str = ""
    name: str = ""  # in the storage
    key: str = ""  # what the log calls it: the public id of an image, or what begins with it


@dataclass(frozen=True, kw_only=True)
class Representation:
    """What one response will send.

    All but ``locate`` comes from the record, so that a 304 needs no storage. ``locate``
    finds the bytes, or makes them, and is called only once they are really wanted.
    """

    content_type: str
    etag: str  # quoted, with W/ where weak (RFC 9110 8.8.3)
    filename: str
    is_attachment: bool = False
    is_public: bool = False
    is_negotiated: bool = False  # by the Accept header (RFC 9110 12.5.1)
    is_signed: bool = False  # reached by a signature in the URL, whoever sends it
    max_age: int = DEFAULT_MAX_AGE  # seconds
    is_immutable: bool = True  # whether its URL never means other bytes
    locate: Callable[[], Location]

    @classmethod
    def from_bytes(
        cls,
        content: bytes,
        *,
        content_type: str,
        filename: str,
        is_attachment: bool = False,
        max_age: int = 0,
    ) -> Representation:
        """Represent bytes in memory, such as a chart, to be sent by the rules of images.

        The caller has decided already that whoever asks may have them.

        Args:
            content: the bytes.
            content_type: their media type.
            filename: what to offer for saving; unsafe characters are replaced.
            is_attachment: whether to save rather than to show.
            max_age: seconds that a browser may reuse them without asking; 0 asks each time, and is
                answered 304 while they are the same.

        """
        # Keyed, for a bare hash would tell what the content is to who can guess it.
        etag = salted_hmac("images_app.etag", content, algorithm="sha256").hexdigest()[:32]
        location = Location(
            length=len(content),
            open_range=lambda start, stop: io.BytesIO(content[start:stop]),
            in_memory=lambda: content,
        )
        return cls(
            content_type=content_type,
            etag=f'"{etag}"',
            filename=filename,
            is_attachment=is_attachment,
            max_age=max_age,
            is_immutable=False,  # a view draws what it likes
            locate=lambda: location,
        )
