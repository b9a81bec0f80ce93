"""gunicorn and uvicorn on ports of their own; whatever runs is stopped by its id."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
THREADS = 4
SERVERS = {
    "gunicorn": (
        *("gunicorn", "django.core.wsgi:get_wsgi_application()", "--bind", "127.0.0.1:{port}"),
        *("--workers", "1", "--threads", str(THREADS), "--log-level", "warning"),
        *("--no-control-socket",),
    ),
    "uvicorn": (
        *("uvicorn", "--factory", "django.core.asgi:get_asgi_application"),
        *("--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning"),
        *("--no-access-log", "--lifespan", "off"),
    ),
}
# nginx is often where only root looks for it.
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that answers; behind a Django server, with a session and everything's addresses."""

    port: int
    pid: int
    cookie: str = ""
    addresses: Mapping[str, list[str]]

    def memory(self) -> int:
        """Resident bytes of the server and its children."""
        return sum(map(_resident, _family(self.pid)))


def tool(name: str) -> str:
    """Find a program, or leave with what to install."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        sys.exit(f"{name} is not there, which measuring needs: apt-get install {name}")
    return found


def environment(
    folder: Path, configuration: str, settings: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """What a process of the measured project is told."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "benchmarks.delivery.settings",
        "PYTHONWARNINGS": "ignore",
        "BENCH_FOLDER": str(folder),
        "BENCH_CONFIGURATION": configuration,
        "BENCH_SETTINGS": json.dumps(settings or {}),
    }


@contextlib.contextmanager
def django_server(
    folder: Path, configuration: str, settings: Mapping[str, Any], kind: str = "gunicorn"
) -> Iterator[Server]:
    """Serve the project, log in, and ask for the addresses."""
    port = free_port()
    command = [sys.executable, "-m", *(part.format(port=port) for part in SERVERS[kind])]
    with running(command, port, folder, environment(folder, configuration, settings)) as pid:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/enter/")
        response = connection.getresponse()
        content = response.read()
        connection.close()
        if response.status != HTTPStatus.OK:
            message = f"/enter/ answered {response.status}: {_tail(folder)}"
            raise RuntimeError(message)
        cookies = (each.partition(";")[0] for each in response.headers.get_all("Set-Cookie", []))
        cookie = next(each for each in cookies if each.startswith("sessionid="))
        yield Server(port=port, pid=pid, cookie=cookie, addresses=json.loads(content))


@contextlib.contextmanager
def running(command: list[str], port: int, folder: Path, env: dict[str, str]) -> Iterator[int]:
    """Run a server until it is not needed any more; answer with its process id."""
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
    try:
        _wait_for(port, process, folder)
        yield process.pid
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and its workers: one that still sends to slow readers may not listen."""
    family = _family(process.pid)
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            message = f"a server ended with {process.returncode}: {_tail(folder)}"
            raise RuntimeError(message)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    message = f"a server does not answer: {_tail(folder)}"
    raise RuntimeError(message)


def _tail(folder: Path) -> str:
    texts = (path.read_text() for path in sorted(folder.glob("*.log")))
    return "\n".join(text[-2000:] for text in texts)


def free_port() -> int:
    """Answer with a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _family(pid: int) -> list[int]:
    pids = [pid]
    for each in pids:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{each}/task/{each}/children").read_text()
            pids.extend(int(child) for child in text.split())
    return pids


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0
