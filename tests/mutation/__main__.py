"""Mutation testing: small faults are put into a room, and its tests must find them.

    make mutate                  # every room
    make mutate ROOMS=signing    # one

Works on copies in var/mutation, never on the code itself. There, `mutmut show NAME` shows a
fault again. What survives for a reason is listed in docs/mutation.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path

from tests.mutation.by_hand import BY_HAND
from tests.parts import CORPUS

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "var" / "mutation"
COPIED = ("images_app", "project", "static", "templates", "tests", "manage.py", "pyproject.toml")
LEAST = 90  # percent
FOUND = {"killed", "timeout"}  # what mutmut calls a fault that was found
LONGEST = 300  # seconds that a room's tests may take
# The same examples each time, and no deadlines: else a busy machine would find faults. Tables
# are made from the models, which takes half as long; each run of tests makes them anew.
PYTEST = ("-p", "no:cacheprovider", "--hypothesis-profile=ci", "--no-migrations")


@dataclass(frozen=True, kw_only=True)
class Room:
    """What gets faults, and the quick tests that are to find them."""

    sources: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One changed place, and whether a test failed for it."""

    name: str
    is_found: bool
    change: str = ""


_ON_LINKS = (
    "test_link__to_a_gallery_shows_it_and_its_images_at_its_level",
    "test_link__to_an_image_shows_it_alone",
    "test_link__gives_no_rights",
    "test_link__shows_nothing_from_then_on",
    "test_link__of_a_viewer_in_the_future",
    "test_link__is_known_by_its_password_version",
)
ROOMS = {
    "policies": Room(
        sources=("images_app/policies/*",),
        # Of the share links, only what a policy decides.
        tests=("tests/policies", *(f"tests/test_sharing.py::{name}" for name in _ON_LINKS)),
    ),
    "http": Room(sources=("images_app/http.py",), tests=("tests/test_http.py",)),
    "signing": Room(sources=("images_app/signing/*",), tests=("tests/signing",)),
    "delivery": Room(
        sources=("images_app/delivery/*",),
        # Not the carriers: they start servers, and find no fault that these do not.
        tests=(
            "tests/delivery/test_handing_over.py",
            "tests/delivery/test_streaming.py",
            "tests/test_asgi.py",
        ),
    ),
}


def main(names: list[str]) -> int:
    """Go through the rooms; 1 where one of them is not guarded well enough."""
    os.nice(15)
    shares = [_judged(name, ROOMS[name]) for name in names or ROOMS]
    return 0 if min(shares) >= LEAST else 1


def _judged(name: str, room: Room) -> float:
    folder = WORK / name
    _copy_to(folder)
    if not _tests_pass(folder, room):
        sys.exit(f"{name}: its tests fail where nothing was changed")
    found = made = 0
    for fault in chain(_by_hand(folder, room), _by_mutmut(folder, room)):
        made += 1
        found += fault.is_found
        if not fault.is_found:
            print(f"survived: {fault.name}\n{fault.change}\n", flush=True)
    share = 100 * found / made
    print(f"{name}: {found} of {made} faults found ({share:.1f} %)\n", flush=True)
    return share


def _copy_to(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy2(ROOT / name, folder / name)


# mutmut


def _by_mutmut(folder: Path, room: Room) -> Iterator[Fault]:
    """Everything that mutmut changes: what stands in functions that are not decorated."""
    with (folder / "pyproject.toml").open("a") as file:
        file.write(_configuration(room))
    _run_mutmut(folder, "run", "--max-children", "1", output=folder / "mutmut.log")
    for line in _run_mutmut(folder, "results", "--all", "true").splitlines():
        name, _, status = line.strip().partition(": ")
        is_found = status in FOUND
        change = "" if is_found else _diff(_run_mutmut(folder, "show", name))
        yield Fault(name=name, is_found=is_found, change=change)


def _configuration(room: Room) -> str:
    values = {
        # Tests leave processes behind (the engine's), which must not be those of mutmut.
        "process_isolation": "forkserver",
        "source_paths": ["images_app"],
        "only_mutate": list(room.sources),
        "also_copy": [name for name in COPIED if name not in {"images_app", "tests"}],
        "pytest_add_cli_args_test_selection": list(room.tests),
        "pytest_add_cli_args": list(PYTEST),
    }
    lines = "".join(f"{key} = {value!r}\n" for key, value in values.items())
    return f"\n[tool.mutmut]\nuse_git_change_detection = false\n{lines}"


def _run_mutmut(folder: Path, *arguments: str, output: Path | None = None) -> str:
    program = Path(sys.executable).with_name("mutmut")
    done = _run(folder, str(program), *arguments)
    if output is not None:
        output.write_text(done.stdout)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return done.stdout


def _diff(shown: str) -> str:
    kept = (line for line in shown.splitlines() if line.startswith(("+", "-")))
    return "\n".join(line for line in kept if not line.startswith(("+++", "---")))


# By hand


def _by_hand(folder: Path, room: Room) -> Iterator[Fault]:
    """What mutmut leaves alone: constants, decorated functions, statements left out."""
    for path, old, new in BY_HAND:
        if any(fnmatch(path, pattern) for pattern in room.sources):
            is_found = _is_found(folder, room, folder / path, old, new)
            yield Fault(name=path, is_found=is_found, change=f"-{old}\n+{new}")


def _is_found(folder: Path, room: Room, path: Path, old: str, new: str) -> bool:
    source = path.read_text()
    if source.count(old) != 1:
        sys.exit(f"{path.name} has this {source.count(old)} times: {old}")
    path.write_text(source.replace(old, new))
    is_found = not _tests_pass(folder, room)
    path.write_text(source)
    return is_found


def _tests_pass(folder: Path, room: Room) -> bool:
    command = (sys.executable, "-m", "pytest", "-xq", *PYTEST, *room.tests)
    try:
        done = _run(folder, *command, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode and "short test summary" not in done.stdout:  # no test has run
        sys.exit(done.stdout + done.stderr)
    return done.returncode == 0


def _run(
    folder: Path, *command: str, timeout: int | None = None
) -> subprocess.CompletedProcess[str]:
    # No bytecode: a changed file of the same size and second would be taken for the old one.
    more = {"PYTHONDONTWRITEBYTECODE": "1", "IMAGES_CORPUS": str(CORPUS)}
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
