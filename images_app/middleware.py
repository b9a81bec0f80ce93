"""ClearSiteDataMiddleware: logging out takes the private images out of the browser's cache."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest
from django.http.response import HttpResponseBase

_MARK = "_images_app_logged_out"


class ClearSiteDataMiddleware:
    """Adds Clear-Site-Data: "cache" to the answer of any logout, the admin's included.

    Browsers obey it over HTTPS and on localhost (W3C Clear Site Data, 3.1).
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Pass the request on, and look at it again afterwards."""
        answer = self.get_response(request)
        if isinstance(answer, HttpResponseBase):
            return _finish(request, answer)
        return _finish_async(request, answer)


async def _finish_async(
    request: HttpRequest, answer: Awaitable[HttpResponseBase]
) -> HttpResponseBase:
    return _finish(request, await answer)


def _finish(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if getattr(request, _MARK, False):
        response.headers["Clear-Site-Data"] = '"cache"'
    return response


@receiver(user_logged_out, dispatch_uid="images_app.middleware")
def _remember(request: HttpRequest | None, **_: Any) -> None:
    if request is not None:
        setattr(request, _MARK, True)
