"""Slow readers of a large original: what they cost the servers in memory, and everybody else."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.delivery.modes import ACCEL
from benchmarks.delivery.nginx import nginx_server
from benchmarks.delivery.servers import Server, django_server

READERS = 16
SECONDS = 15
_PACE = 100_000  # bytes that each reader takes at once
_PAUSE = 0.1  # seconds between: 1 MB/s each
_PATIENCE = 5  # seconds that somebody else waits for an empty answer
_OK = b"HTTP/1.1 200"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One server and one view; see Mode for settings and nginx."""

    name: str
    asks: str  # a key of addresses.addresses()
    server: str = "gunicorn"
    settings: Mapping[str, Any] = field(default_factory=dict)
    nginx: str | None = None


@dataclass(kw_only=True)
class Reader:
    """Somebody who takes a megabyte in a second."""

    connection: socket.socket
    start: bytes = b""

    def read(self) -> None:
        """Take a little of what has come."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            block = self.connection.recv(_PACE)
            self.start = self.start or block[: len(_OK)]


TRIALS = (
    Trial(name="images_app, gunicorn with 4 threads", asks="our original"),
    Trial(name="FileResponse, gunicorn with 4 threads", asks="plain original"),
    Trial(name="images_app, uvicorn", asks="our original", server="uvicorn"),
    Trial(name="FileResponse, uvicorn", asks="plain original", server="uvicorn"),
    Trial(
        name="images_app, nginx X-Accel and gunicorn with 4 threads",
        asks="our original",
        settings=ACCEL.settings,
        nginx=ACCEL.nginx,
    ),
)


def measure_slow(trial: Trial, folder: Path) -> dict[str, Any]:
    """Answer with the growth of memory, and with how long somebody else waits meanwhile."""
    with contextlib.ExitStack() as stack:
        started = django_server(folder, "stock", trial.settings, trial.server)
        servers = [stack.enter_context(started)]
        if trial.nginx is not None:
            servers.append(stack.enter_context(nginx_server(folder, trial.nginx, servers[0])))
        asked = servers[-1]
        _ping(asked)
        before = _memory(servers)
        path = asked.addresses[trial.asks][0]
        readers = [stack.enter_context(_reader(asked, path)) for _ in range(READERS)]
        peak, waited = _watch(readers, lambda: _memory(servers), lambda: _ping(asked))
    return {
        "name": trial.name,
        "readers": READERS,
        "served": sum(reader.start == _OK for reader in readers),
        "megabytes": round((peak - before) / 1e6),
        "others_wait": waited,
    }


def _watch(
    readers: list[Reader], memory: Callable[[], int], ping: Callable[[], float | None]
) -> tuple[int, float | None]:
    """Read slowly; answer with the peak of memory, and with what a ping said in between."""
    waited: list[float | None] = []
    pinging = threading.Thread(target=lambda: waited.append(ping()))
    began, peak = time.monotonic(), 0
    while time.monotonic() < began + SECONDS:
        for reader in readers:
            reader.read()
        peak = max(peak, memory())
        if pinging.ident is None and time.monotonic() > began + SECONDS / 3:
            pinging.start()
        time.sleep(_PAUSE)
    pinging.join()
    return peak, waited[0]


def _memory(servers: list[Server]) -> int:
    return sum(server.memory() for server in servers)


@contextlib.contextmanager
def _reader(server: Server, path: str) -> Iterator[Reader]:
    """Ask, with a small buffer of our own, and read nothing yet."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        connection.connect(("127.0.0.1", server.port))
        lines = (f"GET {path} HTTP/1.1", "Host: 127.0.0.1", f"Cookie: {server.cookie}", "", "")
        connection.sendall("\r\n".join(lines).encode())
        connection.settimeout(0)
        yield Reader(connection=connection)


def _ping(server: Server) -> float | None:
    """Answer with the seconds until an empty view has answered; None after too many."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_PATIENCE)
    try:
        connection.request("GET", server.addresses["empty"][0])
        connection.getresponse().read()
    except OSError:
        return None
    finally:
        connection.close()
    return round(time.monotonic() - began, 3)
