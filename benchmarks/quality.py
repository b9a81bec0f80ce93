"""What a quality number and an encoder's effort give in each format: bytes, score, processor time.

    python -m benchmarks.quality PHOTOS [--number 8]

Encodes with our engine, from pictures that have their size already, so that only the encoders
differ. Processor seconds hold the reading of such a picture too, 2 to 8 milliseconds.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from PIL import Image

from benchmarks.renditions import reference, score, spread
from images_app.engines import pillow
from images_app.specs import Fit, RenditionSpec

WIDTHS = (640, 1280)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One way to encode; without options it is the engine's own."""

    format: str
    quality: int
    options: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        said = ", ".join(f"{name} {value}" for name, value in self.options)
        return f"{self.format} {self.quality}" + (f" ({said})" if said else "")


JPEG = (("optimize", True), ("progressive", True))
COARSE, FULL = (("subsampling", "4:2:0"),), (("subsampling", "4:4:4"),)
PLAIN = (("optimize", False), ("progressive", False), ("subsampling", "4:2:2"))
TRIALS = [
    *(Trial(format="jpeg", quality=number) for number in (76, 78, 80, 82, 86)),
    *(Trial(format="jpeg", quality=number, options=JPEG + COARSE) for number in (80, 82, 84)),
    Trial(format="jpeg", quality=76, options=JPEG + FULL),
    Trial(format="jpeg", quality=80, options=PLAIN),
    *(Trial(format="webp", quality=number) for number in (80, 82, 84, 86, 88)),
    *(Trial(format="webp", quality=84, options=(("method", effort),)) for effort in (3, 4, 6)),
    *(Trial(format="avif", quality=number) for number in (60, 65, 68)),
    *(
        Trial(format="avif", quality=number, options=(("speed", 9), *COARSE))
        for number in (62, 65, 68)
    ),
    *(Trial(format="avif", quality=65, options=(("speed", n), *FULL)) for n in (6, 7, 8)),
]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one encoding of one picture gave."""

    size: int  # bytes
    score: float  # SSIMULACRA2
    seconds: float  # of processor time


def try_all(job: tuple[Path, int]) -> list[Outcome]:
    """Encode one photograph at one width in every way."""
    photo, width = job
    with Image.open(photo) as opened:
        height = round(opened.height * width / opened.width)
    wanted = reference(photo, (width, height))
    source = io.BytesIO()
    wanted.save(source, "PNG", compress_level=0)
    return [attempt(trial, wanted, source) for trial in TRIALS]


def attempt(trial: Trial, wanted: Image.Image, source: io.BytesIO) -> Outcome:
    """Encode one picture in one way."""
    spec = RenditionSpec(
        width=wanted.width,
        height=None,
        fit=Fit.WIDTH,
        format=trial.format,
        quality=trial.quality,
        background="#ffffff",
    )
    target = io.BytesIO()
    # The engine has no setting for effort: for a trial its table is changed under it.
    effort = {trial.format: dict(trial.options)} if trial.options else {}
    with patch.dict(pillow._SAVE_OPTIONS, effort):  # noqa: SLF001
        started = time.process_time()
        pillow.PillowEngine().render(
            source,
            [(spec, target)],
            source_format="png",
            full_size=wanted.size,
            focal_point=(0.5, 0.5),
        )
        seconds = time.process_time() - started
    with Image.open(target) as made:
        return Outcome(size=target.getbuffer().nbytes, score=score(wanted, made), seconds=seconds)


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--number", type=int, default=8)
    arguments = parser.parse_args()
    photos = spread(sorted(arguments.photos.glob("*.jpg")), arguments.number)
    for width in WIDTHS:
        with multiprocessing.Pool() as pool:
            outcomes = pool.map(try_all, [(photo, width) for photo in photos], chunksize=1)
        tell(f"{len(photos)} photographs at {width} px", list(zip(*outcomes, strict=True)))


def tell(title: str, columns: list[tuple[Outcome, ...]]) -> None:
    """Print one table."""
    sys.stdout.write(f"\n| {title} | KB, mean | SSIMULACRA2, mean | worst | CPU s, mean |\n")
    sys.stdout.write("|---|---|---|---|---|\n")
    for trial, outcomes in zip(TRIALS, columns, strict=True):
        size = statistics.mean(outcome.size for outcome in outcomes) / 1000
        scores = [outcome.score for outcome in outcomes]
        seconds = statistics.mean(outcome.seconds for outcome in outcomes)
        sys.stdout.write(
            f"| {trial} | {size:.1f} | {statistics.mean(scores):.1f} | {min(scores):.1f} "
            f"| {seconds:.3f} |\n"
        )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
