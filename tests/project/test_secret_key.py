"""The demo's own secret key: made once, and never through what others have put there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from tests.parts import ROOT

ASK = "from project.settings import SECRET_KEY; print(SECRET_KEY)"


def start(var) -> subprocess.Popen:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO")}
    return subprocess.Popen(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        env={**kept, "IMAGES_VAR_DIR": str(var)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_key__is_one_for_all_who_start_at_once(tmp_path):
    var = tmp_path / "var"
    said = {process.communicate()[0] for process in [start(var) for _ in range(4)]}
    assert said == {f"{(var / 'secret_key').read_text()}\n"}
    assert len((var / "secret_key").read_text()) == 50
    assert stat.S_IMODE((var / "secret_key").stat().st_mode) == 0o600


def test_key__is_not_written_through_a_link(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "secret_key").symlink_to(elsewhere)
    process = start(tmp_path)
    process.communicate()
    assert process.returncode != 0
    assert not elsewhere.exists()


def test_key__that_is_empty_is_refused(tmp_path):
    (tmp_path / "secret_key").touch()
    process = start(tmp_path)
    assert "is empty" in process.communicate()[1]


@pytest.mark.parametrize("given", ["from the environment"])
def test_key__of_the_environment_leaves_no_file(tmp_path, monkeypatch, given):
    process = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=ROOT,
        env={**os.environ, "IMAGES_VAR_DIR": str(tmp_path), "DJANGO_SECRET_KEY": given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout == f"{given}\n"
    assert not (tmp_path / "secret_key").exists()
