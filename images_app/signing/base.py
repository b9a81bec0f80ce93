"""The protocol of a signer, and what signers share."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Protocol

from django.http import HttpRequest


class Signer(Protocol):
    """Makes URLs that work for a while for whoever has them, and knows its own again.

    The path names image, version and size, so a signature of the path is bound to them.
    """

    def sign(self, path: str, *, max_age: int) -> str:
        """Answer with the URL of a rendition that its viewer has been found to may see.

        Within one window the same path always makes the same URL.

        Args:
            path: as ``reverse`` gives it.
            max_age: seconds that a browser may reuse the bytes; the URL's life, if shorter.

        """
        ...

    def verify(self, request: HttpRequest) -> float | None:
        """Answer with the Unix time until which the request's signature holds, else None."""
        ...


def text_of(digest: bytes) -> str:
    """Write a digest as base64url without padding (RFC 4648 5)."""
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
