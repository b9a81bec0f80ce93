"""REDbot, a judge of HTTP that is not ours, finds nothing to say against any answer."""

from __future__ import annotations

import contextlib
import html
import json
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.parts import CORPUS, need
from tests.wire.nginx import MODES, behind_nginx
from tests.wire.servers import manage, serving
from tests.wire.test_nginx import SETTINGS, URLS
from tests.wire.test_servers import Browser

pytestmark = pytest.mark.slow
JUDGE = CORPUS.parent / "judges" / "redbot_cookie.py"
# What REDbot says when it has asked by itself, and got a 206 and a 304 that are right.
ASKED_ITSELF = {
    "A ranged request returned the correct partial content.",
    "If-None-Match conditional requests are supported.",
}


def judge(url: str, *headers: str) -> list[list[str]]:
    """Level, category and sentence of each of REDbot's notes."""
    result = subprocess.run(
        [sys.executable, str(JUDGE), url, *headers],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    *notes, verdict = result.stdout.splitlines() or [""]
    assert verdict.startswith("bad_or_warning:"), result.stderr
    found = [json.loads(note) for note in notes]
    wrong = [note for note in found if note[0] in {"bad", "warning"}]
    assert (wrong, verdict, result.returncode) == ([], "bad_or_warning: 0", 0)
    return found


@pytest.fixture(scope="module")
def urls(demo) -> list[str]:
    """Original, rendition, gallery page, and the name of the original's file."""
    need("the judge", is_there=JUDGE.exists())
    need("REDbot", is_there=find_spec("redbot") is not None)
    return manage(demo, "shell", "-v0", "-c", URLS).split()


@pytest.fixture(scope="module", params=["django", *MODES])
def editor(request, demo, tmp_path_factory):
    """Someone who is logged in, at Django itself or at nginx in one of its modes."""
    mode = request.param
    settings = SETTINGS[mode][0] if mode in MODES else "project.settings"
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serving("gunicorn threads", demo, settings))
        if mode in MODES:
            folder = tmp_path_factory.mktemp("nginx")
            front = behind_nginx(folder, mode, private=demo / "private", upstream=server)
            server = stack.enter_context(front)
        browser = Browser(server.url)
        browser.log_in("editor")
        browser.mode = mode
        yield browser


@pytest.fixture(params=["original", "rendition"])
def url(request, editor, urls) -> str:
    """As the gallery's page has it: signed where the mode signs."""
    if request.param == "original":
        return urls[0]
    page = editor.ask("GET", urls[2])[2].decode()
    stem = urls[1].rsplit(".", 1)[0]
    found = re.search(rf"{re.escape(stem)}[^\s\",]*", html.unescape(page))
    assert found
    assert ("?s=" in found[0]) == (editor.mode == "secure_link")
    editor.ask("GET", urls[1])  # made, so that nginx finds it
    return found[0]


def test_answers__have_nothing_bad_and_no_warnings(editor, url):
    cookie = f"Cookie: {editor.cookie()['Cookie']}"
    status, headers, _ = editor.ask("GET", url)
    assert status == 200
    said = judge(editor.base + url, cookie)
    assert {sentence for _, _, sentence in said} >= ASKED_ITSELF
    # The same once more, but as the answer that is looked at most closely.
    for name, value, expected in (
        ("If-None-Match", headers["ETag"], 304),
        ("Range", "bytes=0-99", 206),
        ("Range", "bytes=99999999-", 416),
        ("If-Match", '"other"', 412),
    ):
        assert editor.ask("GET", url, **{name: value})[0] == expected
        judge(editor.base + url, cookie, f"{name}: {value}")


def test_304__has_no_length_and_no_type(editor, url):
    """RFC 9110 8.6 and 15.4.5; an empty 304 of nginx's says `Content-Length: 0`."""
    _, whole, content = editor.ask("GET", url)
    for method in ("GET", "HEAD"):
        status, headers, nothing = editor.ask(method, url, If_None_Match=whole["ETag"])
        assert (status, nothing) == (304, b"")
        assert headers.get("Content-Length", str(len(content))) == str(len(content))
        assert not {"Content-Type", "Content-Disposition", "Transfer-Encoding"} & set(headers)
        for name in ("Cache-Control", "Expires", "ETag", "Vary"):
            assert headers.get_all(name) == whole.get_all(name)


def test_range__says_as_much_as_the_whole(editor, url):
    """RFC 9110 15.3.7; of a signed rendition, Django counts the seconds that nginx names."""
    _, whole, _ = editor.ask("GET", url)
    status, part, _ = editor.ask("GET", url, Range="bytes=0-99")
    assert status == 206
    for name in ("Expires", "ETag", "Vary"):
        assert part.get_all(name) == whole.get_all(name)
    assert "max-age=" in part["Cache-Control"]


def test_stranger__gets_a_404_without_a_fault(editor, url):
    """The signature taken off, for by that a signed URL works for everyone."""
    judge(editor.base + url.partition("?")[0])
