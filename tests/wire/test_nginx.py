"""nginx with the configuration of deploy/, on the wire: our headers, our errors, no way around."""

from __future__ import annotations

import html
import re
import socket
import urllib.parse

import pytest

from tests.wire.nginx import MODES, behind_nginx
from tests.wire.servers import manage, serving
from tests.wire.test_servers import Browser

pytestmark = pytest.mark.slow
# Of the Django behind nginx, and of one that sends all bytes itself, to compare with.
SETTINGS = {
    "accel": ("tests.wire.settings.accel", "project.settings"),
    "auth_request": ("tests.wire.settings.accel", "project.settings"),
    "secure_link": (
        "tests.wire.settings.secure_link",
        "tests.wire.settings.secure_link_streaming",
    ),
}
KEPT = (
    "Cache-Control",
    "Content-Disposition",
    "Content-Security-Policy",
    "Content-Type",
    "Cross-Origin-Resource-Policy",
    "ETag",
    "Referrer-Policy",
    "Vary",
    "X-Content-Type-Options",
    "X-Robots-Tag",
)
URLS = """
from images_app import *
image = get_image_model().objects.filter(galleries__visibility='private').first()
print(image.original_url, rendition_url(image, 'ladder', width=640))
print(image.galleries.first().get_absolute_url(), image.storage_name)
"""


class Site:
    """nginx, and beside it a Django without one."""

    def __init__(self, mode, front, plain):
        self.mode, self.front, self.plain = mode, front, plain

    def browser(self, name="editor", *, direct=False) -> Browser:
        browser = Browser(self.plain.url if direct else self.front.url)
        if name:
            browser.log_in(name)
        return browser


@pytest.fixture(scope="module", params=list(MODES))
def site(request, demo, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nginx")
    behind, alone = SETTINGS[request.param]
    with (
        serving("gunicorn threads", demo, behind) as django,
        serving("gunicorn threads", demo, alone) as plain,
        behind_nginx(folder, request.param, private=demo / "private", upstream=django) as front,
    ):
        yield Site(request.param, front, plain)


@pytest.fixture(scope="module")
def urls(demo):
    """Original, rendition, gallery page, and the name of the original's file."""
    return manage(demo, "shell", "-v0", "-c", URLS).split()


@pytest.fixture(scope="module")
def image_urls(site, urls):
    """Original and rendition, as the gallery's page has it: signed where the mode signs."""
    editor = site.browser()
    _, _, page = editor.ask("GET", urls[2])
    stem = urls[1].rsplit(".", 1)[0]
    found = re.search(rf"{re.escape(stem)}[^\s\",]*", html.unescape(page.decode()))
    assert found
    editor.ask("GET", urls[1])  # made, so that nginx finds it
    return [urls[0], found[0]]


def test_headers__all_arrive_and_are_djangos(site, image_urls):
    through, direct = site.browser(), site.browser(direct=True)
    for url in image_urls:
        status, ours, content = through.ask("GET", url)
        _, djangos, expected = direct.ask("GET", url)
        assert (status, content) == (200, expected)
        different = {
            name: (ours.get_all(name), djangos.get_all(name))
            for name in KEPT
            if ours.get_all(name) != djangos.get_all(name)
        }
        # Signed: Django counts the seconds that nginx names as a date, and both say `private`.
        if site.mode == "secure_link" and "?" in url:
            cache_control, _ = different.pop("Cache-Control")
            assert cache_control == ["private, immutable"]
            assert ours["Expires"].endswith("GMT")
        assert different == {}
        assert "Last-Modified" not in ours
        assert not [name for name in ours if name.lower().startswith(("x-accel", "x-images"))]
        assert ours["Accept-Ranges"] == "bytes"


def test_unchanged__is_304_with_the_same_headers(site, image_urls):
    browser = site.browser()
    for url in image_urls:
        _, whole, _ = browser.ask("GET", url)
        etag = whole["ETag"].removeprefix("W/")
        for value in (whole["ETag"], etag, f'"x", {whole["ETag"]} , "y"', "*"):
            status, headers, content = browser.ask("GET", url, If_None_Match=value)
            assert (status, content) == (304, b""), value
            for name in KEPT:
                if not name.startswith("Content-") or name == "Content-Security-Policy":
                    assert headers.get_all(name) == whole.get_all(name)
        for value in ('"other"', f'W/"x{etag[1:]}', etag.strip('"')):
            assert browser.ask("GET", url, If_None_Match=value)[0] == 200, value


def test_ranges__are_those_of_django(site, image_urls):
    through, direct = site.browser(), site.browser(direct=True)
    for url in image_urls:
        _, headers, whole = through.ask("GET", url)
        size, etag = len(whole), headers["ETag"]
        cases = [
            {"Range": "bytes=0-99"},
            {"Range": "bytes=100-"},
            {"Range": "bytes=-7"},
            {"Range": f"bytes=5-{size + 99}"},
            {"Range": f"bytes={size}-"},
            {"Range": "bytes=-0"},
            {"Range": "bytes=0-1,4-5"},
            {"Range": "bytes=5-2"},
            {"Range": "nonsense"},
            {"Range": "bytes=0-9", "If_Range": etag},
            {"Range": "bytes=0-9", "If_Range": '"other"'},
            {"Range": "bytes=0-9", "If_Range": "Sat, 01 Jan 2050 00:00:00 GMT"},
            {"If_Match": etag},
            {"If_Match": "*"},
            {"If_Match": '"other"'},
            {"If_Unmodified_Since": "Sat, 01 Jan 2000 00:00:00 GMT"},
            {"If_Modified_Since": "Sat, 01 Jan 2050 00:00:00 GMT"},
        ]
        for case in cases:
            ours, djangos = through.ask("GET", url, **case), direct.ask("GET", url, **case)
            assert ours[0] == djangos[0], case
            assert ours[2] == djangos[2], case
            for name in ("Content-Range", "Content-Length", "ETag", "Content-Type"):
                assert ours[1].get_all(name) == djangos[1].get_all(name), (case, name)
            if ours[0] >= 400:
                assert ours[1].get_all("Cache-Control") == ["no-store"], case


def test_head__is_get_without_a_body(site, image_urls):
    browser = site.browser()
    for url in image_urls:
        _, got, content = browser.ask("GET", url)
        status, head, nothing = browser.ask("HEAD", url)
        assert (status, nothing, int(head["Content-Length"])) == (200, b"", len(content))
        assert {k: v for k, v in head.items() if k in KEPT} == {
            k: v for k, v in got.items() if k in KEPT
        }


def test_other_methods__are_djangos_405(site, image_urls):
    browser = site.browser()
    for url in image_urls:
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            status, headers, _ = browser.ask(method, url)
            assert (status, headers["Allow"]) == (405, "GET, HEAD")


def refusal(answer) -> tuple:
    """What a client can see of a refusal; the server's name and clock aside."""
    status, headers, content = answer
    ignored = {"Date", "Server", "Connection", "Keep-Alive", "Transfer-Encoding"}
    # Django's middleware puts these two on every answer; they say nothing of the image.
    ignored |= {"X-Frame-Options", "Cross-Origin-Opener-Policy"}
    return status, sorted((k, v) for k, v in headers.items() if k not in ignored), content


def test_stranger__cannot_tell_forbidden_from_absent(site, image_urls):
    stranger = site.browser("")
    original, rendition = image_urls[0], image_urls[1].partition("?")[0]
    never = "00000000-0000-4000-8000-000000000000"
    for url in (original, rendition):
        absent = re.sub(r"[0-9a-f-]{36}", never, url)
        for headers in ({}, {"Range": "bytes=0-9"}, {"If_None_Match": "*"}, {"If_Match": "*"}):
            for method in ("GET", "HEAD"):
                forbidden = refusal(stranger.ask(method, url, **headers))
                assert forbidden == refusal(stranger.ask(method, absent, **headers))
                assert forbidden[0] == 404
                assert ("Cache-Control", "no-store") in forbidden[1]


HOSTILE = (
    "/_images/images/{name}",
    "/_images/images/../images/{name}",
    "/_images/image_renditions/{file}",
    "/_images/upstream",
    "/_images/decision",
    "/_images/",
    "/%5fimages/images/{name}",
    "//_images/images/{name}",
    "/x/../_images/images/{name}",
    "/private/images/{name}",
    "/renditions/../../private/images/{name}",
    "/renditions/..%2f..%2fimages/{name}",
    "/renditions/{file}/../../../../images/{name}",
    "/static/..%2f..%2fprivate/images/{name}",
)


def raw_status(url: str, path: str, *headers: str) -> tuple[int, bytes]:
    """The answer to a path that no client library would send as it is."""
    parts = urllib.parse.urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), 10) as connection:
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        answer = b""
        while block := connection.recv(65536):
            answer += block
    return int(answer.split(b" ", 2)[1]), answer


def test_direct_access__is_404(site, urls, image_urls):
    image_file = image_urls[1].partition("?")[0].removeprefix("/renditions/")
    forged = (
        "X-Accel-Redirect: /_images/images/" + urls[3],
        "X-Original-URI: " + urls[1],
        "X-Images-Upstream: http://127.0.0.1:1/",
        "X-Images-Origin-Secret: x",
    )
    for pattern in HOSTILE:
        path = pattern.format(name=urls[3], file=image_file)
        status, answer = raw_status(site.front.url, path, *forged)
        assert status in {400, 404}, path  # 400: nginx reads no path that leaves its root
        assert b"\xff\xd8\xff" not in answer, path
        if status == 404:
            assert b"nginx" not in answer.partition(b"\r\n\r\n")[2], path


def test_missing_file__is_never_kept(site, demo, image_urls):
    """A rendition whose file is gone is made again; an original is said to be gone."""
    browser = site.browser()
    file = (
        demo / "private/renditions" / image_urls[1].partition("?")[0].removeprefix("/renditions/")
    )
    _, _, before = browser.ask("GET", image_urls[1])
    file.unlink()
    status, _, content = browser.ask("GET", image_urls[1])
    assert (status, content) == (200, before)
    name = manage(demo, "shell", "-v0", "-c", URLS).split()[3]
    original = demo / "private/images" / name
    original.rename(original.with_suffix(".away"))
    try:
        status, headers, _ = browser.ask("GET", image_urls[0])
        assert (status, headers["Cache-Control"]) == (410, "no-store")
    finally:
        original.with_suffix(".away").rename(original)


def test_pages_and_health__go_on(site):
    browser = site.browser()
    assert browser.ask("GET", "/")[0] == 200
    assert browser.ask("GET", "/healthz")[0] == 200
