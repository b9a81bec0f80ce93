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
        *("--bind", "127.0.0.1:{port}", "--threads", "4"),
    ),
    "gunicorn processes": (
        *("gunicorn", "project.wsgi:application", "--log-level", "warning"),
        *("--bind", "127.0.0.1:{port}", "--workers", "2", "--threads", "8"),
    ),
    "uvicorn": (
        *("uvicorn", "project.asgi:application", "--log-level", "warning", "--lifespan", "off"),
        *("--host", "127.0.0.1", "--port", "{port}"),
    ),
}


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    url: str
    pid: int

    def memory(self) -> int:
        """Resident bytes of the server and its children."""
        pids = [self.pid]
        for pid in pids:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            pids.extend(int(child) for child in children)
        return sum(_resident(pid) for pid in pids)


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
def serving(name: str, var: Path, settings: str = "project.settings") -> Iterator[Server]:
    """Serve the demo project with the data in ``var``."""
    port = free_port()
    command = [sys.executable, "-m", *(part.format(port=port) for part in COMMANDS[name])]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(var, settings))
    try:
        _wait_for(port, process)
        yield Server(url=f"http://127.0.0.1:{port}", pid=process.pid)
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            message = f"the server ended with {process.returncode}"
            raise RuntimeError(message)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError("the server does not answer")


def manage(var: Path, *arguments: str) -> str:
    """Run a command of the demo project."""
    result = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(var),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
