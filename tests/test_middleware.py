"""Logging out clears the browser's cache, under WSGI and ASGI."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from asgiref.sync import iscoroutinefunction
from django.contrib.auth.signals import user_logged_out
from django.http import HttpResponse
from django.test import AsyncRequestFactory, RequestFactory
from django.urls import reverse

from images_app.middleware import ClearSiteDataMiddleware


def answer(request):
    if request.path == "/logout/":
        user_logged_out.send(sender=None, request=request, user=None)
    return HttpResponse("ok")


async def answer_async(request):
    return answer(request)


@pytest.mark.parametrize(("path", "expected"), [("/logout/", '"cache"'), ("/", None)])
def test_sync__adds_the_header_to_a_logout_only(path, expected):
    middleware = ClearSiteDataMiddleware(answer)
    assert not iscoroutinefunction(middleware)
    response = middleware(RequestFactory().get(path))
    assert response.headers.get("Clear-Site-Data") == expected
    assert response.content == b"ok"


@pytest.mark.parametrize(("path", "expected"), [("/logout/", '"cache"'), ("/", None)])
def test_async__adds_the_header_to_a_logout_only(path, expected):
    middleware = ClearSiteDataMiddleware(answer_async)
    assert iscoroutinefunction(middleware)
    awaitable = middleware(AsyncRequestFactory().get(path))
    assert inspect.isawaitable(awaitable)
    response = asyncio.run(awaitable)
    assert response.headers.get("Clear-Site-Data") == expected
    assert response.content == b"ok"


def test_signal__without_a_request_is_no_error():
    user_logged_out.send(sender=None, request=None, user=None)


@pytest.mark.parametrize("name", ["logout", "admin:logout"])
def test_logout__of_the_project_and_of_the_admin_clears_the_cache(client, make_user, name):
    client.force_login(make_user(is_staff=True))
    response = client.post(reverse(name))
    assert response.headers["Clear-Site-Data"] == '"cache"'
    assert "Clear-Site-Data" not in client.get(reverse("login")).headers
