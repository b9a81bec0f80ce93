"""Processor time and memory of this process and all its descendants, as Linux counts them.

Processes and threads may end while they are counted: they count as nothing then.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")  # per second


def processor_seconds() -> float:
    """Answer with the seconds that this process and its descendants, living or not, have used."""
    ended_and_own = sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
    return ended_and_own + sum(map(_seconds_of, _descendants("self")))


def peak_memory() -> int:
    """Answer with the bytes of the peaks of this process and its living descendants, added up.

    What a child shares with its parent counts for each.
    """
    return sum(map(_peak_of, ("self", *_descendants("self"))))


def _descendants(pid: str) -> Iterator[str]:
    for listed in Path("/proc", pid, "task").glob("*/children"):
        for child in _read(listed).split():
            yield child
            yield from _descendants(child)


def _seconds_of(pid: str) -> float:
    # proc(5): fields 14 to 17 are utime, stime, cutime and cstime; the second, the name, is in
    # brackets and may hold anything.
    fields = _read(Path("/proc", pid, "stat")).rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def _peak_of(pid: str) -> int:
    lines = _read(Path("/proc", pid, "status")).splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
