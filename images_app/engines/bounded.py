"""An engine in child processes, so that no file can take more memory or time than it may.

The limits are the kernel's: whatever a decoder does with a hostile file, it is the child that
dies. It is no sandbox: a hole in a decoder gives away a process of the same user, though one that
holds neither settings nor connections, and whose answers are checked.
"""

from __future__ import annotations

import atexit
import contextlib
import inspect
import io
import json
import logging
import os
import pickle
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from typing import IO, Any

from images_app.engines.answers import header_of, inspection_of, sizes_of
from images_app.engines.base import Header, Inspection, Output
from images_app.engines.messages import (
    TAKEN,
    receive_exactly,
    receive_into,
    receive_message,
    send_message,
)
from images_app.engines.worker import load_engine
from images_app.exceptions import EngineUnavailable, ImagesAppError, RenderFailed, UploadRefused
from images_app.specs import Size

_FAREWELL = 0.1  # seconds that a child has to end by itself
_PATIENCE = 10  # times its processor seconds that a call may take by the clock
logger = logging.getLogger("images_app.engines")

_LONGEST_ANSWER = 2**20  # bytes
_LARGEST_OUTPUT = 2**28  # bytes of one rendition; more is no picture
_START = """\
import json, sys
given = json.loads(sys.argv[1])
sys.path[:] = given.pop("path")
from images_app.engines.worker import main
main(**given)
"""
# What interpreters and libraries need to start. Nothing else of ours is the child's business.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL")


# Reserved addresses count towards the limit, and each thread of an encoder reserves some.
_CHILD_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2"}


class BoundedEngine:
    """Runs another engine in child processes, which are kept for the next call.

    Args:
        backend: the dotted path of the engine, which may know no Django.
        memory_bytes: how much memory one child may take beyond what it starts with.
        cpu_seconds: how much processor time one call may take, times its outputs.
        python: the interpreter, where ``sys.executable`` is none (embedded ones).

    Calls raise as the engine does; besides ``UploadRefused`` with the code ``too_complex``
    where a limit was met, and EngineUnavailable where no child can be started.

    """

    def __init__(
        self,
        *,
        backend: str = "images_app.engines.pillow.PillowEngine",
        memory_bytes: int = 1536 * 2**20,
        cpu_seconds: int = 30,
        python: str = "",
    ) -> None:
        for name, value in (("memory_bytes", memory_bytes), ("cpu_seconds", cpu_seconds)):
            if type(value) is not int or value < 1:
                message = f"{name} is a whole number, 1 or more"
                raise ValueError(message)
        if shutil.which(python or sys.executable) is None:
            message = f"there is no interpreter {python or sys.executable!r}; set python"
            raise ValueError(message)
        engine = load_engine(backend)
        if isinstance(engine, BoundedEngine):
            raise ValueError("backend is an engine that decodes by itself")  # noqa: TRY004
        self.memory_bytes = memory_bytes
        self.output_version = engine.output_version
        self.input_formats = engine.input_formats
        self._pool = _pool_of(python or sys.executable, backend, memory_bytes, cpu_seconds)

    def read_header(self, file: IO[bytes], formats: tuple[str, ...], *, max_pixels: int) -> Header:
        """Read the header; see Engine."""
        with _failing_as(UploadRefused("too_complex")):
            answer = self._pool.call("read_header", file, formats=formats, max_pixels=max_pixels)
            return header_of(answer, formats)

    def inspect(self, file: IO[bytes], formats: tuple[str, ...]) -> Inspection:
        """Decode the whole file once; see Engine."""
        with _failing_as(UploadRefused("too_complex")):
            return inspection_of(self._pool.call("inspect", file, formats=formats))

    def render(
        self,
        source: IO[bytes],
        outputs: Sequence[Output],
        *,
        source_format: str,
        full_size: Size,
        focal_point: tuple[float, float],
    ) -> list[Size]:
        """Make renditions; see Engine."""
        with _failing_as(RenderFailed("the child's limits, or its end")):
            answer = self._pool.call(
                "render",
                source,
                outputs,
                source_format=source_format,
                full_size=full_size,
                focal_point=focal_point,
            )
            return sizes_of(answer, outputs, full_size)


class _ChildDiedError(Exception):
    """The child ended during a call: a limit was met, or a decoder crashed."""


class _FailedError(Exception):
    """The engine failed, and the child lives."""


class _ChildGoneError(Exception):
    """The child had ended before the call."""


# The last four are an answer that makes no sense.
_FAILURES = (_ChildDiedError, AttributeError, LookupError, TypeError, ValueError)


@contextlib.contextmanager
def _failing_as(failure: ImagesAppError) -> Iterator[None]:
    """Turn the end of a child, or an answer that makes no sense, into our failure."""
    try:
        yield
    except _FailedError as error:
        raise type(failure)(str(error)) if isinstance(failure, RenderFailed) else failure from error
    except _FAILURES as error:
        raise failure from error


class _Child:
    """One child process and the socket to it."""

    def __init__(self, command: list[str], patience: int) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self.process = subprocess.Popen(  # noqa: S603 (our own interpreter)
                    command,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env=_CHILD_ENVIRONMENT
                    | {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                    start_new_session=True,  # a Ctrl-C in the terminal is not for it
                )
        except OSError as error:
            ours.close()
            logger.error("code=engine_unavailable python=%s", command[0])  # noqa: TRY400 (named)
            raise EngineUnavailable("no child process: set OPTIONS['python']") from error
        self.connection = ours
        ours.settimeout(patience)

    def call(self, message: bytes, file: IO[bytes], outputs: Sequence[Output]) -> Any:
        """Have one call answered."""
        try:
            send_message(self.connection, message, (file.fileno(),))
            receive_exactly(self.connection, len(TAKEN))
        except (EOFError, OSError) as error:
            raise _ChildGoneError from error
        try:
            answer = json.loads(receive_message(self.connection, most=_LONGEST_ANSWER)[0])
            if not isinstance(answer, dict):
                raise TypeError("no answer")  # noqa: TRY301 (as any other nonsense)
            if "result" in answer:
                for (_, target), length in zip(outputs, answer["lengths"], strict=True):
                    receive_into(self.connection, target, _checked_length(length))
        except (EOFError, OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise _ChildDiedError from error
        return _result_of(answer)

    def end(self) -> int:
        """Close the socket, and end the child; answer with its status, negative for a signal."""
        self.connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(_FAREWELL)  # so that the status is its own
        self.process.kill()
        return self.process.wait()

    def forget(self) -> None:
        """Drop our copy of another process's child, without ending it."""
        self.connection.close()
        self.process.returncode = 0


def _checked_length(length: Any) -> int:
    if type(length) is not int or not 0 <= length <= _LARGEST_OUTPUT:
        raise ValueError("length")
    return length


def _result_of(answer: dict[str, Any]) -> Any:
    if answer.get("refused") in UploadRefused.reasons:
        params: dict[str, Any] = {"limit": int(answer["params"].get("limit", 0))}
        raise UploadRefused(answer["refused"], **params)
    if "result" not in answer:
        raise _FailedError(str(answer.get("detail", "")))
    return answer["result"]


class _Pool:
    """The idle children of this process; how many work at once is the caller's to bound."""

    def __init__(self, command: list[str], patience: int, limits: str) -> None:
        self._command, self._patience, self._limits = command, patience, limits
        self._idle: list[_Child] = []
        self._lock = threading.Lock()
        atexit.register(self._end)
        os.register_at_fork(after_in_child=self._forget)

    def call(
        self, method: str, file: IO[bytes], outputs: Sequence[Output] = (), /, **arguments: Any
    ) -> Any:
        """Call a method of the engine in a child."""
        message = pickle.dumps((method, arguments, [spec for spec, _ in outputs]))
        with _as_real_file(file) as source:
            while True:
                child, is_new = self._take()
                try:
                    answer = child.call(message, source, outputs)
                except (UploadRefused, _FailedError):
                    self._give_back(child)
                    raise
                except _ChildGoneError as error:
                    child.end()
                    if is_new:
                        logger.error("code=engine_unavailable python=%s", self._command[0])  # noqa: TRY400 (the cause is named)
                        reason = f"the child process did not start with {self._command[0]}"
                        raise EngineUnavailable(reason) from error
                except BaseException:
                    status = child.end()
                    logger.warning(
                        "code=child_ended call=%s status=%s limits=%s",
                        method,
                        status,
                        self._limits,
                    )
                    raise
                else:
                    self._give_back(child)
                    return answer

    def _take(self) -> tuple[_Child, bool]:
        with self._lock:
            if self._idle:
                return self._idle.pop(), False
        return _Child(self._command, self._patience), True

    def _give_back(self, child: _Child) -> None:
        with self._lock:
            self._idle.append(child)

    def _end(self) -> None:
        while self._idle:
            self._idle.pop().end()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        while self._idle:
            self._idle.pop().forget()


@cache  # engines come and go with the settings; children stay
def _pool_of(python: str, backend: str, memory_bytes: int, cpu_seconds: int) -> _Pool:
    given = {
        "path": [os.path.abspath(entry) for entry in sys.path],  # noqa: PTH100 ("" is a folder)
        "backend": backend,
        "memory_bytes": memory_bytes,
        "cpu_seconds": cpu_seconds,
    }
    # -I: neither the working folder nor the environment may bring in code.
    command = [python, "-I", "-c", _START, json.dumps(given)]
    limits = f"memory_bytes:{memory_bytes},cpu_seconds:{cpu_seconds}"
    return _Pool(command, cpu_seconds * _PATIENCE, limits)


@contextlib.contextmanager
def _as_real_file(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Hand out a file that the kernel knows: this one where its bytes are just that, or a copy.

    A ``fileno()`` alone proves nothing: what decrypts or unzips while reading has one too.
    """
    reader = getattr(inspect.unwrap(file.read), "__self__", None)
    # The exact types: what is built on them may read something else than the kernel has there.
    is_buffered = type(reader) is io.BufferedReader and type(reader.raw) is io.FileIO
    if reader is not None and (is_buffered or type(reader) is io.FileIO):
        yield reader
        return
    with tempfile.TemporaryFile() as copy:
        file.seek(0)
        shutil.copyfileobj(file, copy, 1 << 18)
        copy.flush()
        yield copy
