"""DjangoSigner: signatures that Django itself verifies, without a query."""

from __future__ import annotations

import hashlib
import hmac
import re
from urllib.parse import unquote

from django.conf import settings
from django.http import HttpRequest

from images_app.signing.base import is_spelled_plainly, text_of
from images_app.windows import checked_lifetime, current_window, is_current

# The whole query, so that there is one way only to write a URL.
_QUERY = re.compile(r"s=([A-Za-z0-9_-]{32})\.([0-9]{10})")
_DIGEST_BYTES = 24  # of HMAC-SHA256 (RFC 2104 5); 32 letters of base64 without a bit left over


class DjangoSigner:
    """Signs with Django's SECRET_KEY; SECRET_KEY_FALLBACKS are known too."""

    def __init__(self, lifetime: int = 300) -> None:
        """Take the longest life of a URL.

        Args:
            lifetime: in seconds; until then, a revoked right may still be used.

        Raises:
            ValueError: for a lifetime that is too short.

        """
        self._lifetime = checked_lifetime(lifetime)
        secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        # Keys of their own, so that no signature of Django's means anything here.
        self._keys = [
            hashlib.sha256(b"images_app.signing:" + _as_bytes(secret)).digest()
            for secret in secrets
        ]

    def sign(self, path: str, *, max_age: int) -> str:
        """See Signer."""
        expires = current_window(self._lifetime).expires_at
        return f"{path}?s={_signature(self._keys[0], unquote(path), expires)}.{expires}"

    def verify(self, request: HttpRequest) -> float | None:
        """See Signer."""
        found = _QUERY.fullmatch(request.META.get("QUERY_STRING", ""))
        if found is None or not is_spelled_plainly(request):
            return None
        given, expires = found[1], int(found[2])
        is_ours = [
            hmac.compare_digest(given, _signature(key, request.path, expires)) for key in self._keys
        ]
        return expires if any(is_ours) and is_current(expires, self._lifetime) else None


def _signature(key: bytes, path: str, expires: int) -> str:
    digest = hmac.digest(key, f"{expires}\n{path}".encode(), "sha256")
    return text_of(digest[:_DIGEST_BYTES])


def _as_bytes(secret: str | bytes) -> bytes:
    return secret if isinstance(secret, bytes) else secret.encode()
