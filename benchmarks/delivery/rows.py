"""Rows: a mode under a configuration, its server started, its questions asked in rounds."""

from __future__ import annotations

import json
import statistics
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from benchmarks.delivery.load import Question, Target, WrongAnswer, ask
from benchmarks.delivery.modes import Mode
from benchmarks.delivery.nginx import nginx_server
from benchmarks.delivery.servers import Server, django_server

CONNECTIONS = 8
GALLERY_CONNECTIONS = 6  # as many as a browser opens to one host


@dataclass(kw_only=True)
class Row:
    """One line of a table, filled as the rounds go by."""

    mode: Mode
    configuration: str
    status: int = 0
    stranger: int = 0  # the status for who has neither a cookie nor a signed query
    rounds: list[dict[str, float]] = field(default_factory=list)
    problem: str = ""

    def median(self, figure: str) -> float | None:
        """Answer with the median of the rounds; None where there is nothing to believe."""
        if self.problem or not self.rounds:
            return None
        return statistics.median(done[figure] for done in self.rounds)


class Servers:
    """The servers of all rows, started once for all modes that need the same."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._started: dict[tuple[str, ...], Server] = {}

    def server_for(self, mode: Mode, configuration: str) -> Server:
        """Answer with the server that a mode asks."""
        key: tuple[str, ...] = (configuration, json.dumps(mode.settings, sort_keys=True))
        behind = self._started.get(key)
        if behind is None:
            started = django_server(self._folder, configuration, mode.settings)
            behind = self._started[key] = self._stack.enter_context(started)
        if mode.nginx is None:
            return behind
        key = (*key, mode.nginx)
        if key not in self._started:
            front = nginx_server(self._folder, mode.nginx, behind)
            self._started[key] = self._stack.enter_context(front)
        return self._started[key]


def measure(rows: list[Row], folder: Path, body: bytes, rounds: int, seconds: int) -> None:
    """Fill the rows: everybody in each round, so that a noisy minute hits all alike."""
    with ExitStack() as stack:
        servers = Servers(folder, stack)
        targets = [_prepare(row, servers, body) for row in rows]
        for number in range(rounds):
            for row, target in zip(rows, targets, strict=True):
                if target is not None and not row.problem:
                    sys.stderr.write(f"round {number + 1}: {row.mode.name}, {row.configuration}\n")
                    _measure_once(row, target, seconds, folder)


def _prepare(row: Row, servers: Servers, body: bytes) -> Target | None:
    """Start what a row needs; what does not run stays in the table, with the reason."""
    try:
        target = _target(row.mode, servers.server_for(row.mode, row.configuration), body)
        target.prove()
    except (WrongAnswer, RuntimeError, KeyError, OSError) as error:
        row.problem = f"{type(error).__name__}: {error}"
        return None
    row.status = target.status
    # After a success, so that nothing which was remembered is given to somebody else.
    bare = Question(path=target.questions[0].path.partition("?")[0], headers={})
    row.stranger, _, _ = ask(target.server, bare)
    target.warm()
    return target


def _measure_once(row: Row, target: Target, seconds: int, folder: Path) -> None:
    try:
        row.rounds.append(target.run(seconds, folder))
        target.prove()
    except (WrongAnswer, OSError) as error:
        row.problem = f"{type(error).__name__}: {error}"


def _target(mode: Mode, server: Server, body: bytes) -> Target:
    headers = {"Cookie": server.cookie} if mode.has_cookie else {}
    questions = [Question(path=path, headers=headers) for path in server.addresses[mode.asks]]
    status: int = HTTPStatus.OK
    if mode.table.is_revisit:
        questions = [_asked_again(server, question) for question in questions]
        # Who sent no validators the first time has nothing to compare with, and sends it all again.
        status = HTTPStatus.NOT_MODIFIED if len(questions[0].headers) > len(headers) else status
    has_body = mode.has_body and status == HTTPStatus.OK
    return Target(
        server=server,
        questions=questions,
        status=status,
        body=body if has_body else b"",
        connections=GALLERY_CONNECTIONS if mode.table.is_gallery else CONNECTIONS,
    )


def _asked_again(server: Server, question: Question) -> Question:
    """Add the validators that the first answer came with, as a browser does."""
    _, _, sent = ask(server, question)
    names = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
    validators = {asked: sent[name] for name, asked in names.items() if name in sent}
    return Question(path=question.path, headers={**question.headers, **validators})
