"""What a rendition loses, and saves, when it is made from a larger one instead of the original.

    python -m benchmarks.ancestors PHOTOS [--number 6]

Scores are SSIMULACRA2 of WebP renditions with our default quality against one Lanczos resize of
the original; processor seconds are of decoding, resizing and encoding.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
from pathlib import Path

from PIL import Image

from benchmarks.renditions import reference, score, spread
from images_app.engines.pillow import PillowEngine
from images_app.specs import Fit, Preset, Size

WIDTHS = (320, 640)
ANCESTORS = [(width, name) for width in (1280, 2048) for name in ("jpeg", "avif", "webp")]
NARROWEST = 2300  # pixels; of narrower originals an ancestor is no smaller
PRESET = Preset(name="any", widths=WIDTHS, formats=("webp",), fit=Fit.WIDTH)


def render(source: bytes, source_format: str, full_size: Size, width: int, made: str) -> bytes:
    """Make one rendition."""
    target = io.BytesIO()
    PillowEngine().render(
        io.BytesIO(source),
        [(PRESET.spec(width, made), target)],
        source_format=source_format,
        full_size=full_size,
        focal_point=(0.5, 0.5),
    )
    return target.getvalue()


def measure(photo: Path, outcomes: dict[tuple[int, str], list[tuple[float, float]]]) -> None:
    """Make the small ones of one photograph from everything there is."""
    original = photo.read_bytes()
    with Image.open(photo) as opened:
        full_size = opened.size
    sources = {"the original": (original, "jpeg")}
    for width, name in ANCESTORS:
        sources[f"{name} {width}"] = render(original, "jpeg", full_size, width, name), name
    for width in WIDTHS:
        wanted = reference(photo, (width, round(full_size[1] * width / full_size[0])))
        for name, (source, source_format) in sources.items():
            started = time.process_time()
            made = render(source, source_format, full_size, width, "webp")
            seconds = time.process_time() - started
            with Image.open(io.BytesIO(made)) as shown:
                outcomes.setdefault((width, name), []).append((score(wanted, shown), seconds))


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--number", type=int, default=6)
    arguments = parser.parse_args()
    wide = []
    for photo in sorted(arguments.photos.glob("*.jpg")):
        with Image.open(photo) as opened:
            if opened.width > NARROWEST:
                wide.append(photo)
    outcomes: dict[tuple[int, str], list[tuple[float, float]]] = {}
    for photo in spread(wide, arguments.number):
        measure(photo, outcomes)
    sys.stdout.write("| px | made from | SSIMULACRA2, mean | CPU s, mean |\n|---|---|---|---|\n")
    for (width, name), pairs in outcomes.items():
        scores, seconds = zip(*pairs, strict=True)
        sys.stdout.write(
            f"| {width} | {name} | {statistics.mean(scores):.2f} "
            f"| {statistics.mean(seconds):.3f} |\n"
        )


if __name__ == "__main__":
    main()
