"""Caches and slow readers between Django and the world: nobody gets what is another's."""

from __future__ import annotations

import contextlib
import getpass
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.wire.nginx import _own_folders, nginx
from tests.wire.servers import free_port, manage, serving
from tests.wire.test_memory import (
    ATTEMPTS,
    BOUND,
    MAKE_BIG,
    READERS,
    SIZE,
    cost_of_reading,
    longest_of_health,
)
from tests.wire.test_servers import Browser
from tests.wire.test_trust import galleries, logged_in, signed_url, site

pytestmark = [pytest.mark.slow, pytest.mark.alone]
REQUESTS = 1000
# What each way is compared with: Django itself, which sends all bytes.
PLAIN = {
    "streaming": "project.settings",
    "signed": "tests.wire.settings.signed",
    "accel": "project.settings",
    "auth_request": "project.settings",
    "secure_link": "tests.wire.settings.secure_link_streaming",
}
CACHES = ("obedient", "careless")
CONFIGURATION = """
user {user};
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    {temporary}
    proxy_cache_path {folder}/obedient keys_zone=obedient:10m;
    proxy_cache_path {folder}/careless keys_zone=careless:10m;
    proxy_set_header Host $http_host;
    add_header X-Shared-Cache $upstream_cache_status always;
    server {{
        listen 127.0.0.1:{obedient};
        location / {{ proxy_pass {upstream}; proxy_cache obedient; }}
    }}
    server {{
        listen 127.0.0.1:{careless};
        location / {{ proxy_pass {upstream}; proxy_cache careless; proxy_cache_valid 200 10m; }}
    }}
}}
"""
TITLES = ("Mountains at dawn", "Valleys and rivers", "Postcards", "Not for viewer")
KINDS = {
    "get": ("GET", {}),
    "head": ("HEAD", {}),
    "range": ("GET", {"Range": "bytes=10-99"}),
    "known": ("GET", {"If_None_Match": "{etag}"}),
    "unknown": ("GET", {"If_None_Match": '"other"'}),
}


@contextlib.contextmanager
def shared_caches(folder, upstream):
    """One nginx with two caches for everybody, in front of a server: the URL of each."""
    folder.mkdir()
    ports = {name: free_port() for name in CACHES}
    configuration = folder / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(
            **ports,
            user=getpass.getuser(),
            folder=folder,
            temporary=_own_folders(folder),
            upstream=upstream.url,
        )
    )
    with nginx(folder, configuration, ports["careless"]):
        yield {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}


def complaint(kind: str, expected, answer) -> str:
    """What is wrong with an answer, by what Django itself gave the same viewer.

    What it may not keep, nginx's cache asks for whole and without conditions, and sends so.
    """
    (status, _, whole), (ours, _, content) = expected, answer
    right = {(status, whole)}
    if kind == "head":
        right = {(status, b"")}
    elif status == 200 and kind == "range":
        right.add((206, whole[10:100]))
    elif status == 200 and kind == "known":
        right.add((304, b""))
    if (ours, content) in right:
        return ""
    return f"{ours} instead of {status}, {len(content)} bytes instead of {len(whole)}"


@pytest.mark.parametrize("name", list(PLAIN))
def test_shared_cache__gives_everybody_what_is_theirs(demo, tmp_path, name):
    found = galleries(demo, *TITLES)
    with (
        site(demo, tmp_path, name) as (front, _),
        serving("gunicorn threads", demo, PLAIN[name]) as plain,
        shared_caches(tmp_path / "shared", front) as caches,
    ):
        people = {who: logged_in(plain.url, who) for who in ("editor", "viewer")}
        people["anonymous"] = Browser(plain.url)
        urls = [url for each in found for url in (each.original, each.rendition, each.others[2])]
        if PLAIN[name] != "project.settings":
            urls += [signed_url(people["editor"], gallery) for gallery in found]
        expected = {
            (who, url): browser.ask("GET", url) for who, browser in people.items() for url in urls
        }
        seen = Counter((who, answer[0]) for (who, _), answer in expected.items())
        assert seen["editor", 200] == len(urls)
        assert 0 < seen["anonymous", 200] < seen["viewer", 200] < len(urls)
        chance = random.Random(name)
        cases = [
            (cache, who, url, kind)
            for cache in CACHES
            for who, url, kind in (
                (chance.choice(list(people)), chance.choice(urls), chance.choice(list(KINDS)))
                for _ in range(REQUESTS)
            )
        ]

        def ask(case):
            cache, who, url, kind = case
            method, headers = KINDS[kind]
            browser = Browser(caches[cache])
            browser.cookies = people[who].cookies
            etag = expected["editor", url][1]["ETag"]
            sent = {key: value.format(etag=etag) for key, value in headers.items()}
            answer = browser.ask(method, url, **sent)
            said = answer[1].get("Cache-Control", "")
            state = answer[1]["X-Shared-Cache"], "public" in said
            return case, state, complaint(kind, expected[who, url], answer)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, cases))
    states = Counter(state for _, state, _ in answers)
    print(f"\n{name}: {dict(states)}")
    assert [(*case, wrong) for case, _, wrong in answers if wrong] == []
    assert states["HIT", True] > 50  # what is public was kept, or this proves nothing
    assert states["HIT", False] == 0


# --- slow readers through nginx -----------------------------------------------------------------


def test_slow_readers__cost_django_nothing_behind_nginx(demo, tmp_path, monkeypatch):
    url = manage(demo, "shell", "-v0", "-c", MAKE_BIG.format(size=SIZE)).strip()
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--threads 4")
    with site(demo, tmp_path, "accel", server="gunicorn") as (front, django):
        editor = logged_in(front.url, "editor")
        idle = longest_of_health(editor)
        costs = [cost_of_reading(django, editor, url, 0)]
        while len(costs) < ATTEMPTS and costs[-1].longest > 0.1:
            costs.append(cost_of_reading(django, editor, url, 0))
    print(f"\n{READERS} readers: /healthz {idle:.3f} s when idle", *costs, sep="\n  ")
    assert costs[0].memory <= BOUND
    assert costs[-1].longest <= 0.1
