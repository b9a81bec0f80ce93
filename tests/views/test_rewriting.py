"""Middleware that rewrites answers: images leave as they are, or as the middleware says."""

from __future__ import annotations

import gzip
import hashlib
from wsgiref.util import FileWrapper

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.handlers.wsgi import WSGIHandler
from django.test import AsyncClient, RequestFactory

from images_app.renditions import rendition_url

GZIP = "django.middleware.gzip.GZipMiddleware"
CONDITIONAL = "django.middleware.http.ConditionalGetMiddleware"
SIZE = (900, 700)  # whose bytes are more than a middleware lets be


class Answers:
    """What a logged in viewer gets, under WSGI with a server's file wrapper, or ASGI."""

    def __init__(self, server, user):
        self.server, self.user = server, user
        self.client = AsyncClient()
        self.client.force_login(user)

    def ask(self, method, url, **headers):
        """Status, headers and body."""
        headers = {"Accept-Encoding": "gzip", **headers}
        if self.server == "asgi":
            return async_to_sync(self._ask_asgi)(method, url, headers)
        cookies = "; ".join(f"{name}={each.value}" for name, each in self.client.cookies.items())
        request = RequestFactory().generic(method, url, headers={**headers, "Cookie": cookies})
        started = []
        environ = {**request.environ, "wsgi.file_wrapper": FileWrapper}
        sent = WSGIHandler()(environ, lambda *given: started.append(given))
        content = b"".join(sent)
        sent.close()
        status, given = started[0]
        return int(status[:3]), dict(given), content

    async def _ask_asgi(self, method, url, headers):
        client = AsyncClient()  # one loads the middleware just once
        client.cookies = self.client.cookies
        response = await client.generic(method, url, headers=headers)
        if not response.streaming:
            content = response.content
        elif response.is_async:
            content = b"".join([block async for block in response.streaming_content])
        else:  # the test client empties some answers itself
            content = b"".join(response.streaming_content)
        await sync_to_async(response.close)()
        return response.status_code, dict(response.headers), content


@pytest.fixture(params=["wsgi", "asgi"])
def answers(request, db, make_user):
    return Answers(request.param, make_user())


@pytest.fixture(params=["original", "rendition", "rendition in memory"])
def url(request, settings, answers, make_image):
    cached = {"RENDITION_CACHE": "default"} if request.param == "rendition in memory" else {}
    settings.IMAGES_APP = cached
    image = make_image(owner=answers.user, size=SIZE)
    if request.param == "original":
        return image.original_url
    return rendition_url(image, "ladder", width=640)


def with_middleware(settings, *paths):
    settings.MIDDLEWARE = [*paths, *settings.MIDDLEWARE]


def all_answers(answers, url):
    """By name: whole, part, unchanged, head, behind the end."""
    _, headers, whole = answers.ask("GET", url)
    etag = headers["ETag"]
    return {
        "whole": (200, headers, whole),
        "part": answers.ask("GET", url, Range="bytes=100-899"),
        "unchanged": answers.ask("GET", url, **{"If-None-Match": etag}),
        "head": answers.ask("HEAD", url),
        "behind": answers.ask("GET", url, Range="bytes=99999999-"),
        "changed": answers.ask("GET", url, **{"If-Match": '"other"'}),
    }


@pytest.mark.parametrize("paths", [[GZIP], [CONDITIONAL], [GZIP, CONDITIONAL]])
def test_gzip_and_conditional__change_nothing_of_an_image(settings, answers, url, paths):
    before = all_answers(answers, url)
    with_middleware(settings, *paths)
    assert all_answers(answers, url) == before
    assert before["part"][0] == 206
    assert before["part"][2] == before["whole"][2][100:900]


def test_gzip__compresses_pages_as_ever(settings, answers):
    with_middleware(settings, GZIP)
    status, headers, content = answers.ask("GET", "/")
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert b"<html" in gzip.decompress(content)


def test_gzip__leaves_the_answer_to_a_web_server_without_a_body(settings, answers, url):
    if "/renditions/" not in url:
        return
    url = url.replace("/renditions/", "/decisions/")
    before = answers.ask("GET", url)
    with_middleware(settings, GZIP)
    assert answers.ask("GET", url) == before
    assert (before[0], before[2]) == (204, b"")


def test_hashing__hands_on_what_it_has_read(settings, answers, url):
    before = all_answers(answers, url)
    with_middleware(settings, "tests.rewriting.hashing")
    for name, (status, headers, content) in all_answers(answers, url).items():
        assert (status, content) == (before[name][0], before[name][2])
        digest = headers.pop("X-Digest", None)
        assert headers == before[name][1]
        assert digest is None or digest == hashlib.sha256(content).hexdigest()


def test_minifying__is_what_is_sent(settings, answers, url):
    before = all_answers(answers, url)
    with_middleware(settings, "tests.rewriting.minifying")
    after = all_answers(answers, url)
    assert after["whole"][2] == before["whole"][2][:1000]
    assert after["whole"][1]["Content-Length"] == "1000"
    assert after["part"] == before["part"]
    assert after["unchanged"] == before["unchanged"]


def test_compressing__that_does_not_ask_still_sends_what_it_says(settings, answers, url):
    before = all_answers(answers, url)
    with_middleware(settings, "tests.rewriting.compressing")
    after = all_answers(answers, url)
    _, headers, content = after["whole"]
    assert headers["Content-Encoding"] == "gzip"
    assert int(headers["Content-Length"]) == len(content)
    assert gzip.decompress(content) == before["whole"][2]
    assert after["part"] == before["part"]
