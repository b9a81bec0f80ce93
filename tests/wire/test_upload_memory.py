"""A body of 1 GiB costs a few megabytes, whether it is refused, read in vain or kept."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import socket
import threading
import time
import urllib.parse
from collections.abc import Iterator

import pytest

from tests.pictures import picture
from tests.wire.servers import Server, manage, serving
from tests.wire.test_servers import Browser

pytestmark = [pytest.mark.slow, pytest.mark.alone]
MEGABYTE = 2**20
SIZE = 1024 * MEGABYTE
BOUND = 32 * MEGABYTE  # more in any one process of the server
BLOCK = b"\0" * MEGABYTE
PART = 16 * MEGABYTE
SERVERS = ("gunicorn", "gunicorn threads", "uvicorn")
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="big.jpg"\r\n\r\n'
TAIL = b"\r\n--b--\r\n"
PATIENCE = 400  # seconds
WHAT_IS_LEFT = """
from images_app.models import Image
from django.core.files.storage import storages
for image in Image.objects.filter(file_name="big.jpg"):
    print(image.byte_size, storages[image.storage_alias].size(image.storage_name))
Image.objects.filter(file_name="big.jpg").delete()
"""


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A synchronous worker of gunicorn says nothing while it reads."""
    monkeypatch.setenv("GUNICORN_CMD_ARGS", f"--timeout {PATIENCE}")


@contextlib.contextmanager
def watched(server: Server) -> Iterator[list[int]]:
    """Note how much each process has grown at most while the block runs."""
    before, grown, is_done = server.memory(), [0], threading.Event()

    def watch() -> None:
        while not is_done.wait(0.1):
            with contextlib.suppress(FileNotFoundError):  # of a process that ended just now
                for pid, size in server.memory().items():
                    # One that is new, such as a decoder, counts from where it starts.
                    grown[0] = max(grown[0], size - before.setdefault(pid, size))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield grown
    finally:
        is_done.set()
        thread.join()


def body(first: bytes) -> Iterator[bytes]:
    """A form with one file of SIZE bytes."""
    yield HEAD + first
    left = SIZE - len(first)
    while left:
        yield BLOCK[:left]
        left -= min(left, MEGABYTE)
    yield TAIL


def send(browser: Browser, url: str, blocks: Iterator[bytes]) -> tuple[int | None, int, dict]:
    """The status (None: the line was cut), how many bytes were sent, and the answer."""
    connection = browser.connect()
    connection.timeout = PATIENCE
    connection.putrequest("POST", url)
    headers = {
        **browser.cookie(),
        "Content-Type": "multipart/form-data; boundary=b",
        "Content-Length": str(len(HEAD) + SIZE + len(TAIL)),
        "X-CSRFToken": browser.cookies["csrftoken"],
    }
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    sent = 0
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for block in blocks:
            connection.send(block)
            sent += len(block)
    try:
        response = connection.getresponse()
        return response.status, sent, json.loads(response.read())
    except (ConnectionError, http.client.BadStatusLine):
        return None, sent, {}
    finally:
        connection.close()


def logged_in(server: Server) -> Browser:
    """Somebody who may add, and has done so once: what one upload costs is there before."""
    browser = Browser(server.url)
    browser.log_in("editor")
    content = picture(color=tuple(os.urandom(3)))
    small = HEAD.replace(b"big", b"small") + content + TAIL
    headers = {
        "Content_Type": "multipart/form-data; boundary=b",
        "X_CSRFToken": browser.cookies["csrftoken"],
    }
    for _ in range(2):
        status, _, told = browser.ask("POST", "/images/upload/?duplicates=add", small, **headers)
        assert status == 201, told
    return browser


@pytest.mark.parametrize("name", SERVERS)
def test_announced__is_refused_without_being_read(demo, name):
    with serving(name, demo) as server:
        browser = logged_in(server)
        started = time.monotonic()
        with watched(server) as grown:
            status, sent, told = send(browser, "/images/upload/", body(b""))
        taken = time.monotonic() - started
    print(f"\n{name}: {grown[0] / MEGABYTE:.1f} MiB, {sent / MEGABYTE:.0f} MiB sent, {taken:.1f} s")
    assert grown[0] < BOUND
    # Of what is never read, the line may be cut before the client looks at the answer.
    assert status in {413, None}
    assert told.get("error", {}).get("code") in {"too_large", None}
    if name != "uvicorn":  # which reads on, and drops it
        assert sent < 64 * MEGABYTE


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("is_image", [False, True], ids=["read in vain", "kept"])
def test_allowed__is_read_in_constant_memory(demo, name, is_image):
    with serving(name, demo, settings="tests.wire.large_settings") as server:
        browser = logged_in(server)
        started = time.monotonic()
        with watched(server) as grown:
            first = picture() if is_image else b"no image"
            status, _, told = send(browser, "/images/upload/", body(first))
        taken = time.monotonic() - started
    print(f"\n{name}: {status}, {grown[0] / MEGABYTE:.1f} MiB, {taken:.0f} s")
    assert status == (201 if is_image else 400), told
    left = manage(demo, "shell", "-v0", "-c", WHAT_IS_LEFT).splitlines()
    assert left == ([f"{SIZE} {SIZE}"] if is_image else [])
    assert grown[0] < BOUND


@pytest.mark.parametrize("name", SERVERS)
def test_in_parts__is_joined_in_constant_memory(demo, name):
    with serving(name, demo, settings="tests.wire.large_settings") as server:
        browser = logged_in(server)
        headers = {"Tus_Resumable": "1.0.0", "X_CSRFToken": browser.cookies["csrftoken"]}
        file_name = f"filename {base64.b64encode(b'big.jpg').decode()}"
        status, answer, _ = browser.ask(
            "POST", "/uploads/", b"", Upload_Length=str(SIZE), Upload_Metadata=file_name, **headers
        )
        assert status == 201
        started, content = time.monotonic(), picture().ljust(PART, b"\0")
        with watched(server) as grown:
            for offset in range(0, SIZE, PART):
                status, told = patch(browser, answer["Location"], offset, content, headers)
                content = b"\0" * PART
        taken = time.monotonic() - started
    print(f"\n{name}: {status}, {grown[0] / MEGABYTE:.1f} MiB, {taken:.0f} s")
    assert status == 200, told
    left = manage(demo, "shell", "-v0", "-c", WHAT_IS_LEFT).splitlines()
    assert left == [f"{SIZE} {SIZE}"]
    assert grown[0] < BOUND


def patch(browser: Browser, url: str, offset: int, content: bytes, headers: dict):
    """One part."""
    connection = browser.connect()
    connection.timeout = PATIENCE
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent |= {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    connection.request("PATCH", url, content, sent | browser.cookie())
    response = connection.getresponse()
    told = response.read()
    connection.close()
    return response.status, told


@pytest.mark.parametrize("name", ["uvicorn", "granian", "hypercorn"])
def test_chunked__is_refused_where_it_gets_too_large(demo, name):
    """Without a length: nobody knows before, and nobody waits for the end."""
    with serving(name, demo) as server:
        address = urllib.parse.urlsplit(server.url)
        Browser(server.url).ask("GET", "/login/")
        with (
            watched(server) as grown,
            socket.create_connection((address.hostname, address.port), 30) as line,
        ):
            line.sendall(
                b"POST /images/upload/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                b"Content-Type: multipart/form-data; boundary=b\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for _ in range(110):  # of which the last are too much
                    line.sendall(b"100000\r\n" + BLOCK + b"\r\n")
            answer = line.recv(4096)
    print(f"\n{name}: {grown[0] / MEGABYTE:.1f} MiB")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"no-store" in answer
    assert grown[0] < BOUND
