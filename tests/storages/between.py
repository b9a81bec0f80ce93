"""A server between a client and the real one: it notes what is asked, and can answer wrongly."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Between(ThreadingHTTPServer):
    """Passes requests on; ``interfere(handler, body)`` answers itself where it returns True."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.sent: list[int] = []
        self.interfere: Callable[[Any, bytes], bool] = lambda handler, body: False
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Where clients find it, without a slash at its end."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def methods(self) -> list[str]:
        """The methods that were asked for."""
        return [method for method, _path, _headers in self.asked]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Between

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        names = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, names))
        if self.server.interfere(self, body):
            return
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=20)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body)
            self._answer(upstream.getresponse())
        finally:
            upstream.close()

    def _answer(self, response: http.client.HTTPResponse) -> None:
        content = response.read()
        self.server.sent.append(len(content))
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in {*_HOP_BY_HOP, "date", "server"}:
                self.send_header(name, value)
        length = len(content)
        if self.command == "HEAD":
            length = int(response.getheader("Content-Length") or 0)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815

    def log_message(self, *args: Any) -> None:
        pass


def send(handler: Any, status: int, body: bytes = b"", **headers: object) -> bool:
    """Answer a request oneself; for ``interfere``."""
    handler.send_response(status)
    for name, value in {"Content_Length": len(body), **headers}.items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.write(body)
    return True


@contextmanager
def between(upstream: str) -> Iterator[Between]:
    """Stand before a server."""
    with Between(upstream) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
