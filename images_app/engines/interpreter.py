"""The interpreter that children are started with, also where Python is embedded in a server."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_IS_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*t?")
# What compiled modules depend on: the parent's packages are the child's.
_ASK = "import sys; print(sys.implementation.cache_tag, sys.abiflags)"
_PATIENCE = 30  # seconds that an interpreter may take to say what it is


def is_embedded() -> bool:
    """Return whether ``sys.executable`` is another program than Python, such as a server."""
    return _IS_PYTHON.fullmatch(Path(sys.executable or "").name) is None


@cache
def find_interpreter(named: str = "") -> str:
    """Return the path of an interpreter of this process's version.

    Under uWSGI ``sys.executable`` is uWSGI itself, under mod_wsgi it may be empty. The interpreter
    lies beside the standard library, or in the virtual environment.

    Args:
        named: the one that the settings name; no other is tried then.

    Raises:
        ValueError: when there is none, or the one named is another.

    """
    ours = f"{sys.implementation.cache_tag} {sys.abiflags}".strip()
    for path in [named] if named else dict.fromkeys(_candidates()):
        if _kind_of(path) == ours:
            return path
    message = f"there is no interpreter {named!r}" if named else "no interpreter was found"
    message = f"{message} of this Python, {ours}; set python in OPTIONS to the path of one"
    raise ValueError(message)


def _candidates() -> Iterator[str]:
    """Yield where an interpreter may be, the likeliest first.

    A server is never started to find out that it is no Python.
    """
    if not is_embedded():
        yield sys.executable
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folders = [Path(prefix) / "bin" for prefix in (sys.exec_prefix, sys.base_exec_prefix)]
    for folder in (*folders, Path(sysconfig.get_config_var("BINDIR") or "/usr/bin")):
        for name in (f"python{version}", "python3", "python"):
            yield str(folder / name)


def _kind_of(path: str) -> str:
    """Return what an interpreter says that it is; empty where it says nothing."""
    try:
        asked = subprocess.run(  # noqa: S603 (the settings name it, or it is named as ours is)
            [path, "-I", "-c", _ASK],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return asked.stdout.decode(errors="replace").strip()
