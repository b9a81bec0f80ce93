"""Real servers for the demo project, each on a port of its own, stopped by the test."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
COMMANDS = {
    "gunicorn": ("gunicorn", "project.wsgi:application", "--bind", "127.0.0.1:{port}"),
    "gunicorn threads": (
        *("gunicorn", "project.wsgi:application"),
        *("--bind", "127.0.0.1:{port}", "--threads", "20"),
    ),
    "gunicorn processes": (
        *("gunicorn", "project.wsgi:application", "--log-level", "warning"),
        *("--bind", "127.0.0.1:{port}", "--workers", "2", "--threads", "8"),
    ),
    "uvicorn": (
        *("uvicorn", "{asgi}:application", "--log-level", "warning", "--lifespan", "off"),
        *("--host", "127.0.0.1", "--port", "{port}"),
    ),
    # Granian keeps up to 408 KiB of an answer for each connection, unless told otherwise.
    "granian": (
        *("granian", "{asgi}:application", "--interface", "asgi", "--log-level", "warning"),
        *("--host", "127.0.0.1", "--port", "{port}", "--http1-buffer-size", "65536"),
    ),
    "granian threads": (
        *("granian", "project.wsgi:application", "--interface", "wsgi", "--log-level", "error"),
        *("--host", "127.0.0.1", "--port", "{port}", "--http1-buffer-size", "65536"),
        *("--blocking-threads", "20"),
    ),
    # A program, no module. As sys.executable uWSGI gives itself, unless it is Python's module
    # pyuwsgi, which the tests have.
    "uwsgi": (
        *("{uwsgi}", "--module", "project.wsgi:application", "--http11-socket", "127.0.0.1:{port}"),
        *("--master", "--need-app", "--die-on-term", "--disable-logging", "--threads", "20"),
        *("--socket-timeout", "60", "--buffer-size", "16384"),
        *("--ignore-sigpipe", "--ignore-write-errors", "--disable-write-exception"),
        *("--py-sys-executable", "{uwsgi}"),
    ),
    "hypercorn": (
        *("hypercorn", "{asgi}:application", "--log-level", "warning"),
        *("--bind", "127.0.0.1:{port}"),
    ),
    "daphne": (
        *("daphne", "{asgi}:application", "-v", "0"),
        *("-b", "127.0.0.1", "-p", "{port}"),
    ),
}


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    name: str
    url: str
    pid: int

    def memory(self) -> dict[int, int]:
        """Resident bytes of each process of the server."""
        pids = [self.pid]
        for pid in pids:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            pids.extend(int(child) for child in children)
        return {pid: _resident(pid) for pid in pids}


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(var: Path, settings: str = "project.settings") -> dict[str, str]:
    """What a process of the demo project is told."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DJANGO", "IMAGES"))}
    return {
        **kept,
        "IMAGES_VAR_DIR": str(var),
        "DJANGO_SETTINGS_MODULE": settings,
        "IMAGES_DEMO_PASSWORD": "demo-password",
    }


@contextlib.contextmanager
def serving(
    name: str, var: Path, settings: str = "project.settings", asgi: str = "project.asgi"
) -> Iterator[Server]:
    """Serve the demo project with the data in ``var``."""
    port = free_port()
    uwsgi = Path(sys.executable).with_name("uwsgi")
    words = [word.format(port=port, asgi=asgi, uwsgi=uwsgi) for word in COMMANDS[name]]
    command = words if name == "uwsgi" else [sys.executable, "-m", *words]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(var, settings))
    try:
        wait_for(port, process)
        yield Server(name=name, url=f"http://127.0.0.1:{port}", pid=process.pid)
    finally:
        process.terminate()
        process.wait(20)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            message = f"the server ended with {process.returncode}"
            raise RuntimeError(message)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError("the server does not answer")


def manage(var: Path, *arguments: str, settings: str = "project.settings") -> str:
    """Run a command of the demo project."""
    result = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(var, settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
