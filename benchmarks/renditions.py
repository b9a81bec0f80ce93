"""Renditions beside the peers: the same photographs, widths and quality setting, in one run.

    make bench PHOTOS=folder

Prints a table and writes benchmarks/renditions.json. Processor seconds count the making alone,
not the upload. Quality is SSIMULACRA2 (100 is identical; above 80 nobody sees a difference at
arm's length) of the 640 px renditions against a reference made by one Lanczos resize of the
upright original in sRGB. The peers keep orientation and profile as they are, which costs them
points where a photograph has either.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, ImageOps

ROOT = Path(__file__).resolve().parent.parent
PEERS = ("images_app", "easy-thumbnails", "sorl-thumbnail", "django-imagekit", "wagtail")
SAMPLE = 2  # photographs whose quality is judged; the metric takes ten seconds each
SRGB = ImageCms.createProfile("sRGB")


def measure(name: str, photos: list[Path], image_format: str, widths: str) -> dict[str, Any]:
    """Run one maker in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "BENCH_FOLDER": folder,
            "BENCH_FORMAT": image_format,
            "BENCH_WIDTHS": widths,
        }
        result = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "benchmarks.makers", name, *map(str, photos)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            sys.stderr.write(result.stderr[-2000:])
            message = f"{name} failed"
            raise RuntimeError(message)
        report: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
        sizes = [Path(file).stat().st_size for _, _, file in report["made"]]
        judged = [row for row in report.pop("made") if row[1] == 640][:SAMPLE]  # noqa: PLR2004
        return {
            **report,
            "files": len(sizes),
            "bytes": sum(sizes),
            "quality": [quality(Path(original), Path(file)) for original, _, file in judged],
        }


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


def quality(original: Path, made: Path) -> float:
    """SSIMULACRA2 of a rendition."""
    from ssimulacra2 import compute_ssimulacra2  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder, Image.open(made) as opened:
        is_turned = opened.getexif().get(0x0112, 1) > 4  # noqa: PLR2004
        shown = ImageOps.exif_transpose(opened) if is_turned else opened
        shown.convert("RGB").save(f"{folder}/made.png")
        reference(original, shown.size).save(f"{folder}/reference.png")
        return float(compute_ssimulacra2(f"{folder}/reference.png", f"{folder}/made.png"))


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--number", type=int, default=22)
    parser.add_argument("--runs", type=int, default=1)
    arguments = parser.parse_args()
    photos = sorted(arguments.photos.glob("*.jpg"))[: arguments.number]
    results: dict[str, Any] = {"photographs": len(photos), "work": {}}
    for title, image_format, widths in (
        ("JPEG 320, 640, 1280", "JPEG", "320,640,1280"),
        ("WebP 320, 640, 1280", "WEBP", "320,640,1280"),
        ("JPEG 640 alone", "JPEG", "640"),
    ):
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in PEERS}
        for _ in range(arguments.runs):  # in turn, so that a slow minute hits all of them
            for name in PEERS:
                rows[name].append(measure(name, photos, image_format, widths))
        results["work"][title] = report(title, rows)
    (ROOT / "benchmarks/renditions.json").write_text(json.dumps(results, indent=1) + "\n")


def report(title: str, rows: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Print one table, and answer with its figures: medians of the runs."""
    seconds = {
        name: statistics.median(run["seconds"] for run in runs) for name, runs in rows.items()
    }
    ours = seconds["images_app"]
    sys.stdout.write(f"\n{title}\n")
    sys.stdout.write(
        "| | CPU s | times ours | peak MB | KB out | SSIMULACRA2 |\n|---|---|---|---|---|---|\n"
    )
    figures = {}
    for name, runs in rows.items():
        last = runs[-1]
        figures[name] = {
            "seconds": round(seconds[name], 2),
            "times_ours": round(seconds[name] / ours, 2),
            "peak_megabytes": round(last["memory"] / 1e6),
            "kilobytes": round(last["bytes"] / 1000),
            "ssimulacra2": round(statistics.median(last["quality"]), 1),
        }
        sys.stdout.write(f"| {name} | " + " | ".join(map(str, figures[name].values())) + " |\n")
    sys.stdout.flush()
    return figures


if __name__ == "__main__":
    main()
