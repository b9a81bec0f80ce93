"""Writing an export: files that appear whole or not at all, and JSON of any length."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.core.serializers.json import DjangoJSONEncoder

_PARTIAL = ".partial-"


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner can enter, or take an empty one.

    Raises:
        OSError: when there is something in it, or it cannot be made.

    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "The folder is not yours", str(folder))
    if any(folder.iterdir()):
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(folder))
    folder.chmod(0o700)


@contextmanager
def partial_file(folder: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """Open a hidden file, readable by its owner only; gone at the end unless it was renamed."""
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=_PARTIAL)
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file, partial
    finally:
        partial.unlink(missing_ok=True)


def give_name(file: IO[bytes], partial: Path, name: str) -> None:
    """Give a file its name, once all of it is on the disk."""
    file.flush()
    os.fsync(file.fileno())
    partial.replace(partial.with_name(name))


def write_json(file: IO[bytes], value: Any, indent: str = "\n") -> None:
    """Write JSON; iterators become arrays that are never in memory as a whole."""
    if isinstance(value, dict):
        _write_parts(file, "{}", value.items(), indent)
    elif isinstance(value, Iterator):
        _write_parts(file, "[]", ((None, part) for part in value), indent)
    else:
        text = json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)
        file.write(text.encode(errors="replace"))


def _write_parts(
    file: IO[bytes], brackets: str, parts: Iterable[tuple[str | None, Any]], indent: str
) -> None:
    inner, separator = f"{indent}  ", ""
    file.write(brackets[0].encode())
    for key, part in parts:
        label = "" if key is None else f"{json.dumps(key)}: "
        file.write(f"{separator}{inner}{label}".encode())
        write_json(file, part, inner)
        separator = ","
    file.write(f"{indent if separator else ''}{brackets[1]}".encode())
