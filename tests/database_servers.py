"""Database servers of the tests' own: PostgreSQL and MariaDB, as Debian installs them.

``python -m tests.database_servers mariadb COMMAND …`` runs a command with IMAGES_TEST_DATABASE and
IMAGES_TEST_DATABASE_PORT set, and stops the server afterwards.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NAME = "images"
_PLACES = (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/sbin"))


def find(*names: str) -> str:
    """The path of the first of these programs that is there, or ""."""
    for name in names:
        for place in (None, *map(str, _PLACES)):
            if path := shutil.which(name, path=place):
                return path
    return ""


class Server:
    """One server in a folder of its own, on a port of its own, of loopback alone."""

    programs: dict[str, tuple[str, ...]] = {}

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.process: subprocess.Popen[bytes] | None = None
        # They refuse to run as root, as which tests may run in a container.
        self._who = {"user": "nobody", "group": "nogroup"} if os.geteuid() == 0 else {}

    @property
    def user(self) -> str:
        """As whom it runs."""
        return str(self._who.get("user") or pwd.getpwuid(os.geteuid()).pw_name)

    def run(self, *command: str, text: str = "") -> None:
        """Run a command to its end."""
        options = {"capture_output": True, "cwd": self.folder, **self._who}
        done = subprocess.run(command, input=text.encode(), check=False, **options)
        if done.returncode:
            sys.exit(f"{command[0]}: {done.stdout.decode()} {done.stderr.decode()}")

    def start(self) -> None:
        """Start, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, cwd=self.folder, **self._who
            )
        deadline = time.monotonic() + 30
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit((self.folder / "log").read_text())
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop, without waiting for those who are connected."""
        if self.process is not None:
            self.process.send_signal(self.stop_signal)
            self.process.wait(30)
            self.process = None

    stop_signal = signal.SIGTERM

    def answers(self) -> bool:
        """Whether it takes connections."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """What starts it."""
        raise NotImplementedError

    def make(self) -> None:
        """Make its data, once."""
        raise NotImplementedError

    def admit(self) -> None:
        """Make the user of the tests, once it runs."""


class PostgreSQL(Server):
    programs = {"postgres": ("postgres",), "initdb": ("initdb",)}
    stop_signal = signal.SIGINT  # "fast"

    def make(self) -> None:
        data = str(self.folder / "data")
        self.run(find("initdb"), "-D", data, "-U", NAME, "-A", "trust", "-E", "UTF8", "--no-sync")

    def command(self) -> list[str]:
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        said = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        return [find("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), *said]

    def answers(self) -> bool:
        import psycopg

        with suppress(psycopg.OperationalError):
            place = f"host=127.0.0.1 port={self.port} user={NAME} dbname=postgres"
            psycopg.connect(place, connect_timeout=2).close()
            return True
        return False


class MariaDB(Server):
    programs = {"mariadbd": ("mariadbd", "mysqld"), "install": ("mariadb-install-db",)}

    def make(self) -> None:
        self.run(
            *(find("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder / 'data'}"),
            *("--auth-root-authentication-method=normal", "--skip-test-db", f"--user={self.user}"),
        )

    def command(self) -> list[str]:
        return [
            *(find(*self.programs["mariadbd"]), "--no-defaults"),
            *(f"--datadir={self.folder / 'data'}", f"--socket={self.folder / 'socket'}"),
            *(f"--port={self.port}", "--bind-address=127.0.0.1", f"--user={self.user}"),
            *(f"--pid-file={self.folder / 'pid'}", "--innodb-flush-log-at-trx-commit=0"),
            *("--character-set-server=utf8mb4", "--max-allowed-packet=64M"),
        ]

    def answers(self) -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 2).close()
            return True
        return False

    def admit(self) -> None:
        client = [find("mariadb", "mysql"), "--no-defaults", f"--socket={self.folder / 'socket'}"]
        sql = f"CREATE USER {NAME}@'127.0.0.1'; GRANT ALL ON *.* TO {NAME}@'127.0.0.1';"
        self.run(*client, "-u", "root", text=sql)


SERVERS = {"postgresql": PostgreSQL, "mariadb": MariaDB}


def is_installed(kind: str) -> bool:
    """Whether all programs of a server are there."""
    return all(find(*names) for names in SERVERS[kind].programs.values())


@contextmanager
def running(kind: str) -> Iterator[Server]:
    """Run a server of this kind; its data go with it."""
    with tempfile.TemporaryDirectory(prefix=f"images-{kind}-", ignore_cleanup_errors=True) as name:
        server = SERVERS[kind](Path(name), free_port())
        if os.geteuid() == 0:
            shutil.chown(name, "nobody", "nogroup")
        server.make()
        server.start()
        try:
            server.admit()
            yield server
        finally:
            server.stop()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
    return port


def environment(kind: str, port: int) -> dict[str, str]:
    """What tests/settings.py reads."""
    return {
        **os.environ,
        "IMAGES_TEST_DATABASE": kind,
        "IMAGES_TEST_DATABASE_PORT": str(port),
    }


def main(kind: str, *command: str) -> int:
    """Run a command beside a server, and answer with its status."""
    if not is_installed(kind):
        print(f"{kind} is not installed", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    with running(kind) as server:
        done = subprocess.run(command, env=environment(kind, server.port), check=False)
        return done.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
