"""wrk: rounds of requests, and the proof before and after that it is the right bytes that leave."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.delivery.servers import Server, tool

_WARMING = 30  # requests
_MARK = "RESULT "
# A status that is not the expected one is counted only where there are many addresses: looking at
# each answer costs wrk time, and where there is one address, its length tells as much.
_SCRIPT = """\
local requests, expected, turn = {}, %(status)d, 0
unexpected = 0
local threads = {}
function setup(thread) table.insert(threads, thread) end
%(many)s
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %%d, "seconds": %%f, "p99": %%f, "bytes": %%d, "failed": %%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(99) / 1e3, summary.bytes,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
    + threads[1]:get("unexpected")))
end
"""
_MANY = """\
function init(args)
%(lines)s
end
function request()
  turn = turn %% #requests + 1
  return requests[turn]
end
function response(status)
  if status ~= expected then unexpected = unexpected + 1 end
end
"""


class WrongAnswer(Exception):
    """A server did not send what it should; its row cannot be believed."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One path, with the headers that go with it."""

    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Target:
    """What wrk asks, and what is right."""

    server: Server
    questions: Sequence[Question]
    status: int
    body: bytes
    connections: int

    def prove(self) -> None:
        """Ask everything once.

        Raises:
            WrongAnswer: where status or bytes are not as they should be.

        """
        for question in self.questions:
            status, body, _ = ask(self.server, question)
            if (status, body) != (self.status, self.body):
                message = (
                    f"{question.path} answered {status} with {len(body)} bytes, "
                    f"not {self.status} with our {len(self.body)}"
                )
                raise WrongAnswer(message)

    def warm(self) -> None:
        """Ask a few times, so that caches, connections and threads are there."""
        for number in range(_WARMING):
            ask(self.server, self.questions[number % len(self.questions)])

    def run(self, seconds: int, folder: Path) -> dict[str, float]:
        """Let wrk ask for some seconds; answer with requests per second and p99 in ms.

        Raises:
            WrongAnswer: when any answer was not the right one.

        """
        script = folder / "wrk.lua"
        script.write_text(self._script())
        command = [tool("wrk"), "-t1", f"-c{self.connections}", f"-d{seconds}", "-s", str(script)]
        command += ["--latency", "--timeout", "10"]
        if len(self.questions) == 1:
            pairs = self.questions[0].headers.items()
            command += [part for name, value in pairs for part in ("-H", f"{name}: {value}")]
        command.append(f"http://127.0.0.1:{self.server.port}{self.questions[0].path}")
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        result = json.loads(told.rpartition(_MARK)[2])
        if result["failed"] or result["bytes"] < result["requests"] * len(self.body):
            message = f"not every answer was right: {result}"
            raise WrongAnswer(message)
        rate = result["requests"] / result["seconds"]
        return {"requests_per_second": rate, "p99": result["p99"]}

    def _script(self) -> str:
        lines = "\n".join(map(_lua, self.questions))
        many = _MANY % {"lines": lines} if len(self.questions) > 1 else ""
        return _SCRIPT % {"status": self.status, "many": many}


def ask(server: Server, question: Question) -> tuple[int, bytes, Mapping[str, str]]:
    """Ask once, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", question.path, headers=dict(question.headers))
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


def _lua(question: Question) -> str:
    # JSON's strings are Lua's too, for what stands in paths and headers.
    headers = "".join(
        f"h[{json.dumps(name)}] = {json.dumps(value)} " for name, value in question.headers.items()
    )
    host = 'local h = {Host = wrk.headers["Host"]} '
    return (
        f"  do {host}{headers}"
        f'table.insert(requests, wrk.format("GET", {json.dumps(question.path)}, h)) end'
    )
