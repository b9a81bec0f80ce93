"""An object store that says too much: nginx lets through its bytes, and none of its words."""

from __future__ import annotations

import http.client
import http.server
import io
import socket
import socketserver
import threading
import urllib.parse
from contextlib import contextmanager

import pytest

from tests.wire.nginx import OBJECT_STORE, behind_nginx
from tests.wire.servers import Server

pytestmark = pytest.mark.slow
IMAGE = bytes(range(256)) * 4096  # 1 MiB, not of text
WORDS = b"<script>the store's own words</script>" * 500
OURS = {
    "Content-Type": "image/avif",
    "Content-Disposition": 'inline; filename="cat.avif"',
    "Cache-Control": "private, max-age=600, immutable",
    "Set-Cookie": "sessionid=ours; HttpOnly",
    "ETag": '"1-original"',
    "Vary": "Cookie",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}
REFUSED = {
    "Content-Type": "text/plain; charset=utf-8",
    "Cache-Control": "no-store",
    "Vary": "Cookie",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
UNAVAILABLE = b"The storage cannot be reached right now. Try again in a moment."
NGINXS_OWN = {"Server", "Date", "Connection", "Transfer-Encoding"}
ODD = [
    # What speaks for the whole site.
    *('Clear-Site-Data: "*"', "Strict-Transport-Security: max-age=99; includeSubDomains"),
    *('Alt-Svc: h3="evil.example:443"', "Service-Worker-Allowed: /", "Set-Cookie: sessionid=evil"),
    *('Report-To: {"group": "x"}', 'NEL: {"report_to": "x"}', "Reporting-Endpoints: x='/x'"),
    *("Expect-CT: max-age=9", 'Public-Key-Pins: pin-sha256="x"', "Origin-Agent-Cluster: ?0"),
    *("Accept-CH: DPR", "Critical-CH: DPR", "Permissions-Policy: geolocation=*"),
    *("Cross-Origin-Opener-Policy: unsafe-none", "Cross-Origin-Embedder-Policy: unsafe-none"),
    *("Document-Policy: x", "Feature-Policy: x", "Observe-Browsing-Topics: ?1"),
    *("Attribution-Reporting-Register-Source: {}", "Speculation-Rules: '/x'"),
    *("Supports-Loading-Mode: fenced-frame", "Set-Login: logged-in", "Sec-Session-Id: x"),
    # What speaks for the image.
    *("Refresh: 0; url=https://evil.example/", "Link: </x>; rel=preload", "Location: /x"),
    *("Content-Encoding: br", "Content-Type: text/html", "Content-Disposition: attachment"),
    *("Cache-Control: public, max-age=99999", "Expires: Fri, 01 Jan 2100 00:00:00 GMT"),
    *("ETag: 'theirs'", "Last-Modified: Fri, 01 Jan 2010 00:00:00 GMT", "Vary: *", "Age: 9"),
    *("Pragma: public", "Warning: 110", "Content-Language: de", "Content-Location: /x"),
    *("Content-MD5: x", "Digest: x", "Repr-Digest: x", "Content-Digest: x", "Accept-Ranges: none"),
    *("Content-Security-Policy: default-src *", "X-Frame-Options: ALLOWALL"),
    *("X-Content-Type-Options: no", "X-XSS-Protection: 0", "SourceMap: /x", "X-SourceMap: /x"),
    *("Access-Control-Allow-Origin: *", "Access-Control-Allow-Credentials: true"),
    *("Access-Control-Expose-Headers: *", "Timing-Allow-Origin: *", "Server-Timing: x"),
    *("CDN-Cache-Control: public", "Surrogate-Control: max-age=9", "Cache-Tag: x", "X-Cache: HIT"),
    # What speaks for the connection.
    *("Trailer: X-T", "Upgrade: h2c", "Keep-Alive: timeout=9", "Proxy-Connection: keep-alive"),
    *("WWW-Authenticate: Basic", "Proxy-Authenticate: Basic", "Authentication-Info: x"),
    *("Retry-After: 9", "Allow: PUT", "Via: 1.1 evil", "Early-Data: 1", "P3P: x", "Status: 299"),
    # What speaks of the store, and names that trip programs.
    *("x-amz-meta-owner: jane", "x-amz-request-id: 1", "x-amz-made-up: 1", "x-goog-hash: 1"),
    *("x-ms-blob-type: x", "x-made-up: 1", "X-Accel-Redirect: /healthz", "X-Accel-Made-Up: 1"),
    *("X-Images-Upstream: http://evil/", "X-Sendfile: /etc/passwd", "X-Pad: 1", "Server: evil"),
    *("constructor: 1", "__proto__: 1", "toString: 1", "length: 1", "0: 1", "a.b: 1", "a_b: 1"),
    *("X-Twice: 1", "x-twice: 2", "X-TWICE: 3", "Date: never", "content-length-x: 1"),
]


class Store(socketserver.StreamRequestHandler):
    """Answers with the status that the URL names, and all that a store might say besides."""

    asked = b""

    def handle(self):
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            if not (line := self.rfile.readline()):
                return
            request += line
        type(self).asked = request
        how = request.split()[1].decode().removeprefix("/")
        try:
            self.answer(*how.partition("/")[::2])
        except OSError:
            self.close_connection = True  # nginx has heard enough

    def answer(self, status, how):
        body = IMAGE if status in {"200", "206"} else WORDS
        if status[0] == "1" or status in {"204", "304"}:
            body = b""
        length = {"chunked": "Transfer-Encoding: chunked", "unbounded": "X-No-Length: 1"}
        told = length.get(how, f"Content-Length: {len(body)}")
        ranged = [f"Content-Range: bytes 0-{len(body) - 1}/{len(body)}"] * (status == "206")
        lines = [f"HTTP/1.1 {status} Their Own Words", *ODD, told, *ranged, "Connection: close"]
        if how == "hints":
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n")
        lines[0] = {"shoutcast": "ICY 200 OK", "http2": "HTTP/2 200 OK"}.get(how, lines[0])
        if how == "broken":
            lines.insert(3, "no header at all \x00")
        self.wfile.write("\r\n".join(lines).encode() + b"\r\n\r\n")
        if how == "chunked":
            body = b"%x\r\n%b\r\n0\r\nX-Trailer: 1\r\n\r\n" % (len(body), body)
        if how == "short":
            body = body[: len(body) // 2]
        self.wfile.write(body)
        for _ in range(2**16 * (how == "endless")):
            self.wfile.write(WORDS)


class Django(http.server.BaseHTTPRequestHandler):
    """Hands everything over to the store, as NginxDelivery does."""

    store = ""

    def do_GET(self):
        self.send_response(200)
        internal = {
            "X-Accel-Redirect": "/_images/upstream",
            "X-Images-Upstream": f"{self.store}{self.path}",
        }
        for name, value in {**OURS, **internal, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args):
        pass


class Listening(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


@contextmanager
def listening(handler):
    with Listening(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nginx")
    with listening(Store) as store, listening(Django) as django:
        Django.store = store
        upstream = Server(name="django", url=django, pid=0)
        with behind_nginx(folder, OBJECT_STORE, private=folder, upstream=upstream) as server:
            yield server


def ask(front, path, **headers):
    """Everything that comes over the wire, and what it says: status, headers, body."""
    parts = urllib.parse.urlsplit(front.url)
    sent = {"Host": "images.example.org", "Connection": "close", **headers}
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    with socket.create_connection((parts.hostname, parts.port), 20) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        received = connection.makefile("rb").read()
    response = http.client.HTTPResponse(Wire(received))
    response.begin()
    return received, response.status, response.headers, response.read()


class Wire(io.BytesIO):
    """Bytes that look like a socket."""

    def makefile(self, mode):
        """Itself."""
        return self


def said(headers):
    assert len(headers.keys()) == len(set(headers.keys())), "a header stands twice"
    return {name: value for name, value in headers.items() if name not in NGINXS_OWN}


THEIRS = {tuple(line.lower().split(": ", 1)) for line in ODD}
NOT_THEIRS_ALONE = {name.lower() for name in (*OURS, *NGINXS_OWN, "Accept-Ranges", "Retry-After")}


def assert_none_of_theirs(received):
    head = received.partition(b"\r\n\r\n")[0].decode().lower()
    assert "their own words" not in head
    pairs = {tuple(line.split(": ", 1)) for line in head.split("\r\n")[1:]}
    assert not pairs & THEIRS
    assert not {name for name, _ in pairs} & ({name for name, _ in THEIRS} - NOT_THEIRS_ALONE)


@pytest.mark.parametrize("path", ["/200/", "/200/chunked"])
def test_200__has_the_stores_bytes_and_djangos_headers(front, path):
    received, status, headers, content = ask(front, path)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (status, content) == (200, IMAGE)
    length = {"Content-Length": str(len(IMAGE))} if path == "/200/" else {}
    assert said(headers) == {**OURS, **length, "Accept-Ranges": "bytes"}
    assert_none_of_theirs(received)


def test_206__keeps_its_range(front):
    received, status, headers, content = ask(front, "/206/")
    assert (status, content) == (206, IMAGE)
    assert said(headers) == {
        **OURS,
        "Content-Length": str(len(IMAGE)),
        "Content-Range": f"bytes 0-{len(IMAGE) - 1}/{len(IMAGE)}",
        "Accept-Ranges": "bytes",
    }
    assert_none_of_theirs(received)


def test_304__has_djangos_headers(front):
    received, status, headers, content = ask(front, "/304/")
    assert (status, content) == (304, b"")
    without = {name: value for name, value in OURS.items() if name != "Content-Type"}
    assert said(headers) == {**without, "Accept-Ranges": "bytes"}
    assert_none_of_theirs(received)


@pytest.mark.parametrize(
    ("theirs", "words"), [(404, b"Not found."), (416, b"Range not satisfiable.")]
)
def test_404_and_416__are_our_own(front, theirs, words):
    received, status, headers, content = ask(front, f"/{theirs}/")
    assert (status, content) == (theirs, words)
    assert_refused(headers, content, status=theirs)
    assert_none_of_theirs(received)


def assert_refused(headers, content, *, status=503):
    retry = {"Retry-After": "5"} if status == 503 else {}
    assert said(headers) == {**REFUSED, **retry, "Content-Length": str(len(content))}


@pytest.mark.parametrize("hundred", range(1, 10))
def test_status__any_other_is_503_which_nobody_keeps(front, hundred):
    for theirs in sorted({*range(100 * hundred, 100 * hundred + 100)} - {200, 206, 304, 404, 416}):
        received, status, headers, content = ask(front, f"/{theirs}/")
        assert (status, content) == (503, UNAVAILABLE), theirs
        assert received.startswith(b"HTTP/1.1 503 Service Temporarily Unavailable\r\n")
        assert_refused(headers, content)
        assert_none_of_theirs(received)


@pytest.mark.parametrize("path", ["/207/endless", "/299/chunked", "/299/unbounded", "/500/endless"])
def test_status__its_body_is_not_waited_for(front, path):
    _received, status, headers, content = ask(front, path)
    assert (status, content) == (503, UNAVAILABLE)
    assert_refused(headers, content)


@pytest.mark.parametrize("path", ["/200/hints", "/200/broken", "/200/unbounded", "/000/", "/099/"])
def test_answer__that_is_no_sound_http_is_503(front, path):
    received, status, headers, content = ask(front, path)
    assert (status, content) == (503, UNAVAILABLE)
    assert_refused(headers, content)
    assert_none_of_theirs(received)


@pytest.mark.parametrize("path", ["/20/", "/abc/", "/2000/", "/200/shoutcast", "/200/http2"])
def test_answer__that_nginx_cannot_read_does_not_pass_as_it_is(front, path):
    """Another client might read it, and any header behind."""
    with pytest.raises(http.client.RemoteDisconnected):
        ask(front, path)


def test_upgrade__never_connects_a_viewer_with_the_store(front):
    for path in ("/101/", "/200/"):
        sent = {"Connection": "close, upgrade", "Upgrade": "websocket"}
        received, status, _headers, content = ask(front, path, **sent)
        assert (status, content) == (503, UNAVAILABLE)
        assert_none_of_theirs(received)


def test_store__learns_nothing_of_the_viewer(front):
    ask(front, "/200/", Cookie="sessionid=secret", Range="bytes=0-1", Referer="http://x/secret")
    lines = Store.asked.decode().lower().splitlines()
    assert [line.partition(":")[0] for line in lines[1:] if line] == ["host"]


def test_store__that_is_away_is_503_which_nobody_keeps(front):
    """Nor does Django's `immutable` stand beside: nginx keeps Django's headers over redirects."""
    for url in ("http://127.0.0.1:1/", "http://[/", "gopher://x/", ""):
        before, Django.store = Django.store, url
        try:
            received, status, headers, content = ask(front, "/200/")
        finally:
            Django.store = before
        assert (status, content) == (503, UNAVAILABLE), url
        assert received.startswith(b"HTTP/1.1 503 Service Temporarily Unavailable\r\n")
        assert_refused(headers, content)


def test_short_answer__ends_before_its_length(front):
    parts = urllib.parse.urlsplit(front.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    connection.request("GET", "/200/short")
    response = connection.getresponse()
    assert response.length == len(IMAGE)
    with pytest.raises(http.client.IncompleteRead):
        response.read()
    connection.close()
