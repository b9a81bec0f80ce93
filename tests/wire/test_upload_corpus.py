"""Each file of the corpus over HTTP, by the admin's form and by the script's way: as it says there.

The corpus lies beside the repository (``../shared/corpus``), or where IMAGES_CORPUS points.
"""

from __future__ import annotations

import csv
import json
import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.parts import CORPUS, need
from tests.wire.servers import serving
from tests.wire.test_servers import Browser

pytestmark = pytest.mark.slow
CLIENTS = 4
LONGEST = 180  # seconds for all of them
ADD = "/admin/images_app/image/add/"


def form(field: str, name: str, content: bytes, **fields: str) -> tuple[bytes, str]:
    """The body of a form with one file, and its type."""
    boundary = uuid.uuid4().hex
    parts = [f'name="{key}"\r\n\r\n{value}\r\n'.encode() for key, value in fields.items()]
    quoted = name.replace('"', "%22")
    parts.append(f'name="{field}"; filename="{quoted}"\r\n\r\n'.encode() + content + b"\r\n")
    start = f"--{boundary}\r\nContent-Disposition: form-data; ".encode()
    body = b"".join(start + part for part in parts) + f"--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def by_script(browser: Browser, name: str, content: bytes) -> tuple[int, str]:
    """The status, and the verdict: accept, or the code of a refusal."""
    body, content_type = form("file", name, content)
    headers = {"Content_Type": content_type, "X_CSRFToken": browser.cookies["csrftoken"]}
    url = "/images/upload/?duplicates=add"
    status, _, told = browser.ask("POST", url, body, **headers)
    return status, "accept" if status == 201 else json.loads(told)["error"]["code"]


def by_form(browser: Browser, name: str, content: bytes) -> tuple[int, str]:
    """Likewise, by what a browser without a script does."""
    token = browser.cookies["csrftoken"]
    body, content_type = form("images", name, content, csrfmiddlewaretoken=token, gallery="")
    status, _, page = browser.ask("POST", ADD, body, Content_Type=content_type)
    if status == 302:
        return status, "accept"
    has_error = re.search(rb'class="errorlist', page)
    return status, "reject" if status in {200, 400} and has_error else page[:500].decode()


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    need("the corpus", is_there=(CORPUS / "MANIFEST.tsv").exists())
    with (CORPUS / "MANIFEST.tsv").open() as manifest:
        found = list(csv.DictReader(manifest, delimiter="\t"))
    return [row for row in found if row["category"] != "archives"]


@pytest.fixture(scope="module")
def judged(demo, rows) -> tuple[list[dict], float]:
    """Each row with what both ways say to its file, and the seconds that all took."""
    started = time.monotonic()
    with serving("gunicorn processes", demo) as server:
        browsers = [Browser(server.url) for _ in range(CLIENTS)]
        for browser in browsers:
            browser.log_in("editor")

        def judge(number: int) -> list[dict]:
            return [judge_one(browsers[number], row) for row in rows[number::CLIENTS]]

        def judge_one(browser: Browser, row: dict) -> dict:
            path = CORPUS / row["file"]
            content, name = path.read_bytes(), path.name
            script, page = by_script(browser, name, content), by_form(browser, name, content)
            return {
                "file": row["file"],
                "expected": row["expected"],
                "script": script,
                "form": page,
            }

        with ThreadPoolExecutor(CLIENTS) as pool:
            found = [row for part in pool.map(judge, range(CLIENTS)) for row in part]
    return found, time.monotonic() - started


def verdict_of(answer: tuple[int, str]) -> str:
    return "accept" if answer[1] == "accept" else "reject"


def test_corpus__never_makes_a_server_error(judged):
    found, _ = judged
    assert len(found) == 861
    assert [row for row in found if max(row["script"][0], row["form"][0]) >= 500] == []


def test_corpus__is_taken_and_refused_as_the_manifest_says(judged):
    wrong = [
        row
        for row in judged[0]
        for way in ("script", "form")
        if row["expected"] not in {verdict_of(row[way]), "either"}
    ]
    assert wrong == []


def test_corpus__both_ways_say_the_same(judged):
    different = [row for row in judged[0] if verdict_of(row["script"]) != verdict_of(row["form"])]
    assert different == []
    assert all(row["form"][1] in {"accept", "reject"} for row in judged[0])


def test_corpus__takes_three_minutes_at_most(judged):
    found, seconds = judged
    print(f"\n{len(found)} files, both ways: {seconds:.0f} s")
    assert seconds < LONGEST
