"""Renditions beside the peers: the same photographs, widths and quality settings, in one run.

    make bench PHOTOS=folder

Prints tables and writes benchmarks/renditions.json and docs/renditions.svg. Processor seconds
count the making alone, not the upload. Quality is SSIMULACRA2 (100 is identical; above 80 nobody
sees a difference at arm's length) of 640 px renditions against a reference made by one Lanczos
resize of the upright original in sRGB. The peers keep orientation and profile as they are, which
costs them points where a photograph has either.
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, ImageOps

from benchmarks.chart import draw

ROOT = Path(__file__).resolve().parent.parent
PEERS = ("images_app", "easy-thumbnails", "sorl-thumbnail", "django-imagekit", "wagtail")
JUDGED_WIDTH = 640
SAMPLE = 6  # photographs whose quality is judged
SRGB = ImageCms.createProfile("sRGB")


@dataclass(frozen=True, kw_only=True)
class Work:
    """What each library is asked for."""

    title: str
    formats: str
    widths: str
    number: int | None = None  # of photographs; None is all
    runs: int | None = None  # None is as many as were asked for


WORKS = (
    Work(title="JPEG 320, 640, 1280", formats="jpeg", widths="320,640,1280"),
    Work(title="WebP 320, 640, 1280", formats="webp", widths="320,640,1280"),
    Work(title="JPEG 640 alone", formats="jpeg", widths="640"),
    # Once and for few: the peers leave AVIF at its encoder's own effort, minutes of work.
    Work(
        title="AVIF, WebP and JPEG 320, 640, 1280, 2048",
        formats="avif,webp,jpeg",
        widths="320,640,1280,2048",
        number=6,
        runs=1,
    ),
)


def measure(
    name: str, photos: list[Path], work: Work, database: Path, *, is_judged: bool
) -> dict[str, Any] | None:
    """Run one maker in a process of its own; None where a peer cannot do the work."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(database, folder)
        result = run_maker(name, photos, work, Path(folder))
        if result.returncode:
            sys.stderr.write(f"{name}, {work.title}: {result.stderr[-2000:]}\n")
            if name == PEERS[0]:
                raise RuntimeError(name)
            return None
        report: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
        made = report.pop("made")
        sample = set(map(str, spread(photos, SAMPLE))) if is_judged else set()
        return {
            **report,
            "bytes": sum(Path(file).stat().st_size for *_, file in made),
            "quality": [
                quality(Path(original), Path(file))
                for original, _, width, file in made
                if width == JUDGED_WIDTH and original in sample
            ],
        }


def run_maker(
    name: str, photos: list[Path], work: Work, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run makers.py with all that it stores in a folder."""
    environment = {
        **os.environ,
        "BENCH_FOLDER": str(folder),
        "BENCH_FORMATS": work.formats,
        "BENCH_WIDTHS": work.widths,
    }
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.makers", name, *map(str, photos)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def spread(photos: list[Path], number: int) -> list[Path]:
    """Choose so many, evenly over the list."""
    number = min(number, len(photos))
    return [photos[index * len(photos) // number] for index in range(number)]


@functools.lru_cache(maxsize=64)
def reference(original: Path, size: tuple[int, int]) -> Image.Image:
    """The best that can be had: upright, sRGB, one resize, no compression."""
    with Image.open(original) as opened:
        upright = ImageOps.exif_transpose(opened)
        profile = opened.info.get("icc_profile")
        plain = upright.convert("RGB")
    if profile:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        plain = ImageCms.profileToProfile(plain, own, SRGB, outputMode="RGB") or plain
    return plain.resize(size, Image.Resampling.LANCZOS)


def score(wanted: Image.Image, made: Image.Image) -> float:
    """SSIMULACRA2 of a picture against what it should be, both of one size."""
    from ssimulacra2 import compute_ssimulacra2  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        # Files are all that the package takes; uncompressed, since they live for a second.
        wanted.save(f"{folder}/wanted.png", compress_level=0)
        made.convert("RGB").save(f"{folder}/made.png", compress_level=0)
        return float(compute_ssimulacra2(f"{folder}/wanted.png", f"{folder}/made.png"))


def quality(original: Path, made: Path) -> float:
    """SSIMULACRA2 of a rendition."""
    with Image.open(made) as opened:
        is_turned = opened.getexif().get(0x0112, 1) > 4  # noqa: PLR2004
        shown = ImageOps.exif_transpose(opened) if is_turned else opened
        return score(reference(original, shown.size), shown)


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--number", type=int, default=22)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    photos = sorted(arguments.photos.glob("*.jpg"))[: arguments.number]
    results: dict[str, Any] = {"work": {}}
    with tempfile.TemporaryDirectory() as folder:
        # The tables are made once: Wagtail's take longer than any of the work.
        run_maker("migrate", [], WORKS[0], Path(folder)).check_returncode()
        for work in WORKS:
            done = compare(work, photos, arguments.runs, Path(folder, "db.sqlite3"))
            results["work"][work.title] = done
            tell(f"{work.title}; {done['photographs']} photographs", done["libraries"])
    (ROOT / "benchmarks/renditions.json").write_text(json.dumps(results, indent=1) + "\n")
    (ROOT / "docs/renditions.svg").write_text(draw(results))


def compare(work: Work, photos: list[Path], runs: int, database: Path) -> dict[str, Any]:
    """Have all libraries do one work, several times."""
    chosen = spread(photos, work.number or len(photos))
    runs = work.runs or runs
    measured: dict[str, list[dict[str, Any] | None]] = {name: [] for name in PEERS}
    for run in range(runs):  # in turn, so that a slow minute hits all of them
        for name in PEERS:
            measured[name].append(measure(name, chosen, work, database, is_judged=run == 0))
    figures = {name: summary([run for run in rows if run]) for name, rows in measured.items()}
    ours = figures[PEERS[0]]
    for figure in figures.values():
        if figure and ours:
            figure["times_ours"] = round(figure["seconds"] / ours["seconds"], 2)
    return {"photographs": len(chosen), "runs": runs, "libraries": figures}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Answer with the medians of the runs, and their spread."""
    if not runs:
        return None
    seconds = [run["seconds"] for run in runs]
    return {
        "seconds": round(statistics.median(seconds), 2),
        "seconds_least": round(min(seconds), 2),
        "seconds_most": round(max(seconds), 2),
        "times_ours": 1.0,
        "peak_megabytes": round(statistics.median(run["memory"] for run in runs) / 1e6),
        "kilobytes": round(runs[0]["bytes"] / 1000),
        "ssimulacra2": round(statistics.mean(runs[0]["quality"]), 1),
    }


def tell(title: str, figures: dict[str, dict[str, Any] | None]) -> None:
    """Print one table; a dash is what a library cannot do."""
    sys.stdout.write(
        f"\n| {title} | CPU s | times ours | peak MB | KB out | SSIMULACRA2 |\n"
        "|---|---|---|---|---|---|\n"
    )
    columns = ("seconds", "times_ours", "peak_megabytes", "kilobytes", "ssimulacra2")
    for name, figure in figures.items():
        cells = [str(figure[column]) if figure else "–" for column in columns]
        sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
