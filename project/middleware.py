"""ContentSecurityPolicyMiddleware: every page says what a browser may load for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

HEADER = "Content-Security-Policy"


class ContentSecurityPolicyMiddleware:
    """Adds settings.PAGE_POLICY to each answer that has no policy of its own, as images have.

    Django has such a middleware from 6.0 on, and django-csp is one for 5.2. Both put a policy
    together for each answer, in another thread under ASGI; this one only sets a header, because
    image bytes pass through it.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Pass the request on, and complete what comes back."""
        answer = self.get_response(request)
        if isinstance(answer, HttpResponseBase):
            return _finish(answer)
        return _finish_async(answer)


async def _finish_async(answer: Awaitable[HttpResponseBase]) -> HttpResponseBase:
    return _finish(await answer)


def _finish(response: HttpResponseBase) -> HttpResponseBase:
    if response.status_code < HTTPStatus.BAD_REQUEST or not settings.DEBUG:
        response.headers.setdefault(HEADER, settings.PAGE_POLICY)
    return response  # Django's own pages of errors, for developers, have their style inline
