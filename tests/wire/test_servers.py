"""The contract over real sockets: the same answers from every server."""

from __future__ import annotations

import http.client
import re
import urllib.parse
from pathlib import Path

import pytest

from tests.wire.servers import COMMANDS, manage, serving

pytestmark = pytest.mark.slow
BLOCK = 64 * 1024  # bytes that are read and sent at once


class Browser:
    """A client with cookies that follows nothing by itself."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, url: str, data: dict | bytes | None = None, **headers: str):
        """Status, headers and body."""
        connection = self.connect()
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | self.cookie()
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

    def connect(self) -> http.client.HTTPConnection:
        """A connection that is not open yet."""
        parts = urllib.parse.urlsplit(self.base)
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)

    def cookie(self) -> dict[str, str]:
        """The header that says who asks."""
        pairs = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Cookie": pairs} if pairs else {}

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


LENGTHEN = """
import os
from images_app import *
from django.core.files.storage import storages
image = get_image_model().objects.filter(galleries__visibility='private')[2]
path = storages[image.storage_alias].path(image.storage_name)
with open(path, 'ab') as file:
    file.write(os.urandom(5 * {block}))
image.byte_size = os.path.getsize(path)
image.save()
print(image.original_url, path)
"""


@pytest.fixture(scope="module")
def long_original(demo):
    """The URL and the bytes of an original of more than five blocks."""
    url, path = manage(demo, "shell", "-v0", "-c", LENGTHEN.format(block=BLOCK)).split()
    return url, Path(path).read_bytes()


def without_date(headers):
    """Headers by name, but what each answer has of its own."""
    return {name.lower(): value for name, value in headers.items() if name.lower() != "date"}


def test_rendition__private_headers_and_304(editor, urls):
    status, headers, content = editor.ask("GET", urls[1])
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    assert headers["Cache-Control"] == "private, max-age=600, immutable"
    assert len(content) == int(headers["Content-Length"])
    status, again, content = editor.ask("GET", urls[1], If_None_Match=headers["ETag"])
    assert (status, content) == (304, b"")
    for name in ("ETag", "Cache-Control", "Content-Security-Policy", "X-Content-Type-Options"):
        assert again[name] == headers[name]


def test_rendition__is_made_under_each_server(editor, urls, demo):
    """In a child process, which needs an interpreter; servers are not all one."""
    _, _, name = urls[1].partition("/renditions/")
    path = demo / "private" / "renditions" / name
    path.unlink(missing_ok=True)
    status, headers, content = editor.ask("GET", urls[1])
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    assert content == path.read_bytes()


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


@pytest.mark.parametrize("length", [1, 2, BLOCK, 2 * BLOCK + 1])
def test_original__ranges_over_the_borders_of_blocks(editor, long_original, length):
    url, whole = long_original
    for start in (BLOCK - 1, BLOCK, BLOCK + 1):
        stop = start + length
        status, part, content = editor.ask("GET", url, Range=f"bytes={start}-{stop - 1}")
        assert (status, content) == (206, whole[start:stop])
        assert int(part["Content-Length"]) == length
    assert editor.ask("GET", url)[2] == whole


@pytest.mark.parametrize("which", [0, 1])
def test_head__is_as_get_without_a_body(editor, urls, which):
    status, headers, content = editor.ask("HEAD", urls[which])
    _, of_get, whole = editor.ask("GET", urls[which])
    assert (status, content, int(headers["Content-Length"])) == (200, b"", len(whole))
    assert without_date(headers) == without_date(of_get)


def test_original__304_promises_no_other_length(editor, urls):
    _, headers, whole = editor.ask("GET", urls[0])
    status, again, content = editor.ask("GET", urls[0], If_None_Match=headers["ETag"])
    assert (status, content) == (304, b"")
    assert again.get("Content-Length", str(len(whole))) == str(len(whole))
    for name in ("ETag", "Cache-Control", "Vary", "Content-Security-Policy"):
        assert again[name] == headers[name]


def test_original__if_match(editor, urls):
    status, headers, _ = editor.ask("GET", urls[0], If_Match='"other"')
    assert (status, headers["Cache-Control"]) == (412, "no-store")
    _, headers, whole = editor.ask("GET", urls[0])
    status, _, content = editor.ask("GET", urls[0], If_Match=headers["ETag"])
    assert (status, content) == (200, whole)


def test_original__download(editor, urls):
    _, shown, whole = editor.ask("GET", urls[0])
    status, saved, content = editor.ask("GET", f"{urls[0]}?download")
    assert (status, content) == (200, whole)
    assert shown["Content-Disposition"].startswith("inline")
    assert saved["Content-Disposition"].startswith("attachment; filename=")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods__are_405_to_everyone(server, editor, urls, method):
    for browser in (editor, Browser(server.url)):
        for url in (*urls, "/originals/00000000-0000-4000-8000-000000000000/1.jpg"):
            status, headers, _ = browser.ask(method, url)
            assert (status, headers["Allow"]) == (405, "GET, HEAD")
            assert headers["Cache-Control"] == "no-store"


def test_connection__goes_on_after_each_kind_of_answer(server, editor, urls):
    _, headers, whole = editor.ask("GET", urls[0])
    if server.name == "gunicorn":  # whose sync worker ends the connection with each answer
        assert headers["Connection"] == "close"
        return
    _, _, small = editor.ask("GET", urls[1])
    known, size = {"If-None-Match": headers["ETag"]}, len(whole)
    connection = editor.connect()
    connection.connect()
    connection.auto_open = 0  # a connection that was closed shall fail, not be replaced
    for method, sent, *expected in (
        ("HEAD", {}, 200, b""),
        ("GET", {}, 200, whole),
        ("GET", known, 304, b""),
        ("HEAD", known, 304, b""),
        ("GET", {"Range": "bytes=9-99999"}, 206, whole[9:100_000]),
        ("GET", {"Range": f"bytes={size}-"}, 416, b"Range not satisfiable."),
        ("GET", {"If-Match": '"other"'}, 412, b"The image has changed."),
        ("POST", {}, 405, b"Method not allowed."),
    ):
        assert on(connection, method, urls[0], editor.cookie() | sent) == expected
        assert on(connection, "GET", urls[1], editor.cookie()) == [200, small]
    connection.close()


def on(connection, method, url, headers):
    """Status and body of an answer that leaves the connection open."""
    connection.request(method, url, headers=headers)
    response = connection.getresponse()
    assert not response.will_close
    return [response.status, response.read()]


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
