"""A kill, or a full disk, at every write, flush, rename and unlink of what brings bytes in."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.parts import ROOT, program

pytestmark = pytest.mark.slow
OPERATIONS = ("upload", "resume", "render", "replace", "delete", "move", "tidy")
CLEAR = ("told storage_unavailable", "told by the exit code", "told database or disk is full")


@pytest.fixture(scope="module", autouse=True)
def strace():
    program("strace")
    tried = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False)
    if tried.returncode:
        pytest.skip("this kernel lets nobody trace")  # which no package mends


def end_everywhere(*arguments):
    command = [sys.executable, "-W", "ignore", "-m", "tests.hostile.kill_everywhere", *arguments]
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    assert result.returncode == 0, result.stderr[-2000:]
    found = json.loads(result.stdout)
    print(arguments, found["trials"], "points,", found["strays"], "strays mended")
    return found


@pytest.mark.parametrize("kind", ["filesystem", "database"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_kill__at_any_point_loses_nothing(kind, operation):
    found = end_everywhere(kind, operation, "kill")
    assert found["wrong"] == []
    assert found["answers"] == ["", "ok"]
    assert found["trials"] > 20


@pytest.mark.parametrize("fault", ["full", "full-once"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_full_disk__at_any_point_is_told_and_loses_nothing(operation, fault):
    found = end_everywhere("filesystem", operation, fault)
    assert found["wrong"] == []
    assert any(answer in CLEAR for answer in found["answers"])
    assert set(found["answers"]) <= {"ok", *CLEAR}
