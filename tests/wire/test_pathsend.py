"""Granian sends whole files itself, and nothing else; uvicorn streams the same bytes."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from images_app.asgi import EXTENSION
from tests.wire.servers import manage, serving
from tests.wire.test_servers import Browser

pytestmark = pytest.mark.slow
WHERE = """
from images_app import *
from django.core.files.storage import storages
image = get_image_model().objects.filter(galleries__visibility='private')[1]
print(storages[image.storage_alias].path(image.storage_name))
print(image.original_url, rendition_url(image, 'ladder', width=320))
"""
START, BODY = "http.response.start", "http.response.body"


class Noted:
    """A logged in browser, and what the application sent to the server meanwhile."""

    def __init__(self, url: str, var: Path) -> None:
        self.browser = Browser(url)
        self.browser.log_in("editor")
        self.var = var

    def ask(self, method: str, url: str, **headers: str):
        """Status, content, the types of the messages, and the paths in them."""
        # A name of its own: the end of a stream may be noted after the client has got all.
        name = uuid.uuid4().hex
        status, _, content = self.browser.ask(method, url, X_Note=name, **headers)
        lines = (self.var / f"{name}.messages").read_text().splitlines()
        notes = [json.loads(line) for line in lines]
        types = [note[0] for note in notes]
        return status, content, types, [note[1] for note in notes if note[1]]


@pytest.fixture(scope="module")
def places(demo):
    """The path of an original, its URL, and the URL of a rendition."""
    path, original, rendition = manage(demo, "shell", "-v0", "-c", WHERE).split()
    return Path(path), original, rendition


@pytest.fixture(scope="module")
def granian(demo):
    with serving("granian", demo, asgi="tests.wire.noting_asgi") as running:
        yield Noted(running.url, demo)


def test_granian__sends_a_whole_original_by_its_path(granian, places):
    path, url, _ = places
    content = path.read_bytes()
    assert granian.ask("GET", url) == (200, content, [START, EXTENSION], [str(path)])


def test_granian__sends_nothing_else_by_a_path(granian, places):
    path, url, _ = places
    status, content, types, paths = granian.ask("GET", url, Range="bytes=0-99999")
    assert (status, content, paths) == (206, path.read_bytes()[:100_000], [])
    assert set(types) == {START, BODY}
    for method, headers, expected in (
        ("HEAD", {}, 200),
        ("GET", {"If_None_Match": "*"}, 304),
        ("GET", {"Range": "bytes=99999999-"}, 416),
        ("POST", {}, 405),
    ):
        status, _, types, paths = granian.ask(method, url, **headers)
        assert (status, set(types), paths) == (expected, {START, BODY}, [])


def test_granian__is_not_told_a_path_by_a_client(granian, places):
    path, url, _ = places
    forged = {"images_app.send_path": "/etc/passwd", EXTENSION: "/etc/passwd"}
    assert granian.ask("GET", url, **forged)[3] == [str(path)]
    assert granian.ask("GET", "/healthz", **forged) == (200, b"ok", [START, BODY], [])


def test_granian__heals_a_rendition_and_misses_an_original(granian, places, demo):
    path, original, url = places
    _, _, types, (rendition,) = granian.ask("GET", url)
    assert types == [START, EXTENSION]
    Path(rendition).unlink()
    status, _, _, paths = granian.ask("GET", url)
    assert (status, paths) == (200, [rendition])
    assert Path(rendition).exists()
    kept = path.rename(path.with_suffix(".away"))
    try:
        assert granian.ask("GET", original)[::3] == (410, [])
    finally:
        kept.rename(path)


def test_uvicorn__streams(demo, places):
    path, url, _ = places
    with serving("uvicorn", demo, asgi="tests.wire.noting_asgi") as running:
        status, content, types, paths = Noted(running.url, demo).ask("GET", url)
    assert (status, content, set(types), paths) == (200, path.read_bytes(), {START, BODY}, [])
