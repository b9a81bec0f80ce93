"""Presigned URLs of object stores, the same ones for a while, so that caches can work."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.core.cache import caches

from images_app.exceptions import StorageUnavailable
from images_app.representation import Location
from images_app.windows import Window, checked_lifetime, current_window

logger = logging.getLogger("images_app.delivery")

# What S3 (two versions), CloudFront, Google Cloud Storage and Azure call their signatures.
_SIGNATURES = {"X-Amz-Signature", "Signature", "X-Goog-Signature", "sig"}
_MAX_AGE = re.compile(r"max-age=(\d+)")


class Presigner:
    """Signs URLs for fixed windows, and gives the same to everybody who asks within one."""

    def __init__(self, lifetime: int, cache: str) -> None:
        """Take how URLs are made.

        Args:
            lifetime: seconds after which no URL works any more.
            cache: an alias of CACHES; one that all processes share has them give the same URLs.

        Raises:
            ValueError: when the lifetime is too short.

        """
        self._lifetime, self._cache = checked_lifetime(lifetime), cache

    def url(self, location: Location, headers: dict[str, str]) -> tuple[str, int]:
        """Answer with a URL, and for how many seconds it will be given out.

        Args:
            location: of a storage that has ``signed_url``.
            headers: whose type, disposition and caching the object store is to send.

        Raises:
            StorageUnavailable: when signing fails, or what comes out is not signed.

        """
        window, now = current_window(self._lifetime), time.time()
        wanted = {
            "content_type": headers["Content-Type"],
            "disposition": headers.get("Content-Disposition", ""),
            "cache_control": at_most(headers["Cache-Control"], window.stop - window.start),
        }
        key = _key(location, wanted, window)
        url = self._kept(key)
        if url is None:
            url = _signed(location, wanted, expires_in=int(window.expires_at - now))
            # Another process may have been faster: its URL is the one for this window.
            url = self._keep(key, url, window.stop - window.start)
        return url, max(0, int(window.stop - now))

    def _kept(self, key: str) -> str | None:
        try:
            url: str | None = caches[self._cache].get(key)
        except Exception:
            # Without the cache, browsers fetch more than they need; they do get their images.
            logger.exception("code=cache_unavailable")
            return None
        return url

    def _keep(self, key: str, url: str, seconds: int) -> str:
        try:
            caches[self._cache].add(key, url, seconds)
        except Exception:
            logger.exception("code=cache_unavailable")
            return url
        return self._kept(key) or url


def at_most(cache_control: str, seconds: int) -> str:
    """Answer with a Cache-Control value whose max-age is no longer than so many seconds."""
    return _MAX_AGE.sub(lambda found: f"max-age={min(int(found[1]), seconds)}", cache_control)


def signs_urls(storage: Any) -> bool:
    """Tell whether a storage can hand out URLs that are good for a while."""
    return callable(getattr(storage, "signed_url", None))


def _key(location: Location, wanted: dict[str, str], window: Window) -> str:
    parts = [location.storage_alias, location.name, *wanted.values(), str(window.start)]
    return f"images_app.presigned:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}"


def _signed(location: Location, wanted: dict[str, str], *, expires_in: int) -> str:
    try:
        url: str = location.storage.signed_url(location.name, expires_in=expires_in, **wanted)
    except Exception as error:
        raise StorageUnavailable(type(error).__name__) from error
    if not _SIGNATURES & parse_qs(urlsplit(url).query).keys():
        # Whoever has it would have it for good: never sent anywhere.
        raise StorageUnavailable("the storage gave an unsigned URL")
    return url
