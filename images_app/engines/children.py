"""Children: processes that each answer one call at a time, kept for the next one."""

from __future__ import annotations

import atexit
import contextlib
import inspect
import io
import json
import logging
import os
import pickle
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from functools import cache
from typing import IO, Any

from images_app.engines.base import Output
from images_app.engines.messages import (
    TAKEN,
    has_more,
    receive_exactly,
    receive_into,
    receive_message,
    send_message,
)
from images_app.exceptions import EngineUnavailable, StorageUnavailable, UploadRefused

logger = logging.getLogger("images_app.engines")

_FAREWELL = 0.1  # seconds that a child has to end by itself
_PATIENCE = 10  # times its processor seconds that a call may take by the clock
_LONGEST_ANSWER = 2**20  # bytes
_LARGEST_OUTPUT = 2**28  # bytes of one rendition; more is no picture
_LARGEST_LIMIT = 2**53  # of what a refusal speaks
_LONGEST_DETAIL = 200  # characters in the log
# What reading an answer raises that is none, however it was made.
_NONSENSE = (
    *(EOFError, OSError, ValueError, LookupError, TypeError),
    *(AttributeError, ArithmeticError, RecursionError),
)
_START = """\
import json, sys
given = json.loads(sys.argv[1])
sys.path[:] = given.pop("path")
from images_app.engines.worker import main
main(**given)
"""
# What interpreters and libraries need to start. Nothing else of ours is the child's business.
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL")
# Reserved addresses count towards the limit, and each thread of an encoder reserves some.
_OWN = {"MALLOC_ARENA_MAX": "2"}


class ChildDiedError(Exception):
    """The child ended during a call: a limit was met, or a decoder crashed."""


class EngineFailedError(Exception):
    """The engine failed, and the child lives."""


class _ChildGoneError(Exception):
    """The child had ended before the call."""


class _Child:
    """One child process and the socket to it."""

    def __init__(self, command: list[str]) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self.process = subprocess.Popen(  # noqa: S603 (our own interpreter)
                    command,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env=_OWN
                    | {name: os.environ[name] for name in _INHERITED if name in os.environ},
                    start_new_session=True,  # a Ctrl-C in the terminal is not for it
                )
        except OSError as error:
            ours.close()
            raise _unavailable(command) from error
        self.connection = ours

    def call(
        self, call: Sequence[Any], file: IO[bytes], outputs: Sequence[Output], until: float
    ) -> Any:
        """Have one call answered.

        Args:
            call: what the worker is to do.
            file: of which the kernel knows.
            outputs: whose files take the bytes behind the answer.
            until: by time.monotonic(), when the whole answer has to be there.

        """
        token = secrets.token_hex()
        try:
            self._ask((token, *call), file, until)
        except TimeoutError as error:
            raise ChildDiedError from error
        except (EOFError, OSError) as error:
            raise _ChildGoneError from error
        try:
            answer = self._answer_to(token, outputs, until)
            refusal = _refusal_of(answer)
        except _NONSENSE as error:
            raise ChildDiedError from error
        if refusal is not None:
            raise refusal
        return answer["result"]

    def _ask(self, call: Sequence[Any], file: IO[bytes], until: float) -> None:
        if has_more(self.connection):  # it speaks unasked, or is gone
            raise EOFError
        self.connection.settimeout(max(0.001, until - time.monotonic()))
        send_message(self.connection, pickle.dumps(tuple(call)), (file.fileno(),))
        receive_exactly(self.connection, len(TAKEN), until)

    def _answer_to(self, token: str, outputs: Sequence[Output], until: float) -> dict[str, Any]:
        message, _files = receive_message(self.connection, most=_LONGEST_ANSWER, until=until)
        answer = json.loads(message, parse_constant=_no_number)
        if not isinstance(answer, dict) or answer.get("call") != token:
            raise ValueError("no answer to this")
        if "result" in answer:
            for (_, target), length in zip(outputs, answer["lengths"], strict=True):
                receive_into(self.connection, target, _checked_length(length), until)
        if has_more(self.connection):
            raise ValueError("more than an answer")
        return answer

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


def _unavailable(command: list[str]) -> EngineUnavailable:
    """Tell the operator, who is the only one that can help."""
    logger.error("code=engine_unavailable python=%s", command[0])
    return EngineUnavailable("no child process could be started")


def _checked_length(length: Any) -> int:
    if type(length) is not int or not 0 <= length <= _LARGEST_OUTPUT:
        raise ValueError("length")
    return length


def _no_number(word: str) -> None:
    """Refuse what Python's JSON has beyond JSON: NaN and Infinity."""
    raise ValueError(word)


def _refusal_of(answer: dict[str, Any]) -> Exception | None:
    """Return what the engine has raised, its words and numbers checked; None for a result."""
    if answer.get("refused") in UploadRefused.reasons:
        return UploadRefused(answer["refused"], **_checked_limit(answer["params"]))
    if "result" in answer:
        return None
    detail = answer.get("detail")
    is_short = type(detail) is str and len(detail) <= _LONGEST_DETAIL and detail.isprintable()
    return EngineFailedError(detail if is_short else "")


def _checked_limit(params: Any) -> dict[str, Any]:
    limit = params.get("limit", 0)
    if type(limit) is not int or not 0 <= limit <= _LARGEST_LIMIT:
        raise ValueError("limit")
    return {"limit": limit}


class Pool:
    """The idle children of this process; how many work at once is the caller's to bound."""

    def __init__(self, command: list[str], patience: int, limits: str) -> None:
        self._command, self._patience, self._limits = command, patience, limits
        self._idle: list[_Child] = []
        self._lock = threading.Lock()
        atexit.register(self._end)
        os.register_at_fork(after_in_child=self._forget)

    def call(
        self,
        method: str,
        file: IO[bytes],
        outputs: Sequence[Output] = (),
        folder: str | None = None,
        /,
        **arguments: Any,
    ) -> Any:
        """Call a method of the engine in a child; a copy of the file goes into the folder."""
        asked = (method, arguments, [spec for spec, _ in outputs])
        until = time.monotonic() + self._patience  # however many children it takes
        with _as_real_file(file, folder) as source:
            while True:
                child, is_new = self._take()
                try:
                    answer = child.call(asked, source, outputs, until)
                except (UploadRefused, EngineFailedError):
                    self._give_back(child)
                    raise
                except _ChildGoneError as error:
                    child.end()
                    if is_new:
                        raise _unavailable(self._command) from error
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
        return _Child(self._command), True

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
def pool_of(python: str, backend: str, memory_bytes: int, cpu_seconds: int) -> Pool:
    """Answer with the one pool of such children in this process."""
    given = {
        "path": [os.path.abspath(entry) for entry in sys.path],  # noqa: PTH100 ("" is a folder)
        "backend": backend,
        "memory_bytes": memory_bytes,
        "cpu_seconds": cpu_seconds,
    }
    # -I: neither the working folder nor the environment may bring in code.
    command = [python, "-I", "-c", _START, json.dumps(given)]
    limits = f"memory_bytes:{memory_bytes},cpu_seconds:{cpu_seconds}"
    return Pool(command, cpu_seconds * _PATIENCE, limits)


@contextlib.contextmanager
def _as_real_file(file: IO[bytes], folder: str | None) -> Iterator[IO[bytes]]:
    """Hand out a file that the kernel knows: this one where its bytes are just that, or a copy.

    A ``fileno()`` alone proves nothing: what decrypts or unzips while reading has one too.
    """
    reader = getattr(inspect.unwrap(file.read), "__self__", None)
    # The exact types: what is built on them may read something else than the kernel has there.
    is_buffered = type(reader) is io.BufferedReader and type(reader.raw) is io.FileIO
    if reader is not None and (is_buffered or type(reader) is io.FileIO):
        yield reader
        return
    try:
        copy = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed below)
    except OSError as error:  # a read-only root file system, a full disk
        raise StorageUnavailable(type(error).__name__) from error
    with copy:
        file.seek(0)
        shutil.copyfileobj(file, copy, 1 << 18)
        copy.flush()
        yield copy
