"""The tables, and the same figures as values for JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from benchmarks.delivery.modes import BASELINE, GALLERY_SIZE, STATIC, Table
from benchmarks.delivery.rows import Row


def figures(rows: list[Row]) -> dict[str, list[dict[str, Any]]]:
    """Answer with the figures of all rows, by table."""
    return {
        table.value: _figures_of([row for row in rows if row.mode.table is table], table)
        for table in Table
        if any(row.mode.table is table for row in rows)
    }


def _figures_of(rows: list[Row], table: Table) -> list[dict[str, Any]]:
    rates = {(row.mode.name, row.configuration): row.median("requests_per_second") for row in rows}
    by_hand = rates.get(BASELINE)
    static = next((rate for (name, _), rate in rates.items() if name == STATIC), None)
    made = []
    for row in rows:
        rate, p99 = row.median("requests_per_second"), row.median("p99")
        spread = [done["requests_per_second"] for done in row.rounds]
        figure = {
            "name": row.mode.name,
            "configuration": row.configuration if row.mode.has_django else "",
            "note": row.mode.note,
            "problem": row.problem,
            "status": row.status or None,
            "status_for_strangers": row.stranger or None,
            "requests_per_second": _round(rate),
            "requests_per_second_least": _round(min(spread, default=None)),
            "requests_per_second_most": _round(max(spread, default=None)),
            "p99_milliseconds": _round(p99),
            "times_by_hand": _ratio(rate, by_hand),
            "times_static": _ratio(rate, static),
        }
        if table.is_gallery:
            figure["milliseconds"] = _round(rate and 1000 * GALLERY_SIZE / rate)
        made.append(figure)
    return made


def tell(tables: dict[str, list[dict[str, Any]]]) -> None:
    """Print the tables; a dash is what could not be measured, with the reason below."""
    for title, rows in tables.items():
        columns = {
            "status": "status",
            "status_for_strangers": "for strangers",
            "requests_per_second": "requests/s",
            "p99_milliseconds": "p99 ms",
            "times_by_hand": "times hand-written, stock",
            "times_static": "times static",
            "milliseconds": "ms for all 60",
        }
        shown = [key for key in columns if any(row.get(key) is not None for row in rows)]
        _table([title, "settings", *(columns[key] for key in shown), "note"])
        for row in rows:
            cells = (row.get(key) for key in shown)
            _line([row["name"], row["configuration"], *map(_cell, cells), row["note"]])
        for row in rows:
            if row["problem"]:
                sys.stdout.write(f"\n{row['name']}, {row['configuration']}: {row['problem']}\n")


def tell_slow(trials: list[dict[str, Any]]) -> None:
    """Print what slow readers cost."""
    _table(
        ["slow readers of a 300 MB original", "readers", "served at once", "MB more", "others wait"]
    )
    for trial in trials:
        wait = "more than 5 s" if trial["others_wait"] is None else f"{trial['others_wait']} s"
        _line([*(str(trial[key]) for key in ("name", "readers", "served", "megabytes")), wait])


def _table(heads: list[str]) -> None:
    sys.stdout.write("\n")
    _line(heads)
    sys.stdout.write("|---" * len(heads) + "|\n")


def _line(cells: Iterable[str]) -> None:
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:,}"


def _round(value: float | None) -> float | None:
    """Three digits are all that a measurement on a busy machine knows."""
    return None if value is None else float(f"{value:.3g}")


def _ratio(value: float | None, to: float | None) -> float | None:
    return _round(value / to) if value and to else None
