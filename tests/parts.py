"""Parts that some tests need: skipped without them on a laptop, a failure under CI."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORPUS = Path(os.environ.get("IMAGES_CORPUS", ROOT.parent / "shared" / "corpus"))
"""Hostile and valid images, which lie beside the repository."""


def need(what: str, *, is_there: bool) -> None:
    """Skip the test when a part is absent; under CI that is a failure."""
    if is_there:
        return
    message = f"{what} is not installed"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def program(name: str) -> str:
    """The path of a program that a test needs."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    need(name, is_there=path is not None)
    return path or ""
