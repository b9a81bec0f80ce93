"""A corpus of hostile and valid images through ingest and every preset, as its manifest says.

The corpus lies beside the repository (``../shared/corpus``), or where IMAGES_CORPUS points.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from images_app.engines.pillow import PillowEngine
from images_app.specs import FOREIGN_FORMATS
from images_app.validation import HEAD_LENGTH, sniff
from tests.parts import CORPUS, ROOT, need

pytestmark = pytest.mark.slow
WORKERS = 2
LONGEST = 10  # seconds
REFUSED = 100 * 2**20  # bytes of memory over idle
ACCEPTED = 16 * 50_000_000  # bytes: sixteen for each of the most pixels


def judge(paths: list[str], *formats: str) -> list[dict]:
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.hostile.judge_files", *formats],
        cwd=ROOT,
        input="\n".join(paths),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def judged() -> list[dict]:
    need("the corpus", is_there=(CORPUS / "MANIFEST.tsv").exists())
    with (CORPUS / "MANIFEST.tsv").open() as manifest:
        rows = [
            row for row in csv.DictReader(manifest, delimiter="\t") if row["category"] != "archives"
        ]
    paths = [str(CORPUS / row["file"]) for row in rows]
    with ThreadPoolExecutor(WORKERS) as pool:
        parts = list(pool.map(judge, (paths[n::WORKERS] for n in range(WORKERS))))
    found = {result["path"]: result for part in parts for result in part}
    assert len(found) == len(paths) == 861
    return [{**row, **found[path]} for row, path in zip(rows, paths, strict=True)]


def wrong(judged: list[dict], is_wrong) -> list[tuple]:
    return [
        (row["file"], row["expected"], row["verdict"], round(row["seconds"], 1), row["memory"])
        for row in judged
        if is_wrong(row)
    ]


def test_corpus__is_taken_and_refused_as_the_manifest_says(judged):
    def is_wrong(row):
        verdict = row["verdict"].split()[0]
        return verdict not in {"accept", "reject"} or row["expected"] not in {verdict, "either"}

    assert wrong(judged, is_wrong) == []


def test_corpus__takes_ten_seconds_at_most(judged):
    assert wrong(judged, lambda row: row["seconds"] > LONGEST) == []


def test_corpus__stays_within_memory(judged):
    def is_wrong(row):
        is_before_decoding = row["verdict"].startswith("reject") and "damaged" not in row["verdict"]
        return row["memory"] > (REFUSED if is_before_decoding else ACCEPTED)

    assert wrong(judged, is_wrong) == []


def test_corpus__leaves_nothing_behind(judged):
    assert wrong(judged, lambda row: row["left"]) == []


@pytest.fixture(scope="module")
def judged_on_demand() -> list[dict]:
    """The files of formats that a host may let in besides, with all of them let in."""
    need("the corpus", is_there=(CORPUS / "MANIFEST.tsv").exists())
    need("pi-heif", is_there="heic" in PillowEngine.input_formats)
    paths = [
        str(path)
        for path in sorted(CORPUS.glob("*/*"))
        if sniff(path.read_bytes()[:HEAD_LENGTH]) in FOREIGN_FORMATS
    ]
    assert len(paths) > 50
    return judge(paths, *sorted(FOREIGN_FORMATS))


def test_formats_on_demand__are_taken_or_refused_within_bounds(judged_on_demand):
    def is_wrong(row):
        is_clean = row["verdict"].split()[0] in {"accept", "reject"}
        is_cheap = row["seconds"] <= LONGEST and row["memory"] <= ACCEPTED
        return not (is_clean and is_cheap and row["left"] == 0)

    assert [row for row in judged_on_demand if is_wrong(row)] == []
    accepted = [row for row in judged_on_demand if row["verdict"] == "accept"]
    assert all(any(row["path"].endswith(end) for row in accepted) for end in (".bmp", ".heic"))
