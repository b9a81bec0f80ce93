"""CloudFrontSigner: URLs that Amazon CloudFront verifies; needs the extra ``cloudfront``."""

from __future__ import annotations

import hmac
import json
import time
from base64 import b64encode
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from django.http import HttpRequest

from images_app.signing.base import is_spelled_plainly
from images_app.windows import checked_lifetime, current_window

ORIGIN_HEADER = "X-Images-Origin-Secret"
_KEPT = 20_000  # signatures: those of a window's pages need not be made twice
_SHORTEST_SECRET = 32
_RSA_BITS = 2048


class CloudFrontSigner:
    """Signs with a canned policy and SHA-256, by an RSA or an ECDSA key.

    CloudFront verifies, takes its parameters off the URL, and asks the next origin where the
    first has no such rendition yet: Django, which knows by a secret header that it was asked
    so.
    """

    def __init__(
        self,
        base_url: str,
        key_id: str,
        private_key: str,
        origin_secret: str = "",
        lifetime: int = 300,
    ) -> None:
        """Take how URLs are made.

        Args:
            base_url: of the distribution, without a path: `https://d111.cloudfront.net`.
            key_id: of the public key in the distribution's key group.
            private_key: the path of a PEM file, RSA 2048 or ECDSA P-256.
            origin_secret: what an origin of the distribution adds to requests to Django as
                X-Images-Origin-Secret: one that is used by the behaviour that verifies
                signatures, and by no other; 32 letters or more.
                Empty: what has not been made yet is served by Django to who is logged in only.
            lifetime: in seconds; until then, a revoked right may still be used.

        Raises:
            ValueError: for a value that cannot be used.
            OSError: when the key cannot be read.

        """
        if origin_secret and len(origin_secret) < _SHORTEST_SECRET:
            message = f"origin_secret must have {_SHORTEST_SECRET} letters or more."
            raise ValueError(message)
        self._base_url, self._key_id = base_url.rstrip("/"), key_id
        self._origin_secret, self._lifetime = origin_secret, checked_lifetime(lifetime)
        self._key: Any = serialization.load_pem_private_key(Path(private_key).read_bytes(), None)
        if not _is_known_to_cloudfront(self._key):
            raise ValueError("private_key must be an RSA key of 2048 bits, or ECDSA on P-256.")
        self._signature = lru_cache(_KEPT)(self._make_signature)

    def sign(self, path: str, *, max_age: int) -> str:
        """See Signer."""
        url = self._base_url + path
        expires = current_window(self._lifetime).expires_at
        return (
            f"{url}?Expires={expires}&Signature={self._signature(url, expires)}"
            f"&Key-Pair-Id={self._key_id}&Hash-Algorithm=SHA256"
        )

    def verify(self, request: HttpRequest) -> float | None:
        """See Signer; the expiry has been taken off, so nothing may be kept."""
        given = request.headers.get(ORIGIN_HEADER, "")
        if not self._origin_secret or not given or not is_spelled_plainly(request):
            return None
        is_ours = hmac.compare_digest(given.encode(), self._origin_secret.encode())
        return time.time() if is_ours else None

    def _make_signature(self, url: str, expires: int) -> str:
        condition = {"DateLessThan": {"AWS:EpochTime": expires}}
        statement = {"Statement": [{"Resource": url, "Condition": condition}]}
        policy = json.dumps(statement, separators=(",", ":")).encode()
        if isinstance(self._key, rsa.RSAPrivateKey):
            signed = self._key.sign(policy, padding.PKCS1v15(), hashes.SHA256())
        else:
            # Deterministic, or two processes would give two URLs of one image.
            signed = self._key.sign(policy, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        return b64encode(signed).decode().translate(str.maketrans("+=/", "-_~"))


def _is_known_to_cloudfront(key: Any) -> bool:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.key_size == _RSA_BITS
    return isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)
