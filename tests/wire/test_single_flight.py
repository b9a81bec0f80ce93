"""One encode for each cold rendition, over processes, and when its maker is killed."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.wire.servers import manage, serving
from tests.wire.test_servers import Browser

pytestmark = [pytest.mark.slow, pytest.mark.alone]
URL = """
from images_app import *
image = get_image_model().objects.filter(galleries__visibility='members').last()
print(rendition_url(image, 'ladder', image_format={format!r}, width=1280))
"""


@pytest.fixture
def server(demo):
    for name in ("renders.txt", "dawdle"):
        (demo / name).unlink(missing_ok=True)
    with serving("gunicorn processes", demo, settings="tests.wire.slow_settings") as running:
        yield running


@pytest.fixture
def browser(server):
    editor = Browser(server.url)
    editor.log_in("editor")
    return editor


def url_of(demo: Path, image_format: str) -> str:
    return manage(demo, "shell", "-v0", "-c", URL.format(format=image_format)).strip()


def renders(demo: Path) -> list[int]:
    notes = demo / "renders.txt"
    return [int(pid) for pid in notes.read_text().split()] if notes.exists() else []


def stored(demo: Path) -> list[Path]:
    folder = demo / "private/renditions"
    return [path for path in folder.glob("[!.]*/**/*") if path.is_file()]  # but for the mark


def test_sixty_four_cold_requests__are_one_encode(demo, browser):
    url, before = url_of(demo, "webp"), len(stored(demo))
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda _: browser.ask("GET", url), range(64)))
    assert {status for status, _, _ in answers} == {200}
    assert len({content for _, _, content in answers}) == 1
    assert len(renders(demo)) == 1
    assert len(stored(demo)) == before + 1


def test_killed_maker__is_replaced(demo, browser):
    """SIGKILL to the process that renders: another request is served within ten seconds."""
    url = url_of(demo, "avif")
    (demo / "dawdle").touch()
    with ThreadPoolExecutor(2) as pool:
        doomed = pool.submit(browser.ask, "GET", url)
        while not renders(demo):
            time.sleep(0.05)
        (demo / "dawdle").unlink()
        (maker,) = renders(demo)
        os.kill(maker, signal.SIGKILL)
        started = time.monotonic()
        status = 0
        while status != 200 and time.monotonic() - started < 10:
            status, _, _ = pool.submit(browser.ask, "GET", url).result()
        assert status == 200
        assert time.monotonic() - started < 10
        assert doomed.exception() is not None  # its connection died with the process
    assert len(renders(demo)) == 2
