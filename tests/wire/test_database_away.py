"""A PostgreSQL that takes no writes, and one that goes away, under every URL."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.database_servers import environment, is_installed, running
from tests.parts import ROOT, need


@pytest.mark.slow
def test_every_view__says_so_while_postgresql_fails():
    need("PostgreSQL", is_there=is_installed("postgresql"))
    tests = ["tests/views/test_guarding.py", "-k", "test_server__", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", *tests]
    with running("postgresql") as server:
        given = environment("postgresql", server.port)
        done = subprocess.run(command, env=given, cwd=ROOT, capture_output=True, check=False)
    assert b"2 passed" in done.stdout, done.stdout.decode()
