"""Signed URLs on the wire: one way to write them, one life, and nothing else that they open."""

from __future__ import annotations

import contextlib
import html
import re
import socket
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPMessage, parse_headers
from io import BytesIO

import pytest

from tests.signing.test_signers import mutations
from tests.wire.nginx import behind_nginx
from tests.wire.servers import manage, serving
from tests.wire.test_servers import Browser

pytestmark = [pytest.mark.slow, pytest.mark.alone]
# How to deliver: nginx's mode if there is one, and Django's settings.
SITES = {
    "streaming": (None, "project.settings"),
    "signed": (None, "tests.wire.settings.signed"),
    "signed, brief": (None, "tests.wire.settings.signed_brief"),
    "accel": ("accel", "tests.wire.settings.accel"),
    "auth_request": ("auth_request", "tests.wire.settings.accel"),
    "auth_request, app": ("auth_request", "tests.wire.settings.app_page"),
    "secure_link": ("secure_link", "tests.wire.settings.secure_link"),
    "secure_link, brief": ("secure_link", "tests.wire.settings.secure_link_brief"),
}
LIFETIME = 2  # seconds, of the brief ones
URLS = """
from images_app import *
from images_app.models import Gallery
for title in {titles}:
    gallery = Gallery.objects.get(title=title)
    image, other = get_image_model().objects.order_by('pk').filter(galleries=gallery)[:2]
    print(gallery.get_absolute_url(), image.original_url, *(
        rendition_url(*wanted[:2], **wanted[2]) for wanted in (
            (image, 'ladder', dict(width=640)),
            (image, 'ladder', dict(width=320)),
            (image, 'ladder', dict(width=640, image_format='webp')),
            (image, 'thumb', dict()),
            (other, 'ladder', dict(width=640)),
        )
    ))
"""


@dataclass(frozen=True)
class Gallery:
    """A gallery's page, the original of its first image, and renditions that one may ask for."""

    page: str
    original: str
    rendition: str
    others: tuple[str, ...]


def galleries(demo, *titles: str) -> list[Gallery]:
    """What the demo has."""
    said = manage(demo, "shell", "-v0", "-c", URLS.format(titles=titles)).splitlines()
    return [Gallery(*line.split()[:3], tuple(line.split()[3:])) for line in said]


@contextlib.contextmanager
def site(demo, folder, name, server="gunicorn threads"):
    """Serve the demo in one of the ways: whom a browser asks, and Django."""
    mode, settings = SITES[name]
    with serving(server, demo, settings) as django:
        if mode is None:
            yield django, django
            return
        with behind_nginx(folder, mode, private=demo / "private", upstream=django) as front:
            yield front, django


def logged_in(base: str, name: str) -> Browser:
    browser = Browser(base)
    browser.log_in(name)
    return browser


def signed_url(browser: Browser, gallery: Gallery) -> str:
    """The rendition's URL, as the gallery's page has it."""
    page = browser.ask("GET", gallery.page)[2]
    stem = re.escape(gallery.rendition.rpartition(".")[0])
    return re.search(rf"{stem}\.jpg\?[^\s\",]+", html.unescape(page.decode()))[0]


@dataclass(frozen=True)
class Answer:
    """What came back over a socket; 0 is HTTP/0.9, which has neither status nor headers."""

    status: int
    headers: HTTPMessage
    whole: bytes


def send(base: str, target: str, *lines: str, method="GET", version="HTTP/1.1") -> Answer:
    """Send a request line that no client library would, byte for byte."""
    parts = urllib.parse.urlsplit(base)
    head = [f"{method} {target} {version}", "Host: localhost", "Connection: close", *lines, "", ""]
    answer = b""
    with socket.create_connection((parts.hostname, parts.port), 20) as connection:
        connection.sendall("\r\n".join(head).encode("latin-1"))
        # What was not read of a broken request makes the server's close a reset.
        with contextlib.suppress(ConnectionResetError):
            while block := connection.recv(65536):
                answer += block
    first, _, rest = answer.partition(b"\r\n")
    is_new = first.startswith(b"HTTP/")
    return Answer(
        int(first.split()[1]) if is_new else 0,
        parse_headers(BytesIO(rest)) if is_new else HTTPMessage(),
        answer,
    )


def with_letter(url: str, index: int, letter: str) -> str:
    return f"{url[:index]}{letter}{url[index + 1 :]}"


def spellings(url: str, gallery: Gallery) -> set[str]:
    """Other request targets: each bit of the URL, each letter encoded, other paths, other forms."""
    path, _, query = url.partition("?")
    found = set(mutations(url))
    found |= {
        with_letter(url, i, chr(ord(url[i]) ^ 1 << n)) for i in range(len(url)) for n in range(8)
    }
    slashes = [i for i, letter in enumerate(path) if letter == "/"]
    inserted = ("/", "./", "x/../", ";", ";x=1/", "%2e/", "\\", "%00", "%20", "+")
    found |= {f"{path[: i + 1]}{x}{path[i + 1 :]}?{query}" for i in slashes for x in inserted}
    found |= {f"{path[:i]};x=1{path[i:]}?{query}" for i in slashes[1:]}
    found |= {f"{path}{end}?{query}" for end in ("/", "/.", "/..", ".", "%00", "%0a", ";", "%20")}
    found |= {with_letter(url, i, path[i].swapcase()) for i in range(len(path))}
    decision = path.replace("/renditions/", "/decisions/")
    elsewhere = (*gallery.others, gallery.original, decision, gallery.page, f"/x{path}")
    elsewhere += (path.replace("/1/", "/2/"), path.replace("/1/", "/01/"))
    found |= {f"{other}?{query}" for other in elsewhere}
    found |= {f"http://localhost{other}?{query}" for other in elsewhere}
    found |= {f"{other}?{query}#{path}" for other in elsewhere}
    found |= {f"{path}%3f{query}", f"{path}%23?{query}", f"{path}#?{query}", path, f"{path}?"}
    found |= {f"localhost{path}?{query}", f"http:{path}?{query}", url.lstrip("/")}
    for form in ("%{:02x}", "%{:02X}", "%25{:02x}"):
        found |= {with_letter(url, i, form.format(ord(url[i]))) for i in range(len(url))}
    return found - same_url(url) - {url}


def same_url(url: str) -> set[str]:
    """What is the URL itself by the rules of HTTP.

    With its host before it (RFC 9112 3.2.2), and with a fragment, which is no part of a request
    (RFC 9110 7.1). Letters written as numbers are the same by RFC 3986 6.2.2.2, but not to caches.
    """
    return {f"http://localhost{url}", f"{url}#", f"{url}#x"}


# Each spelling is sent as it is, and once more in one of these ways.
WAYS = (
    (("If-None-Match: *",), {}),
    (("Range: bytes=0-99",), {}),
    ((), {"method": "HEAD"}),
    ((), {"version": "HTTP/1.0"}),
)


def let_through(base: str, targets: set[str], content: bytes) -> list[tuple[str, int, str]]:
    """Those that were not refused as they must be, with what is wrong."""
    ordered = sorted(targets)
    asked = [(target, (), {}) for target in ordered]
    asked += [(target, *WAYS[i % len(WAYS)]) for i, target in enumerate(ordered)]

    def ask(case):
        target, lines, way = case
        answer = send(base, target, *lines, **way)
        return target, answer.status, complaint(target, answer, content)

    with ThreadPoolExecutor(8) as pool:
        return [found for found in pool.map(ask, asked) if found[2]]


def complaint(target: str, answer: Answer, content: bytes) -> str:
    """What is wrong with a refusal, if anything."""
    if content[:64] in answer.whole or content[-64:] in answer.whole:
        return "image bytes"
    # A decision says 403, to nginx; a page sends to the login.
    path = re.split("[?#]", target.removeprefix("http://localhost"))[0]
    other = {"decisions": 403, "galleries": 302}.get(path.strip("/").partition("/")[0], 404)
    allowed = {0, 400, 404, 405, 414, other}
    if answer.status not in allowed:
        return "status"
    kept = [name for name in ("Expires", "ETag", "Last-Modified") if name in answer.headers]
    said = answer.headers.get("Cache-Control", "")
    is_ours = answer.status == 404 and re.match("/(renditions|originals)/.", path)
    is_right = said == "no-store" if is_ours else "no-store" in said or not (kept or said)
    return "" if is_right else f"kept: {said} {kept}"


@pytest.fixture(scope="module")
def mountains(demo):
    """A private gallery."""
    (found,) = galleries(demo, "Mountains at dawn")
    return found


@pytest.mark.parametrize("name", ["secure_link", "signed"])
def test_signature__opens_its_url_and_no_other(demo, tmp_path, mountains, name):
    with site(demo, tmp_path, name) as (front, _):
        editor = logged_in(front.url, "editor")
        content = editor.ask("GET", mountains.rendition)[2]
        assert {editor.ask("GET", made)[0] for made in mountains.others} == {200}
        url = signed_url(editor, mountains)
        targets = spellings(url, mountains)
        assert len(targets) >= 2000
        assert let_through(front.url, targets, content) == []
        old = send(front.url, url, version="HTTP/1.0")
        # Django's middleware puts it on all that Django has seen.
        assert ("X-Frame-Options" in old.headers) is (name == "signed")
        for answer in (old, *(send(front.url, target) for target in {url, *same_url(url)})):
            assert answer.status == 200
            assert answer.whole.endswith(b"\r\n\r\n" + content)
            assert answer.headers["Cache-Control"].startswith("private, ")
            assert "Vary" not in answer.headers


@pytest.mark.parametrize("name", ["secure_link, brief", "signed, brief"])
def test_signature__opens_nothing_once_it_has_expired(demo, tmp_path, mountains, name):
    with site(demo, tmp_path, name) as (front, _):
        editor = logged_in(front.url, "editor")
        content = editor.ask("GET", mountains.rendition)[2]
        assert {editor.ask("GET", made)[0] for made in mountains.others} == {200}
        url = signed_url(editor, mountains)
        assert send(front.url, url).status == 200
        time.sleep(LIFETIME + 1)  # nginx counts whole seconds, and the last one in
        targets = {url, *same_url(url), *spellings(url, mountains)}
        assert let_through(front.url, targets, content) == []
        # Who has the right without a signature still has it.
        status, headers, seen = editor.ask("GET", url)
        assert (status, seen, headers["Vary"]) == (200, content, "Cookie")
        assert headers["Cache-Control"] == "private, max-age=600, immutable"
