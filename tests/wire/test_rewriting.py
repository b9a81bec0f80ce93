"""Middleware that rewrites answers, on real servers: no browser gets other bytes than are said."""

from __future__ import annotations

import gzip
import hashlib

import pytest

from tests.wire.servers import serving
from tests.wire.test_servers import Browser, urls, without_date

pytestmark = pytest.mark.slow
SERVERS = ("gunicorn", "gunicorn threads", "uvicorn", "granian")

__all__ = ["urls"]


@pytest.fixture(scope="module", params=SERVERS)
def plain(request, demo, urls):
    """The server's name, and what it answers without such a middleware."""
    with serving(request.param, demo) as running:
        return request.param, {url: all_answers(logged_in(running), url) for url in urls}


def logged_in(running):
    browser = Browser(running.url)
    browser.log_in("editor")
    return browser


def all_answers(browser, url):
    """By name: whole, part, unchanged, head."""
    accept = {"Accept_Encoding": "gzip, deflate, br"}
    etag = browser.ask("HEAD", url)[1]["ETag"]
    answers = {
        "whole": browser.ask("GET", url, **accept),
        "part": browser.ask("GET", url, Range="bytes=100-899", **accept),
        "unchanged": browser.ask("GET", url, If_None_Match=etag, **accept),
        "head": browser.ask("HEAD", url, **accept),
    }
    return {
        name: (status, without_date(headers), content)
        for name, (status, headers, content) in answers.items()
    }


def test_gzip__compresses_pages_and_no_image(demo, plain):
    name, before = plain
    with serving(name, demo, "tests.wire.settings.gzipping") as running:
        browser = logged_in(running)
        for url, answers in before.items():
            assert all_answers(browser, url) == answers
        status, headers, content = browser.ask("GET", "/", Accept_Encoding="gzip")
        assert (status, headers["Content-Encoding"]) == (200, "gzip")
        assert b"<html" in gzip.decompress(content)


def test_hashing__hands_on_what_it_has_read(demo, plain):
    name, before = plain
    with serving(name, demo, "tests.wire.settings.hashing") as running:
        browser = logged_in(running)
        for url, answers in before.items():
            for kind, (status, headers, content) in all_answers(browser, url).items():
                assert (status, content) == (answers[kind][0], answers[kind][2])
                if kind in {"whole", "part"}:
                    assert headers["x-digest"] == hashlib.sha256(content).hexdigest()


def test_minifying__is_what_is_sent(demo, plain):
    name, before = plain
    with serving(name, demo, "tests.wire.settings.minifying") as running:
        browser = logged_in(running)
        for url, answers in before.items():
            after = all_answers(browser, url)
            assert after["whole"][1]["content-length"] == "1000"
            assert after["whole"][2] == answers["whole"][2][:1000]
            assert after["part"] == answers["part"]
