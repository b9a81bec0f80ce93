"""Servers that speak as Google Cloud Storage and Azure Blob Storage do, on this machine only.

``gcp-storage-emulator`` is in the development lock; ``azurite-blob`` comes from npm
(``npm install --global azurite``) and checks signatures. Neither asks a cloud.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from tests.parts import ROOT, need
from tests.storages.between import Between, between, send

BUCKET = "private-images"
# Azurite's own, printed in its documentation.
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
_NAME = re.compile(rb'"name": ?"([^"]+)"')
_PATIENCE = 30  # seconds


@contextlib.contextmanager
def google_server(folder: Path) -> Iterator[Between]:
    """Serve a bucket; the emulator knows no preconditions, so they are judged before it."""
    need("google-cloud-storage", is_there=find_spec("google.cloud.storage") is not None)
    program = shutil.which("gcp-storage-emulator", path=str(Path(sys.executable).parent))
    need("gcp-storage-emulator", is_there=program is not None)
    port = _free_port()
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--default-bucket", BUCKET, "-M", "-q"]
    with (
        _running([program or "", "start", *arguments], port, folder),
        between(f"http://127.0.0.1:{port}") as server,
    ):
        server.interfere = refuse_to_overwrite
        yield server


def refuse_to_overwrite(handler, body: bytes) -> bool:
    """Answer as Google does to an upload on condition that nothing stands there."""
    parts = urlsplit(handler.path)
    query = parse_qs(parts.query)
    if handler.command != "POST" or query.get("ifGenerationMatch") != ["0"]:
        return False
    found = _NAME.search(body)
    name = query["name"][0] if found is None else found[1].decode()
    path = f"/storage/v1/b/{BUCKET}/o/{quote(name, safe='')}"
    connection = socket.create_connection(tuple(handler.server.upstream.split(":")), 10)
    with connection, connection.makefile("rb") as answer:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: a\r\n\r\n".encode())
        if b" 404 " in answer.readline():
            return False
    return send(handler, 412, b'{"error": {"code": 412, "message": "conditionNotMet"}}')


@contextlib.contextmanager
def azure_server(folder: Path) -> Iterator[Between]:
    """Serve an account; its container is made by whoever needs one."""
    need("azure-storage-blob", is_there=find_spec("azure.storage.blob") is not None)
    here = ROOT / "node_modules" / ".bin"
    program = shutil.which("azurite-blob") or shutil.which("azurite-blob", path=str(here))
    need("azurite-blob", is_there=program is not None)
    port = _free_port()
    arguments = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence"]
    # Without the first it would call home. The second: the client is newer than it knows.
    arguments += ["--disableTelemetry", "--skipApiVersionCheck", "--silent"]
    with (
        _running([program or "", *arguments], port, folder),
        between(f"http://127.0.0.1:{port}") as server,
    ):
        yield server


def azure_options(server: Between) -> dict[str, str]:
    """OPTIONS of a PrivateAzureStorage that keeps its blobs there."""
    endpoint = f"BlobEndpoint={server.url}/{AZURE_ACCOUNT}"
    account = f"AccountName={AZURE_ACCOUNT};AccountKey={AZURE_KEY}"
    return {
        "azure_container": BUCKET,
        "connection_string": f"DefaultEndpointsProtocol=http;{account};{endpoint}",
    }


@contextlib.contextmanager
def _running(command: list[str], port: int, folder: Path) -> Iterator[None]:
    log = folder / "log"
    with (
        log.open("wb") as said,
        subprocess.Popen(command, cwd=folder, stdout=said, stderr=said) as process,
    ):
        try:
            _await(process, port, log)
            yield
        finally:
            process.terminate()


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    message = f"It did not start: {log.read_text()}"
    raise RuntimeError(message)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
