"""The protocol of a signer, and what signers share."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from typing import Any, Protocol
from urllib.parse import quote

from django.http import HttpRequest

_HOST = re.compile(r"\Ahttps?://[^/]*")  # before the path, as proxies may send it (RFC 9112 3.2.2)
_PLAIN = "!$&'()*+,;=/~:@"  # what ``reverse`` leaves as it is


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


def is_spelled_plainly(request: HttpRequest) -> bool:
    """Return whether the path came as ``reverse`` writes it, so that a URL has one spelling.

    `%72enditions` is decoded before Django sees it, and is another URL to caches, logs and
    CloudFront's patterns. Where a server does not tell what came, the policy decides instead.
    """
    sent = _path_as_sent(request)
    # Without the prefix, where a server in front took that off.
    return sent in {quote(path, safe=_PLAIN) for path in (request.path, request.path_info)}


def _path_as_sent(request: HttpRequest) -> str:
    """Return the path as the server says that it came, or nothing where it does not say."""
    scope = getattr(request, "scope", {})
    # ASGI; gunicorn; uWSGI, mod_wsgi and others.
    said = (scope.get("raw_path"), request.META.get("RAW_URI"), request.META.get("REQUEST_URI"))
    raw: Any = next(filter(None, said), "")
    path: str = raw.decode("latin-1") if isinstance(raw, bytes) else raw
    return _HOST.sub("", path.partition("?")[0])
