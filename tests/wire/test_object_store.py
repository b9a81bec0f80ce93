"""Images on a real S3 server: streamed by Django, fetched by nginx, or by the browser itself."""

from __future__ import annotations

import json
import urllib.parse

import pytest

from tests.storages.s3server import s3_server
from tests.wire.nginx import OBJECT_STORE, behind_nginx
from tests.wire.servers import manage, serving
from tests.wire.test_nginx import KEPT, URLS, raw_status
from tests.wire.test_servers import Browser

pytestmark = pytest.mark.slow
SETTINGS = "tests.wire.settings.upstream"


@pytest.fixture(scope="module")
def environment():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def fill(var):
    """The demo's data, its images on the S3 server."""
    manage(var, "images_demo", "--no-serve", settings=SETTINGS)
    manage(var, "collectstatic", "--no-input", "-v0", settings=SETTINGS)


@pytest.fixture(scope="module")
def store(tmp_path_factory, environment):
    """An S3 server, and the demo that has its images there."""
    with s3_server(tmp_path_factory.mktemp("s3") / "buckets") as endpoint:
        environment.setenv("WIRE_S3_OPTIONS", json.dumps(endpoint.options))
        var = tmp_path_factory.mktemp("demo-on-s3")
        fill(var)
        yield endpoint, var


@pytest.fixture(scope="module")
def urls(store):
    """A private image's original and rendition."""
    return manage(store[1], "shell", "-v0", "-c", URLS, settings=SETTINGS).split()[:2]


@pytest.fixture(scope="module")
def streaming(store):
    """Django sends the bytes."""
    with serving("gunicorn threads", store[1], SETTINGS) as server:
        yield server


@pytest.fixture(scope="module")
def through_nginx(store, environment, tmp_path_factory):
    """nginx fetches the bytes."""
    environment.setenv("WIRE_DELIVERY", "Nginx")
    folder = tmp_path_factory.mktemp("nginx")
    with (
        serving("gunicorn threads", store[1], SETTINGS) as django,
        behind_nginx(folder, OBJECT_STORE, private=folder, upstream=django) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def redirecting(store, environment):
    """The browser fetches the bytes."""
    environment.setenv("WIRE_DELIVERY", "Redirect")
    with serving("gunicorn threads", store[1], SETTINGS) as server:
        yield server


def editor(server) -> Browser:
    browser = Browser(server.url)
    browser.log_in("editor")
    return browser


def test_nginx__sends_what_django_would(streaming, through_nginx, urls):
    ours, djangos = editor(through_nginx), editor(streaming)
    cases = [
        {},
        {"Range": "bytes=0-99"},
        {"Range": "bytes=100-"},
        {"Range": "bytes=-7"},
        {"Range": "bytes=0-1,4-5"},
        {"Range": "bytes=99999999-"},
        {"If_Match": "*"},
        {"If_None_Match": "*"},
        {"If_Modified_Since": "Sat, 01 Jan 2050 00:00:00 GMT"},
    ]
    for url in urls:
        for method in ("GET", "HEAD"):
            for case in cases:
                got, expected = (who.ask(method, url, **case) for who in (ours, djangos))
                assert (got[0], got[2]) == (expected[0], expected[2]), (method, case)
                for name in (*KEPT, "Content-Length", "Content-Range", "Accept-Ranges"):
                    theirs = expected[1].get_all(name)
                    assert got[1].get_all(name) == theirs, (method, case, name)
                told = [name.lower() for name in got[1]]
                assert not [n for n in told if n.startswith(("x-amz", "x-accel", "x-images"))]
                assert "last-modified" not in told


def test_nginx__never_tells_the_presigned_url_and_fetches_no_other(through_nginx, urls):
    stranger = Browser(through_nginx.url)
    assert [stranger.ask("GET", url)[0] for url in urls] == [404, 404]
    forged = "X-Images-Upstream: http://127.0.0.1:1/"
    for path in ("/_images/upstream", "/_images/upstream?u=http://127.0.0.1:1/"):
        status, answer = raw_status(through_nginx.url, path, forged)
        assert status == 404
        assert b"Not found." in answer


def test_redirect__leads_to_the_bytes_with_our_headers(redirecting, urls):
    browser = editor(redirecting)
    for url in urls:
        status, headers, _ = browser.ask("GET", url)
        assert (status, headers["Vary"]) == (302, "Cookie")
        assert headers["Cache-Control"].startswith("private, max-age=")
        again = browser.ask("GET", url)[1]["Location"]
        assert again == headers["Location"]  # or the browser's cache would not know it
        parts = urllib.parse.urlsplit(headers["Location"])
        assert "X-Amz-Signature=" in parts.query
        store = Browser(f"{parts.scheme}://{parts.netloc}")  # who has no cookies there
        status, sent, content = store.ask("GET", f"{parts.path}?{parts.query}")
        assert status == 200
        assert content[:3] == b"\xff\xd8\xff"
        assert sent["Content-Type"] == "image/jpeg"
        assert sent["Content-Disposition"].startswith("inline; filename=")
        assert sent["Cache-Control"] == "private, max-age=150, immutable"
        unsigned = store.ask("GET", parts.path)
        altered = store.ask("GET", f"{parts.path}?{parts.query.replace('Expires=', 'Expires=9')}")
        assert {unsigned[0], altered[0]} <= {400, 403}  # rclone says 400 to what has no signature


def test_redirect__is_for_who_may_see_it_only(redirecting, urls):
    stranger = Browser(redirecting.url)
    for url in urls:
        for method in ("GET", "HEAD"):
            status, headers, _ = stranger.ask(method, url)
            assert (status, headers.get("Location")) == (404, None)


def test_redirect__304_range_and_head_are_djangos(redirecting, urls):
    browser = editor(redirecting)
    for url in urls:
        status, headers, _ = browser.ask("HEAD", url)
        assert status == 200
        assert browser.ask("GET", url, If_None_Match=headers["ETag"])[0] == 304
        assert browser.ask("GET", url, Range="bytes=99999999-")[0] == 416


def test_store__that_is_away_is_503_and_never_kept(tmp_path_factory, environment):
    """The database says yes, the object store does not answer."""
    with s3_server(tmp_path_factory.mktemp("s3") / "buckets") as endpoint:
        environment.setenv("WIRE_S3_OPTIONS", json.dumps(endpoint.options))
        environment.setenv("WIRE_DELIVERY", "Nginx")
        var, folder = tmp_path_factory.mktemp("demo"), tmp_path_factory.mktemp("nginx")
        fill(var)
        found = manage(var, "shell", "-v0", "-c", URLS, settings=SETTINGS).split()[:2]
    with (
        serving("gunicorn threads", var, SETTINGS) as server,
        behind_nginx(folder, OBJECT_STORE, private=folder, upstream=server) as front,
    ):
        status, headers, content = editor(front).ask("GET", found[0])
        assert status == 503
        assert "no-store" in headers.get_all("Cache-Control")
        assert int(headers["Retry-After"]) > 0
        assert endpoint.url.encode() not in content
