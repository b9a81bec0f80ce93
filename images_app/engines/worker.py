"""The child process of BoundedEngine: answers calls on a socket until nobody calls any more.

It is given no settings, no environment worth stealing and no database. It is no sandbox: what runs
in it runs as the same user.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import math
import mmap
import os
import pickle
import resource
import socket
from importlib import import_module
from pathlib import Path
from typing import Any

from images_app.engines.base import Engine, Inspection
from images_app.engines.messages import TAKEN, receive_message, send_message
from images_app.exceptions import ImagesAppError, UploadRefused

_IDLE = 60  # seconds without a call until it ends, and gives its memory back
_NICENESS = 5  # behind the processes that answer requests
_MOST_FILES = 64
_FILM = 4  # times the processor seconds of a still


def main(*, backend: str, memory_bytes: int, cpu_seconds: int) -> None:
    """Serve on standard input, which is a socket."""
    connection = socket.socket(fileno=0)
    engine = load_engine(backend)
    _bound_process(memory_bytes)
    os.nice(_NICENESS)
    serve(connection, engine, cpu_seconds)


def load_engine(path: str) -> Engine:
    """Make the engine of that dotted path."""
    module, _, name = path.rpartition(".")
    engine: Engine = getattr(import_module(module), name)()
    return engine


def serve(connection: socket.socket, engine: Engine, cpu_seconds: int) -> None:
    """Answer calls until the other side is gone, or silent for long."""
    connection.settimeout(_IDLE)
    # Whoever hears nothing any more, or too little, leaves it to the parent to notice.
    with contextlib.suppress(EOFError, OSError):
        while True:
            message, files = receive_message(connection)
            connection.sendall(TAKEN)
            token, *call = pickle.loads(message)  # noqa: S301 (from our own parent)
            answer, outputs = _answer(engine, call, files[0], cpu_seconds)
            send_message(connection, json.dumps({**answer, "call": token}).encode())
            for output in outputs:
                connection.sendall(output.getbuffer())


def _answer(
    engine: Engine, call: list[Any], descriptor: int, cpu_seconds: int
) -> tuple[dict[str, Any], list[io.BytesIO]]:
    method, arguments, specs = call
    shares = sum(_FILM if spec.is_animated else 1 for spec in specs)
    _allow_seconds(cpu_seconds * max(1, shares))
    outputs = [(spec, io.BytesIO()) for spec in specs]
    with contextlib.closing(os.fdopen(descriptor, "rb")) as file:
        try:
            # Mapped, because the parent's own position in the file is shared with ours.
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as source:
                extra = [outputs] if specs else []
                result = getattr(engine, method)(source, *extra, **arguments)
                made = [output for _, output in outputs]
                lengths = [output.getbuffer().nbytes for output in made]
                return {"result": _as_plain(result), "lengths": lengths}, made
        except ImagesAppError as error:
            kind = "refused" if isinstance(error, UploadRefused) else "failed"
            return {kind: error.code, "detail": error.detail, "params": error.params}, []
        except Exception as error:  # noqa: BLE001 (an engine's own bug is told, and survived)
            return {"failed": type(error).__name__, "detail": type(error).__name__}, []


def _as_plain(result: Any) -> Any:
    if not dataclasses.is_dataclass(result):
        return result
    plain = dataclasses.asdict(result)  # type: ignore[arg-type]
    if isinstance(result, Inspection) and result.taken_at is not None:
        plain["taken_at"] = result.taken_at.isoformat()
    return plain


def _bound_process(memory_bytes: int) -> None:
    """Take away what decoding does not need, as far as the platform can."""
    limits = {
        resource.RLIMIT_AS: _address_space() + memory_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: _MOST_FILES,
    }
    for kind, limit in limits.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, limit))


def _address_space() -> int:
    """Answer with how many bytes of addresses are in use already; 0 where nobody says."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[0]
    except OSError:
        return 0
    return int(pages) * resource.getpagesize()


def _allow_seconds(seconds: int) -> None:
    """Allow so much more processor time, at whose end the kernel ends the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime) + seconds
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))
