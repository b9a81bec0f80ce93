"""Small renditions in the cache that ``RENDITION_CACHE`` names, and how they leave it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.core.cache import caches

from images_app.conf import get_settings
from images_app.storages import delete_stored

logger = logging.getLogger("images_app.renditions")

_GONE = "gone"
# Seconds; longer than anybody needs to read a small file that was there when they began.
_GONE_FOR = 600


def read_kept(name: str) -> bytes | None:
    """Return the bytes of a rendition, by its name in storage, where they are kept."""
    alias = get_settings().rendition_cache
    content: object = None
    if alias:
        with _failures_logged():
            content = caches[alias].get(_key(name))
    return content if isinstance(content, bytes) else None


def keep(name: str, content: bytes) -> None:
    """Keep the bytes of a rendition, unless it was deleted while they were read."""
    with _failures_logged():
        cache, key = caches[get_settings().rendition_cache], _key(name)
        if cache.get(key, _GONE) != _GONE:  # damaged, or of another length
            cache.delete(key)
        cache.add(key, content)


def delete_made(made: Sequence[tuple[str, str]]) -> None:
    """Delete the files of renditions, each as (alias, name), and what is kept of them.

    In the cache a mark stays in their place for a while. Without it, who read the file a moment
    before would keep the bytes again, and a signed URL would still lead to them.
    """
    delete_stored(made)
    alias = get_settings().rendition_cache
    if alias:
        with _failures_logged():
            marks = {_key(name): _GONE for _, name in made}
            if failed := caches[alias].set_many(marks, _GONE_FOR):  # not all caches raise
                logger.error("code=still_kept cache=%s number=%s", alias, len(failed))


def _key(name: str) -> str:
    return f"images_app.rendition:{name}"  # names the version: other bytes have another name


@contextmanager
def _failures_logged() -> Iterator[None]:
    """Go on without the cache when it is away."""
    try:
        yield
    except Exception:
        logger.exception("code=cache_unavailable")
