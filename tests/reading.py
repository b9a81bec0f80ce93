"""Middleware of hosts that reads what a request brings, before any view does."""

from __future__ import annotations

import contextlib


def _reading(read):
    def middleware(get_response):
        def answer(request):
            read(request)
            return get_response(request)

        return answer

    return middleware


def _parse_or_forget(request):
    with contextlib.suppress(Exception):  # as an audit that must not break the site
        len(request.POST)


reading_post = _reading(lambda request: request.POST.dict())
reading_files = _reading(lambda request: len(request.FILES))
reading_body = _reading(lambda request: len(request.body))
reading_stream = _reading(lambda request: request.read())
"""Leaves nothing to anybody."""
reading_a_little = _reading(lambda request: request.read(10))
reading_post_carefully = _reading(_parse_or_forget)
