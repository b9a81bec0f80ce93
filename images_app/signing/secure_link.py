"""SecureLinkSigner: signatures that nginx verifies by its secure_link module, or Django."""

from __future__ import annotations

import hashlib
import hmac
import re
from urllib.parse import unquote

from django.http import HttpRequest
from django.utils.http import http_date

from images_app.signing.base import is_spelled_plainly, text_of
from images_app.windows import checked_lifetime, current_window, is_current

# MD5 has 128 bits, of which the last letter holds two: others would be second spellings.
_QUERY = re.compile(r"s=([A-Za-z0-9_-]{21}[AQgw])\.([0-9]{10})\.([A-Za-z0-9-]{24})")
_SHORTEST_SECRET = 32


class SecureLinkSigner:
    """Signs with a secret that stands in nginx's configuration too; see deploy/.

    MD5 is what the module knows. A forgery would need a second preimage of a text that has
    the secret at both ends, which MD5 still withstands.
    """

    def __init__(self, secret: str, lifetime: int = 300) -> None:
        """Take secret and life of the URLs.

        Args:
            secret: 32 letters at least, without white space; `openssl rand -hex 32` makes one.
            lifetime: in seconds; until then, a revoked right may still be used.

        Raises:
            ValueError: for a secret or lifetime that is too short.

        """
        if len(secret) < _SHORTEST_SECRET or secret.split() != [secret]:
            message = f"secret must have {_SHORTEST_SECRET} letters or more, and no white space."
            raise ValueError(message)
        self._secret, self._lifetime = secret, checked_lifetime(lifetime)

    def sign(self, path: str, *, max_age: int) -> str:
        """See Signer."""
        window = current_window(self._lifetime)
        # nginx cannot reckon, so the URL says in HTTP's own words until when it is fresh.
        fresh_until = min(window.expires_at, window.start + max_age) if max_age > 0 else 0
        date = _in_url(http_date(fresh_until))
        signature = self._signature(unquote(path), window.expires_at, date)
        return f"{path}?s={signature}.{window.expires_at}.{date}"

    def verify(self, request: HttpRequest) -> float | None:
        """See Signer."""
        found = _QUERY.fullmatch(request.META.get("QUERY_STRING", ""))
        if found is None or not is_spelled_plainly(request):
            return None
        given, expires, date = found[1], int(found[2]), found[3]
        is_ours = hmac.compare_digest(given, self._signature(request.path, expires, date))
        return expires if is_ours and is_current(expires, self._lifetime) else None

    def _signature(self, path: str, expires: int, date: str) -> str:
        text = f"{self._secret} {expires} {date} {path} {self._secret}"
        return text_of(hashlib.md5(text.encode(), usedforsecurity=False).digest())


def _in_url(date: str) -> str:
    """Write `Sat, 21 Nov 2026 10:00:00 GMT` as `Sat-21-Nov-2026-10-00-00`."""
    return re.sub("[ :]", "-", date.replace(",", "").removesuffix(" GMT"))
