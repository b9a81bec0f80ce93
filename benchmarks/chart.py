"""The chart of docs/benchmarks.md: how many times our processor seconds each library needs.

    python -m benchmarks.chart

draws docs/renditions.svg again from benchmarks/renditions.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
WIDTH, LABELS, FIGURES = 720, 130, 50  # pixels: of all, left of the bars, right of them
BAR, LINE, HEADING = 14, 22, 34  # pixels: height of a bar, of its line, of a heading
# An image in a page knows nothing of the page's colours, but it may ask for the reader's taste.
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.heading { font-weight: 600; }
.figure { font-variant-numeric: tabular-nums; }
.peer { fill: #8c959f; }
.ours { fill: #1a7f4b; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .peer { fill: #6e7681; }
  .ours { fill: #3fb97a; }
}
"""


def draw(results: dict[str, Any]) -> str:
    """Answer with the chart of what renditions.py has measured, as SVG."""
    works: dict[str, Any] = results["work"]
    lines = sum(len(work["libraries"]) for work in works.values())
    height = lines * LINE + len(works) * HEADING + 8
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' width="{WIDTH}" height="{height}" role="img" aria-labelledby="title desc">'
    )
    head = [
        opening,
        '<title id="title">Processor seconds for renditions, images_app = 1</title>',
        f'<desc id="desc">{escape(_in_words(works))}</desc>',
        f"<style>{STYLE}</style>",
    ]
    return "\n".join([*head, *_rows(works), "</svg>\n"])


def _rows(works: dict[str, Any]) -> Iterator[str]:
    times = [row["times_ours"] for work in works.values() for row in _done(work).values()]
    scale = (WIDTH - LABELS - FIGURES) / max(times)
    top = 0
    for title, work in works.items():
        heading = f"{title}: processor seconds, times ours"
        yield f'<text class="heading" x="0" y="{top + 24}">{escape(heading)}</text>'
        top += HEADING
        for name, row in work["libraries"].items():
            yield f'<text x="{LABELS - 8}" y="{top + 12}" text-anchor="end">{escape(name)}</text>'
            end = LABELS + (row["times_ours"] * scale if row else 0)
            if row:
                kind = "ours" if name == "images_app" else "peer"
                yield (
                    f'<rect class="{kind}" x="{LABELS}" y="{top}" '
                    f'width="{end - LABELS:.1f}" height="{BAR}" rx="2"/>'
                )
            figure = f"{row['times_ours']:.2f}" if row else "–"
            yield f'<text class="figure" x="{end + 6:.1f}" y="{top + 12}">{figure}</text>'
            top += LINE


def _in_words(works: dict[str, Any]) -> str:
    return " ".join(
        f"{title}: "
        + ", ".join(f"{name} {row['times_ours']:.2f}" for name, row in _done(work).items())
        + "."
        for title, work in works.items()
    )


def _done(work: dict[str, Any]) -> dict[str, Any]:
    return {name: row for name, row in work["libraries"].items() if row}


def main() -> None:
    """Draw it."""
    results = json.loads((ROOT / "benchmarks/renditions.json").read_text())
    (ROOT / "docs/renditions.svg").write_text(draw(results))


if __name__ == "__main__":
    main()
