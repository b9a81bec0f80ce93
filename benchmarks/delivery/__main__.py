"""Delivery beside the peers: requests per second, latency and memory, on loopback, in one run.

    python -m benchmarks.delivery [PHOTOS] [--seconds 5] [--rounds 3] [--only WORD ...]

Needs wrk and nginx. One photograph of PHOTOS (or a generated one) becomes the rendition that each
row sends to somebody who is logged in, warm; it is checked that it does, before and after. Django
runs under gunicorn, one worker with 4 threads, with two settings: ``stock`` is what startproject
makes (sessions in SQLite, a new connection for each request), ``tuned`` keeps connections and has
sessions in the worker's memory. All rows take turns in each round; figures are medians.
Prints tables and writes benchmarks/delivery.json, unless --only leaves rows out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from PIL import Image

from benchmarks.delivery.modes import CONFIGURATIONS, MODES
from benchmarks.delivery.report import figures, tell, tell_slow
from benchmarks.delivery.rows import Row, measure
from benchmarks.delivery.servers import ROOT, environment, tool
from benchmarks.delivery.slow import TRIALS, measure_slow

WIDTH = 1280  # pixels of the original, so that there is something to make smaller
PACKAGES = ("Django", "django-filer", "django-private-storage", "gunicorn", "uvicorn", "wagtail")
_FILL = """\
import sys, pathlib, django
django.setup()
from benchmarks.delivery.fill import fill
fill(pathlib.Path(sys.argv[1]))
"""


def make_original(photos: Path | None, folder: Path) -> Path:
    """Make the original: of the first photograph, else a picture as hard to compress as one."""
    found = sorted(photos.glob("*.jpg")) if photos else []
    made = folder / "original.jpg"
    if not found:
        Image.effect_noise((WIDTH, WIDTH * 2 // 3), 24).convert("RGB").save(made, quality=90)
        return made
    with Image.open(found[0]) as opened:
        height = round(opened.height * WIDTH / opened.width)
        opened.convert("RGB").resize((WIDTH, height)).save(made, quality=90)
    return made


def fill(original: Path, folder: Path) -> bytes:
    """Fill the project; answer with the bytes that every row has to send."""
    command = [sys.executable, "-c", _FILL, str(original)]
    subprocess.run(command, cwd=ROOT, env=environment(folder, "stock"), check=True)
    return (folder / "static/rendition.jpg").read_bytes()


def main() -> None:
    """Measure and tell."""
    arguments = _arguments()
    # Or the servers would outlive us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    versions = {name: _version_of(name) for name in ("wrk", "nginx")}
    versions |= {name: version(name) for name in PACKAGES}
    rows = [
        Row(mode=mode, configuration=configuration)
        for mode in MODES
        for configuration in CONFIGURATIONS[: None if mode.has_django else 1]
    ]
    only = arguments.only
    rows = [row for row in rows if _is_wanted(f"{row.mode.table.value}: {row.mode.name}", only)]
    trials = [trial for trial in TRIALS if _is_wanted(f"slow readers: {trial.name}", only)]
    with tempfile.TemporaryDirectory(prefix="bench-delivery-") as name:
        folder = Path(name)
        body = fill(make_original(arguments.photos, folder), folder)
        measure(rows, folder, body, arguments.rounds, arguments.seconds)
        tables = figures(rows)
        tell(tables)
        slow = [measure_slow(trial, folder) for trial in trials]
        if slow:
            tell_slow(slow)
    results = {
        "rendition_bytes": len(body),
        "seconds": arguments.seconds,
        "rounds": arguments.rounds,
        "cores": os.cpu_count(),
        "versions": {"Python": platform.python_version(), **versions},
        "tables": tables,
        "slow_readers": slow,
    }
    if not only:  # half a table must not take the place of a whole one
        (ROOT / "benchmarks/delivery.json").write_text(json.dumps(results, indent=1) + "\n")


def _version_of(name: str) -> str:
    told = subprocess.run([tool(name), "-v"], capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", told.stdout + told.stderr)
    return found[0] if found else ""


def _is_wanted(name: str, only: list[str]) -> bool:
    return not only or any(word.lower() in name.lower() for word in only)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.delivery",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photos", type=Path, nargs="?", help="a folder with *.jpg")
    # As long as nginx remembers a decision, so that each round pays for deciding anew.
    parser.add_argument("--seconds", type=int, default=5, help="of one row in one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only", nargs="+", default=[], help="rows with one of these words in table or name"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
