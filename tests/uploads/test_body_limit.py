"""BodyLimit: under ASGI, no more of a body is received than may be."""

from __future__ import annotations

import asyncio
import json

import pytest
from django.core.handlers.asgi import ASGIHandler

from images_app.asgi import BodyLimit
from images_app.uploads import longest_body

pytestmark = pytest.mark.usefixtures("database_left_alone")


class Connection:
    """One connection of an ASGI server that sends a body in blocks."""

    def __init__(self, blocks=(), headers=(), scope_type="http"):
        self.scope = {
            "type": scope_type,
            "method": "POST",
            "path": "/nowhere",
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        }
        self.blocks, self.received, self.messages = list(blocks), 0, []

    def serve(self, application):
        asyncio.run(application(self.scope, self.receive, self.send))
        return self

    async def receive(self):
        if not self.blocks:
            return await asyncio.Event().wait()
        block = self.blocks.pop(0)
        self.received += len(block)
        return {"type": "http.request", "body": block, "more_body": bool(self.blocks)}

    async def send(self, message):
        self.messages.append(message)

    @property
    def status(self):
        return self.messages[0]["status"]

    @property
    def headers(self):
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self):
        return b"".join(message.get("body", b"") for message in self.messages[1:])


async def echo(scope, receive, send):
    """Answers with the length of the body; says nothing to who has gone."""
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message["body"])
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % length})


BLOCK = b"x" * 100


def is_refusal(connection):
    assert connection.headers["cache-control"] == "no-store"
    assert connection.headers["content-length"] == str(len(connection.body))
    assert json.loads(connection.body)["error"]["code"] == "too_large"
    return connection.status == 413 and len(connection.messages) == 2


@pytest.mark.parametrize("application", [echo, ASGIHandler()], ids=["plain", "django"])
def test_announced_length__is_refused_before_a_byte_is_read(application):
    connection = Connection([BLOCK] * 20, [("Content-Length", "2000")])
    assert is_refusal(connection.serve(BodyLimit(application, 1999)))
    assert connection.received == 0


@pytest.mark.parametrize("application", [echo, ASGIHandler()], ids=["plain", "django"])
@pytest.mark.parametrize("headers", [[], [("Content-Length", "5")], [("Content-Length", "x")]])
def test_body__that_gets_too_large_is_received_no_further(application, headers):
    connection = Connection([BLOCK] * 20, headers)
    assert is_refusal(connection.serve(BodyLimit(application, 950)))
    assert connection.received == 1000


def test_body__within_the_limit_passes():
    headers = [("Content-Length", "2000")]
    connection = Connection([BLOCK] * 20, headers).serve(BodyLimit(echo, 2000))
    assert (connection.status, connection.body) == (200, b"2000")


def test_default__is_one_image_and_a_little(settings):
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": 1000}
    limit = longest_body()
    too_much = Connection([b""], [("Content-Length", str(limit + 1))]).serve(BodyLimit(echo))
    assert too_much.status == 413
    enough = Connection([b"x" * limit], [("Content-Length", str(limit))]).serve(BodyLimit(echo))
    assert (enough.status, enough.body) == (200, b"%d" % limit)


def test_answer__that_has_begun_is_not_followed_by_another():
    async def hasty(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive())["type"] != "http.disconnect":
            pass
        await send({"type": "http.response.body", "body": b""})

    connection = Connection([BLOCK] * 20).serve(BodyLimit(hasty, 500))
    assert [message.get("status") for message in connection.messages] == [200, None]


def test_other_connections__pass_untouched():
    seen = []

    async def application(scope, receive, send):
        seen.append((scope["type"], receive, send))

    connection = Connection(scope_type="lifespan")
    connection.serve(BodyLimit(application, 1))
    assert seen == [("lifespan", connection.receive, connection.send)]
