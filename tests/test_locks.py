"""Locks install tomorrow too: every requirement with an extra has a pin that names the extra."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

from tests.locks import missing_extras, pins

ROOT = Path(__file__).resolve().parent.parent
LOCKS = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("requirements*.txt", "benchmarks/requirements.txt", "tests/*/requirements.txt")
    for path in ROOT.glob(pattern)
)


def test_locks__are_all_here():
    assert LOCKS == [
        "benchmarks/requirements.txt",
        "requirements-dev.txt",
        "requirements.txt",
        "tests/mutation/requirements.txt",
    ]


@pytest.mark.parametrize("lock", LOCKS)
def test_lock__has_hashes_and_no_addresses(lock):
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert len(re.findall(r"--hash=sha256:", text)) >= len(pins(text)) > 0


def test_lock__of_developers_has_a_pin_for_every_extra():
    assert list(missing_extras((ROOT / "requirements-dev.txt").read_text())) == []


@pytest.mark.parametrize("extra", ["toml", "tls"])
def test_missing_extras__finds_a_pin_that_lost_its_extra(extra):
    text = (ROOT / "requirements-dev.txt").read_text()
    (found,) = missing_extras(text.replace(f"[{extra}]==", "==", 1))
    assert f"[{extra}]" in found


def test_missing_extras__skips_what_is_not_installed(monkeypatch):
    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("tests.locks.requires", absent)
    assert list(missing_extras("something==1.0 \\\n")) == []
