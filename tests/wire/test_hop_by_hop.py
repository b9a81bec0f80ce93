"""What speaks of one connection goes no further: no server passes it on, over HTTP/1.1, 2 or 3."""

from __future__ import annotations

import base64
import hashlib
import socketserver
import subprocess
import threading
import urllib.parse
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.chromium import ARGUMENTS
from tests.parts import need, program
from tests.pictures import picture
from tests.wire import nginx, test_xsendfile
from tests.wire.servers import Server

pytestmark = pytest.mark.slow
PICTURE = picture("png")
APACHES_HTTP2 = Path("/usr/lib/apache2/modules/mod_http2.so")
# RFC 9110 7.6.1, and who came before it; RFC 9113 8.2.2 and RFC 9114 4.2 forbid them all.
HOP_BY_HOP = {
    "Connection": "keep-alive, X-Named, X-Named-Too",
    "Keep-Alive": "timeout=5",
    "Proxy-Connection": "keep-alive",
    "TE": "trailers",
    "Trailer": "X-Last",
    "Upgrade": "h2c",
    "X-Named": "1",
    "X-Named-Too": "1",
}
END_TO_END = {
    "Content-Type": "image/png",
    "ETag": '"ours"',
    "Cache-Control": "private, max-age=600, immutable",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


class Backend(socketserver.StreamRequestHandler):
    """Says all of it about its own connection, and has the web server send a file."""

    internal: dict[str, str] = {}

    def handle(self):
        request = self.rfile.readline().split()
        while self.rfile.readline() not in (b"\r\n", b""):
            pass
        is_page = b"/page" in request[1]
        internal = {} if is_page else self.internal
        body = PICTURE if is_page else b""
        sent = {**HOP_BY_HOP, **END_TO_END, **internal, "Content-Length": str(len(body))}
        lines = ["HTTP/1.1 200 OK", *(f"{name}: {value}" for name, value in sent.items())]
        self.wfile.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


class Listening(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


@pytest.fixture(scope="module")
def var(tmp_path_factory):
    """A folder as the demo's, with one picture."""
    var = tmp_path_factory.mktemp("var")
    for name in ("images", "renditions"):
        (var / "private" / name).mkdir(parents=True)
    path = var / "private" / "images" / "picture"
    path.write_bytes(PICTURE)
    for folder in (var.parent.parent, var.parent, var, path):  # Apache is nobody
        folder.chmod(0o755)
    Backend.internal = {"X-Sendfile": str(path), "X-Accel-Redirect": "/_images/images/picture"}
    return var


@pytest.fixture(scope="module")
def backend(var):
    with Listening(("127.0.0.1", 0), Backend) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


ADDED = {
    "Caddyfile": {
        "http:// {": "https://localhost:{port} {{\n\ttls internal",
        "admin off": "admin off\n\tskip_install_trust",
    },
    "apache.conf": {
        "LoadModule mpm_event": f"LoadModule http2_module {APACHES_HTTP2}\nLoadModule mpm_event",
        "ProxyRequests Off": "Protocols h2c http/1.1\nProxyRequests Off",
    },
    "lighttpd.conf": {},
}


@pytest.fixture(scope="module", params=[*ADDED, "nginx.conf"])
def front(request, backend, var, tmp_path_factory):
    """The URL of a web server that knows HTTP/2 as well."""
    folder = tmp_path_factory.mktemp("front")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "nginx.conf":
            write = nginx.write_configuration

            def with_http2(*arguments, port, **others):
                path = write(*arguments, port=port, **others)
                listen, own = f"listen 127.0.0.1:{port};", f"listen unix:{folder}/http2 http2;"
                path.write_text(path.read_text().replace(listen, f"{listen} {own}"))
                return path

            patch.setattr(nginx, "write_configuration", with_http2)
            upstream = Server(name="backend", url=backend, pid=0)
            with nginx.behind_nginx(
                folder, "accel", private=var / "private", upstream=upstream
            ) as server:
                yield server.url, f"#{folder}/http2"
            return
        if request.param == "apache.conf":
            need("apache2 with mod_http2", is_there=APACHES_HTTP2.exists())
        ours = {**test_xsendfile.OURS[request.param], **ADDED[request.param]}
        patch.setitem(test_xsendfile.OURS, request.param, ours)
        with test_xsendfile.in_front(request.param, backend, var, folder) as url:
            is_caddy = request.param == "Caddyfile"
            port = urllib.parse.urlsplit(url).port
            yield f"https://localhost:{port}" if is_caddy else url, ""


def ask(url, version):
    """Protocol, status, headers and body of an answer."""
    url, _, path = url.partition("#")  # nginx speaks HTTP/2 without TLS at a socket of its own
    socket = ["--unix-socket", path] if path and version == "2" else []
    how = "--http1.1" if version == "1.1" else "--http2-prior-knowledge"
    if url.startswith("https:") and version == "2":
        how = "--http2"
    command = [program("curl"), "-sk", how, "--max-time", "20", "-D", "/dev/stderr", *socket, url]
    answer = subprocess.run(command, capture_output=True, check=False)
    assert answer.returncode == 0, answer
    first, *lines = answer.stderr.decode().strip().split("\r\n")
    pairs = (line.partition(":")[::2] for line in lines)
    return first.split()[:2], {name.lower(): value.strip() for name, value in pairs}, answer.stdout


@pytest.mark.parametrize("version", ["1.1", "2"])
@pytest.mark.parametrize("path", ["/originals/picture", "/page"])
def test_answer__has_nothing_of_the_other_connection(front, request, version, path):
    url, socket = front
    is_caddys = "Caddyfile" in request.node.name and "originals" in path
    for _ in range(2):
        (protocol, status), headers, content = ask(f"{url}{path}{socket}", version)
        assert (protocol, status, content) == (f"HTTP/{version}", "200", PICTURE)
        for name, value in END_TO_END.items():
            assert headers[name.lower()] == value
        # Of their own, servers say the first two over HTTP/1.1; lighttpd lets the third through.
        own = {"connection", "keep-alive", "upgrade"} if version == "1.1" else set()
        # Of those that Connection names, nginx and lighttpd cannot know.
        named = set() if is_caddys else {"x-named", "x-named-too"}
        wrong = {name.lower() for name in HOP_BY_HOP} - own - named
        assert not wrong & headers.keys()
        assert "x-named" not in headers.get("connection", "").lower()


@pytest.mark.parametrize("front", ["Caddyfile"], indirect=True)  # who alone knows HTTP/3
def test_picture__is_shown_by_chromium_over_http3(front):
    front, _ = front
    url = f"{front}/originals/picture"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program("chromium"),
            args=[
                *(argument for argument in ARGUMENTS if argument != "--disable-quic"),
                f"--origin-to-force-quic-on={urllib.parse.urlsplit(front).netloc}",
                f"--ignore-certificate-errors-spki-list={key_of(front)}",
            ],
        )
        page = browser.new_page()
        response = page.goto(url)
        assert (response.status, response.body()) == (200, PICTURE)
        spoken = "performance.getEntriesByType('navigation')[0].nextHopProtocol"
        assert page.evaluate(spoken) == "h3"
        assert page.evaluate("document.images[0].naturalWidth") > 0
        browser.close()


def key_of(url):
    """The hash of a server's public key, by which Chromium is told to trust it."""
    where = urllib.parse.urlsplit(url).netloc
    openssl = program("openssl")
    said = subprocess.run(
        [openssl, "s_client", "-connect", where, "-servername", "localhost"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    ).stdout
    public = subprocess.run(
        [openssl, "x509", "-pubkey", "-noout"], input=said, capture_output=True, check=True
    ).stdout
    key = subprocess.run(
        [openssl, "pkey", "-pubin", "-outform", "der"],
        input=public,
        capture_output=True,
        check=True,
    ).stdout
    return base64.b64encode(hashlib.sha256(key).digest()).decode()
