"""Middleware of hosts that puts something else in the place of what an answer holds."""

from __future__ import annotations

import gzip
import hashlib

from asgiref.sync import async_to_sync


def _rewriting(change):
    """Make a middleware of ``change(response, content)``, which returns the new content."""

    def middleware(get_response):
        def answer(request):
            response = get_response(request)
            if not response.streaming:
                if response.content:
                    response.content = change(response, response.content)
            elif response.is_async:
                content = async_to_sync(_collected)(response.streaming_content)
                response.streaming_content = _one_block(change(response, content))
            else:
                content = b"".join(response.streaming_content)
                response.streaming_content = iter([change(response, content)])
            return response

        return answer

    return middleware


async def _collected(blocks):
    return b"".join([block async for block in blocks])


async def _one_block(content):
    yield content


def _hash(response, content):
    response.headers["X-Digest"] = hashlib.sha256(content).hexdigest()
    return content


def _minify(response, content):
    if response.status_code == 200:
        content = content[:1000]
        response.headers["Content-Length"] = str(len(content))
    return content


def _compress(response, content):
    if response.status_code == 200:
        content = gzip.compress(content)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(content))
    return content


hashing = _rewriting(_hash)
"""Reads all of it, tells its digest, and hands the same bytes on."""
minifying = _rewriting(_minify)
"""Cuts everything to 1000 bytes."""
compressing = _rewriting(_compress)
"""Compresses, and does not ask whether it may."""
