"""The contract behind Apache, lighttpd and Caddy, with the configurations that we ship."""

from __future__ import annotations

import contextlib
import http.server
import os
import socket
import subprocess
import threading
import time
import urllib.parse
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.parts import program
from tests.wire.servers import ROOT, free_port, manage, serving
from tests.wire.test_servers import Browser

pytestmark = pytest.mark.slow

PRIVATE = "/srv/images_app/private"
# What of each configuration is of this machine: what stands there, and what stands in its place.
OURS = {
    "apache.conf": {
        "Listen 0.0.0.0:80\n": "Listen 127.0.0.1:{port}\n",
        "127.0.0.1:8000": "127.0.0.1:{behind}",
        PRIVATE: "{private}",
        "/run/apache2": "{folder}",
        "/var/log/apache2": "{folder}",
        "User www-data\nGroup www-data\n": "",
    },
    "lighttpd.conf": {
        'server.bind = "0.0.0.0"\nserver.port = 80\n': (
            'server.bind = "127.0.0.1"\nserver.port = {port}\n'
        ),
        '"port" => 8000': '"port" => {behind}',
        PRIVATE: "{private}",
        "/var/empty": "{folder}",
        'server.username = "www-data"\nserver.groupname = "www-data"\n': "",
    },
    "Caddyfile": {
        "http:// {": "http://:{port} {{",
        "127.0.0.1:8000": "127.0.0.1:{behind}",
        PRIVATE: "{private}",
    },
}
COMMANDS = {
    "apache.conf": ("apache2", "-DFOREGROUND", "-f"),
    "lighttpd.conf": ("lighttpd", "-D", "-f"),
    "Caddyfile": ("caddy", "run", "--adapter", "caddyfile", "--config"),
}
# Apache refuses to work as root, and the files of a test that runs as root are root's.
NOT_ROOT = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
)


@contextlib.contextmanager
def in_front(config: str, behind: str, var: Path, folder: Path):
    """Serve with one of our configurations what another server answers."""
    name, *arguments = COMMANDS[config]
    command = [program(name), *arguments, str(folder / config)]
    if name == "apache2" and os.geteuid() == 0:
        command = [program(NOT_ROOT[0]), *NOT_ROOT[1:], *command]
    port = free_port()
    text = (ROOT / "deploy" / config).read_text()
    values = {
        "port": port,
        "behind": urllib.parse.urlsplit(behind).port,
        "private": var / "private",
        "folder": folder,
    }
    for theirs, ours in OURS[config].items():
        assert theirs in text, f"{config} does not say {theirs!r} any more"
        text = text.replace(theirs, ours.format_map(values))
    (folder / config).write_text(text)
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(200):
            assert process.poll() is None, (folder / "log").read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def streaming(demo):
    """Django alone, whose answers are the contract."""
    with serving("gunicorn threads", demo) as running:
        yield running.url


@pytest.fixture(scope="module")
def django(demo):
    """Django as the web servers see it."""
    with serving("gunicorn threads", demo, "tests.wire.xsendfile_settings") as running:
        yield running.url


@pytest.fixture(scope="module", params=list(OURS))
def config(request):
    return request.param


@pytest.fixture(scope="module")
def front(config, django, demo, tmp_path_factory):
    with in_front(config, django, demo, tmp_path_factory.mktemp("front")) as url:
        yield url


@pytest.fixture(scope="module")
def session(streaming):
    """The cookies of an editor."""
    browser = Browser(streaming)
    browser.log_in("editor")
    return browser.cookies


@pytest.fixture
def browse(session):
    """The same editor at any of the servers."""

    def browse(base: str) -> Browser:
        browser = Browser(base)
        browser.cookies = dict(session)
        return browser

    return browse


SAY = """
from images_app import *
image = get_image_model().objects.filter(galleries__visibility='private').first()
public = get_image_model().objects.filter(galleries__visibility='public').first()
print(image.original_url, rendition_url(image, 'ladder', width=640))
print(rendition_url(public, 'ladder', width=640))
"""


@pytest.fixture(scope="module")
def urls(demo):
    """A private image's original and rendition, and a public one's rendition."""
    return manage(demo, "shell", "-v0", "-c", SAY).split()


def file_of(browser: Browser, url: str) -> Path:
    """The file that a web server is told to send."""
    status, headers, content = browser.ask("GET", url)
    assert (status, content, headers["Content-Length"]) == (200, b"", "0")
    return Path(urllib.parse.unquote(headers["X-Sendfile"]))


def test_django__names_the_file_and_sends_none(browse, django, streaming, demo, urls):
    for url in urls:
        _, _, whole = browse(streaming).ask("GET", url)
        path = file_of(browse(django), url)
        assert demo / "private" in path.parents
        assert path.read_bytes() == whole


ETAG, NOW = "{etag}", "{now}"
LATER, EARLIER = "Fri, 01 Jan 2100 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 GMT"
CASES = [
    {},
    {"Accept-Encoding": "gzip, br, zstd"},
    *({"Range": f"bytes={asked}"} for asked in ("0-99", "100-", "-7", "0-0", "0-", "0-99999999")),
    *({"Range": f"bytes={asked}"} for asked in ("99999999-", "-0", "0-1,4-5", "0-1,,", "x")),
    {"Range": "bytes=0-,0-,0-"},
    {"Range": "items=0-5"},
    {"Range": "Bytes=0-5"},
    *({"If-None-Match": asked} for asked in (ETAG, "*", '"other"', f'"other", {ETAG}')),
    {"If-None-Match": ETAG, "Range": "bytes=0-9"},
    {"If-None-Match": '"other"', "Range": "bytes=0-9"},
    {"If-None-Match": '"other"', "If-Modified-Since": LATER},
    *({"If-Modified-Since": asked} for asked in (LATER, NOW, EARLIER)),
    *({"If-Unmodified-Since": asked} for asked in (LATER, EARLIER)),
    *({"If-Match": asked} for asked in (ETAG, "*", '"other"')),
    {"If-Match": ETAG, "Range": "bytes=0-9"},
    *({"If-Range": asked, "Range": "bytes=0-9"} for asked in (ETAG, '"other"', NOW, EARLIER)),
    {"If-Range": ETAG, "Range": "bytes=0-1,4-5"},
]
# What a web server may say of its own account.
ITS_OWN = frozenset({"Server", "Date", "Connection", "Keep-Alive"})
OF_PAGES = ITS_OWN | {"Accept-Ranges"}


def compared(answer, but: frozenset[str] = ITS_OWN) -> tuple:
    status, headers, content = answer
    said = {name.title(): headers.get_all(name) for name in headers}
    return status, {k: v for k, v in said.items() if k not in but}, content


def has_none(headers, *names: str) -> bool:
    return all(headers[name] is None for name in names)


@pytest.mark.parametrize("asked", CASES, ids=str)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_answer__is_that_of_django_alone(front, browse, streaming, urls, method, asked):
    for url in urls:
        alone = browse(streaming)
        meant = {
            "etag": alone.ask("HEAD", url)[1]["ETag"],
            "now": formatdate(usegmt=True),
        }
        sent = {name.replace("-", "_"): value.format(**meant) for name, value in asked.items()}
        expected = compared(alone.ask(method, url, **sent))
        assert compared(browse(front).ask(method, url, **sent)) == expected


def test_ranges__that_servers_read_differently(front, config, browse, urls):
    """Where it differs from Django's answer, it is another that is allowed, kept by nobody."""
    editor = browse(front)
    _, _, whole = editor.ask("GET", urls[0])
    status, headers, content = editor.ask("GET", urls[0], Range="bytes=5-2")
    if config == "lighttpd.conf":
        assert (status, headers["Cache-Control"], headers["ETag"]) == (416, None, None)
    else:
        assert (status, content) == (200, whole)
    status, _, content = editor.ask("GET", urls[0], Range="Bytes = 0-5")
    assert (status, content) == (206, whole[:6])


def test_headers__all_of_them(front, browse, urls):
    """Said once in words, should the comparison above go blind."""
    status, headers, content = browse(front).ask("GET", urls[0], Range="bytes=0-2")
    assert (status, content) == (206, b"\xff\xd8\xff")
    assert dict(headers) | {
        "Content-Type": "image/jpeg",
        "Content-Length": "3",
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=600, immutable",
        "Vary": "Cookie",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "same-origin",
        "X-Robots-Tag": "noindex",
    } == dict(headers)
    assert headers["Content-Disposition"].startswith("inline; filename=")
    assert len(headers.get_all("ETag")) == 1
    assert has_none(headers, "X-Sendfile", "Last-Modified")


def test_stranger__sees_nothing(front, urls):
    stranger = Browser(front)
    for url in urls[:2]:
        for sent in ({}, {"Range": "bytes=0-1"}, {"If_None_Match": "*"}, {"If_Match": "*"}):
            status, headers, content = stranger.ask("GET", url, **sent)
            assert (status, content) == (404, b"Not found.")
            assert headers["Cache-Control"] == "no-store"
            status, headers, content = stranger.ask("HEAD", url, **sent)
            assert (status, content, headers["Cache-Control"]) == (404, b"", "no-store")


def test_files__have_no_url(front, browse, django, demo, urls):
    for url in urls[:2]:
        path = file_of(browse(django), url)
        content = path.read_bytes()
        below, private = path.relative_to(demo / "private"), demo / "private"
        name = below.relative_to(below.parts[0])
        for hostile in (
            *(f"/{below}", f"/{name}", f"/private/{below}", f"{path}", f"/{path}", f"//{path}"),
            *(f"{PRIVATE}/{below}", f"/static/..{path}", f"/static/../../private/{below}"),
            *(f"/static/%2e%2e/%2e%2e/private/{below}", f"/static/..%2f..%2fprivate%2f{below}"),
            *(f"/originals/../private/{below}", f"/originals/..{path}", f"/.{path}", f"/..{path}"),
            *(f"/%2e%2e{path}", f"/..%5c..%5cprivate/{below}", f"/originals/%2f{path}"),
            *(f"/originals/-?{path}", f"/originals/;{path}", f"/%252e%252e{path}"),
            *(f"{private}", f"{private}/", "/private/", "/images/", "/renditions/", "/originals/"),
            *(f"/static/....//....//private/{below}", f"{path}%00", f"/%00{path}", f"{path}/"),
        ):
            if hostile == url:  # a rendition's URL ends in its name
                continue
            status, headers, answer = browse(front).ask("GET", hostile)
            assert status >= 300, hostile
            assert content[:64] not in answer
            assert headers["X-Sendfile"] is None
            assert "immutable" not in headers.get("Cache-Control", "")


def test_clients_header__is_nothing(front, browse, streaming, django, urls):
    path = str(file_of(browse(django), urls[0]))
    for name in ("X-Sendfile", "X-Sendfile-Temporary", "X-Accel-Redirect", "X_Sendfile"):
        browser, alone = Browser(front), Browser(streaming)
        for url in (urls[0], "/healthz", "/login/"):
            status, headers, content = browser.ask("GET", url, **{name: path})
            assert status == alone.ask("GET", url)[0]
            assert b"\xff\xd8\xff" not in content
            assert headers[name] is None


def test_gone__original_410_and_rendition_made_again(front, browse, django, urls):
    editor = browse(front)
    path = file_of(browse(django), urls[0])
    aside = path.rename(path.with_name("aside"))
    try:
        for sent in ({}, {"Range": "bytes=0-1"}):
            for method in ("GET", "HEAD"):
                status, headers, _ = editor.ask(method, urls[0], **sent)
                assert (status, headers["Cache-Control"]) == (410, "no-store")
                assert has_none(headers, "ETag", "X-Sendfile", "Last-Modified")
    finally:
        aside.rename(path)
    assert editor.ask("GET", urls[0])[0] == 200
    path = file_of(browse(django), urls[1])
    path.unlink()
    for _ in range(2):
        status, headers, content = editor.ask("GET", urls[1])
        assert (status, headers["Content-Type"]) == (200, "image/jpeg")
        assert content == path.read_bytes()


def test_pages__are_djangos(front, streaming):
    alone, browser = Browser(streaming), Browser(front)
    for url in ("/healthz", "/readyz", "/originals/nowhere", "/renditions/a/b/c"):
        expected = compared(alone.ask("GET", url), OF_PAGES)
        assert compared(browser.ask("GET", url), OF_PAGES) == expected
    status, _, page = browser.ask("GET", "/nowhere")
    assert (status, page) == (404, alone.ask("GET", "/nowhere")[2])
    browser.log_in("viewer")
    status, headers, page = browser.ask("GET", "/")
    assert (status, headers["Cache-Control"]) == (200, "private, no-cache")
    assert b"viewer" in page


# A backend that names what it is asked to, as a Django with a hole in it might.


class Obedient(http.server.BaseHTTPRequestHandler):
    """Answers with the header that the URL's query names, and a body that must not arrive."""

    seen: dict[str, str] = {}
    wbufsize = -1  # all in one piece

    def do_GET(self):
        _, _, named = self.path.partition("?")
        type(self).seen = {name.title(): value for name, value in self.headers.items()}
        self.send_response(200 if named or self.path == "/page" else 404)
        headers = {
            "ETag": '"ours"',
            "Content-Disposition": "inline; filename=ours",
            "Cache-Control": "private, max-age=600, immutable",
            "X-Sendfile": named,
        }
        for name, value in (headers if named else {"Cache-Control": "no-store"}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "image/x-ours")
        self.send_header("Content-Length", "9")
        self.end_headers()
        self.wfile.write(b"not these")

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def obedient(config, demo, tmp_path_factory):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Obedient) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        behind = f"http://127.0.0.1:{server.server_port}"
        with in_front(config, behind, demo, tmp_path_factory.mktemp("obedient")) as url:
            yield Browser(url)
        server.shutdown()


@pytest.mark.parametrize("name", ["plain", "a-b_c~d.jpg", ".hidden", "..twice"])
def test_file__is_sent_by_the_web_server(obedient, demo, name):
    path = demo / "private" / "images" / name
    path.write_bytes(b"the file's")
    try:
        url = f"/originals/x?{urllib.parse.quote(str(path))}"
        status, headers, content = obedient.ask("GET", url)
        assert (status, content) == (200, b"the file's")
        assert headers["Content-Type"] == "image/x-ours"
        assert headers.get_all("ETag") == ['"ours"']
        assert headers["Content-Length"] == "10"
        assert has_none(headers, "X-Sendfile", "Last-Modified")
        status, headers, content = obedient.ask("GET", url, Range="bytes=4-")
        assert (status, content) == (206, b"file's")
    finally:
        path.unlink()


@pytest.mark.parametrize(
    "named",
    [
        *("/etc/passwd", "{var}/db.sqlite3", "{private}/../db.sqlite3", "{var}/private/db.sqlite3"),
        *("{private}/images/../../db.sqlite3", "{private}/images/%2e%2e/%2e%2e/db.sqlite3"),
        *("../../db.sqlite3", "..%2f..%2fdb.sqlite3", "db.sqlite3", "/", "%", "%2"),
        *("{private}/images/gone", "{private}/images", "{private}/images/", "{private}imag"),
    ],
)
def test_header__reaches_nothing_else(obedient, demo, named):
    named = named.format(var=demo, private=demo / "private")
    for sent in ({}, {"Range": "bytes=0-5"}):
        status, headers, content = obedient.ask("GET", f"/originals/x?{named}", **sent)
        assert status >= 400
        # Nobody keeps a 5xx that says nothing (RFC 9111 4.2.2).
        assert headers["Cache-Control"] in ("no-store", *([None] if status >= 500 else []))
        assert has_none(headers, "ETag", "X-Sendfile", "Last-Modified", "Content-Disposition")
        assert b"SQLite" not in content
        assert b"root:" not in content
        assert str(demo).encode() not in content


def test_small_answer_of_djangos__is_never_multipart(obedient):
    """Servers cut ranges out of what they have whole, though Django decided otherwise."""
    status, headers, content = obedient.ask("GET", "/page", Range="bytes=0-1,4-5")
    assert (status, content, headers["Content-Type"]) == (200, b"not these", "image/x-ours")


def test_forwarded__a_client_cannot_claim_https(obedient):
    obedient.ask("GET", "/", X_Forwarded_Proto="https", Host="images.example.org")
    assert Obedient.seen["X-Forwarded-Proto"] == "http"
    assert Obedient.seen["Host"].split(":")[0] == "images.example.org"


def test_django_is_down__kept_by_nobody(config, demo, tmp_path):
    with in_front(config, f"http://127.0.0.1:{free_port()}", demo, tmp_path) as url:
        status, headers, _ = Browser(url).ask("GET", "/originals/x")
        assert status in (502, 503)
        assert headers["Cache-Control"] in (None, "no-store")
