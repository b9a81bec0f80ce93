"""The contract over real sockets: the same answers from every server, in constant memory."""

from __future__ import annotations

import http.client
import re
import urllib.parse

import pytest

from tests.wire.servers import COMMANDS, manage, serving

pytestmark = pytest.mark.slow
BIG = 120 * 2**20  # bytes


class Browser:
    """A client with cookies that follows nothing by itself."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, url: str, data: dict | bytes | None = None, **headers: str):
        """Status, headers and body."""
        parts = urllib.parse.urlsplit(self.base)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        body = urllib.parse.urlencode(data) if isinstance(data, dict) else data
        if isinstance(data, dict):
            sent |= {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, url, body, sent)
        response = connection.getresponse()
        content = response.read()
        for line in response.headers.get_all("Set-Cookie") or []:
            name, _, rest = line.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        connection.close()
        return response.status, response.headers, content

    def log_in(self, name: str) -> None:
        """By the login page."""
        _, _, page = self.ask("GET", "/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.decode()).group(1)
        data = {"username": name, "password": "demo-password", "csrfmiddlewaretoken": token}
        status, _, _ = self.ask("POST", "/login/", data, Referer=self.base)
        assert status == 302


@pytest.fixture(scope="module", params=list(COMMANDS))
def server(request, demo):
    with serving(request.param, demo) as running:
        yield running


@pytest.fixture
def editor(server):
    browser = Browser(server.url)
    browser.log_in("editor")
    return browser


@pytest.fixture(scope="module")
def urls(demo):
    """A private image's original and rendition."""
    said = manage(
        demo,
        "shell",
        "-v0",
        "-c",
        "from images_app import *\n"
        "image = get_image_model().objects.filter(galleries__visibility='private').first()\n"
        "print(image.original_url, rendition_url(image, 'ladder', width=640))",
    )
    return said.split()


def test_rendition__private_headers_and_304(editor, urls):
    status, headers, content = editor.ask("GET", urls[1])
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    assert headers["Cache-Control"] == "private, max-age=600, immutable"
    assert len(content) == int(headers["Content-Length"])
    status, again, content = editor.ask("GET", urls[1], If_None_Match=headers["ETag"])
    assert (status, content) == (304, b"")
    for name in ("ETag", "Cache-Control", "Content-Security-Policy", "X-Content-Type-Options"):
        assert again[name] == headers[name]


def test_original__ranges(editor, urls):
    _, headers, whole = editor.ask("GET", urls[0])
    assert whole[:3] == b"\xff\xd8\xff"
    size = len(whole)
    for wanted, start, stop in (
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, size),
        ("bytes=-7", size - 7, size),
    ):
        status, part, content = editor.ask("GET", urls[0], Range=wanted)
        assert (status, content) == (206, whole[start:stop])
        assert part["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"
    status, _, content = editor.ask("GET", urls[0], Range="bytes=0-9", If_Range=headers["ETag"])
    assert (status, len(content)) == (206, 10)
    status, _, content = editor.ask("GET", urls[0], Range="bytes=0-9", If_Range='"other"')
    assert (status, len(content)) == (200, size)
    status, _, content = editor.ask("GET", urls[0], Range="bytes=0-1,4-5")
    assert (status, len(content)) == (200, size)
    status, headers, _ = editor.ask("GET", urls[0], Range=f"bytes={size}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{size}")


def test_original__head(editor, urls):
    status, headers, content = editor.ask("HEAD", urls[0])
    _, _, whole = editor.ask("GET", urls[0])
    assert (status, content, int(headers["Content-Length"])) == (200, b"", len(whole))


def test_stranger__sees_nothing(server, urls):
    browser = Browser(server.url)
    for url in urls:
        for headers in ({}, {"Range": "bytes=0-1"}, {"If_None_Match": "*"}):
            status, answer, content = browser.ask("GET", url, **headers)
            assert (status, content) == (404, b"Not found.")
            assert answer["Cache-Control"] == "no-store"


def test_static__is_public_compressed_and_immutable(server):
    browser = Browser(server.url)
    _, _, page = browser.ask("GET", "/login/")
    url = re.search(r'href="([^"]+\.css)"', page.decode()).group(1)
    status, headers, _ = browser.ask("GET", url, Accept_Encoding="gzip")
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert "immutable" in headers["Cache-Control"]
    assert browser.ask("GET", "/static/../private/images/")[0] == 404


def test_health(server):
    browser = Browser(server.url)
    assert browser.ask("GET", "/healthz")[0] == 200
    assert browser.ask("GET", "/readyz")[0] == 200


def test_logout__clears_the_browsers_cache(server):
    browser = Browser(server.url)
    browser.log_in("viewer")
    _, _, page = browser.ask("GET", "/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.decode()).group(1)
    status, headers, _ = browser.ask(
        "POST", "/logout/", {"csrfmiddlewaretoken": token}, Referer=server.url
    )
    assert (status, headers["Clear-Site-Data"]) == (302, '"cache"')


MAKE_BIG = """
from images_app.models import Image
from django.core.files.storage import storages
from django.core.files.base import ContentFile
image = Image.objects.filter(galleries__visibility='private').last()
storage = storages[image.storage_alias]
with open(storage.path(image.storage_name), 'ab') as file:
    file.truncate({size})
image.byte_size = {size}
image.save()
print(image.original_url)
"""


def test_big_original__costs_no_memory(server, demo, editor):
    """One slow reader of a large original: far less memory than its length."""
    url = manage(demo, "shell", "-v0", "-c", MAKE_BIG.format(size=BIG)).strip()
    parts = urllib.parse.urlsplit(server.url)
    editor.ask("HEAD", url)
    before = server.memory()
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    cookies = "; ".join(f"{k}={v}" for k, v in editor.cookies.items())
    connection.request("GET", url, headers={"Cookie": cookies})
    response = connection.getresponse()
    read, most = 0, 0
    while block := response.read(2**20):
        read += len(block)
        most = max(most, server.memory() - before)
    connection.close()
    assert read == BIG
    assert most < 16 * 2**20
