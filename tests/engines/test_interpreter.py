"""The interpreter of children: found where sys.executable is a server, and of the same version."""

from __future__ import annotations

import sys

import pytest

from images_app.engines.bounded import BoundedEngine
from images_app.engines.interpreter import find_interpreter


@pytest.fixture(autouse=True)
def _asked_anew():
    find_interpreter.cache_clear()
    yield
    find_interpreter.cache_clear()


def program(path, script):
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_interpreter__is_our_own_where_it_is_one():
    assert find_interpreter() == sys.executable


@pytest.mark.parametrize("executable", ["server", "python3-config", "", None])
def test_interpreter__is_found_where_ours_is_a_server(monkeypatch, tmp_path, executable):
    """As under uWSGI and mod_wsgi; the server is not started to find out."""
    witness = tmp_path / "started"
    if executable:
        executable = program(tmp_path / executable, f"touch {witness}")
    monkeypatch.setattr(sys, "executable", executable)
    found = find_interpreter()
    assert found.startswith(sys.exec_prefix)
    assert not witness.exists()
    BoundedEngine()


def test_interpreter__of_another_version_is_passed_over(monkeypatch, tmp_path):
    other = program(tmp_path / "python3", "echo cpython-27")
    monkeypatch.setattr(sys, "executable", other)
    assert find_interpreter() != other


def test_interpreter__outside_a_virtual_environment(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", "/usr/sbin/server")
    monkeypatch.setattr(sys, "exec_prefix", str(tmp_path))
    assert find_interpreter().startswith(sys.base_exec_prefix)


@pytest.mark.parametrize("script", ["true", "echo cpython-27", "exit 1", "printf '\\377'"])
def test_interpreter__that_is_named_must_be_of_this_version(tmp_path, script):
    named = program(tmp_path / "python3", script)
    with pytest.raises(ValueError, match=r"no interpreter '.*python3' of this Python"):
        BoundedEngine(python=named)


@pytest.mark.parametrize("named", ["/nowhere/python3", "/", "no-such-python"])
def test_interpreter__that_is_named_and_is_not_there(named):
    with pytest.raises(ValueError, match="set python in OPTIONS"):
        BoundedEngine(python=named)


def test_interpreter__that_is_nowhere_is_told(monkeypatch, tmp_path):
    for name in ("executable", "exec_prefix", "base_exec_prefix"):
        monkeypatch.setattr(sys, name, str(tmp_path))
    monkeypatch.setattr("sysconfig.get_config_var", lambda name: str(tmp_path))
    with pytest.raises(ValueError, match="no interpreter was found"):
        find_interpreter()


def test_interpreter__is_asked_once(tmp_path):
    kind = f"{sys.implementation.cache_tag} {sys.abiflags}".strip()
    count = tmp_path / "count"
    named = program(tmp_path / "python3", f"echo x >> {count}; echo {kind}")
    for _ in range(3):
        BoundedEngine(python=named)
    assert count.read_text() == "x\n"
