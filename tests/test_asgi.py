"""PathSend: a path where the server takes it and the answer is a file; else nothing changes."""

from __future__ import annotations

import asyncio
import io

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponse
from django.middleware.gzip import GZipMiddleware

from images_app.asgi import EXTENSION, PathSend
from images_app.delivery import StreamingDelivery
from images_app.delivery.streaming import SEND_PATH
from images_app.exceptions import BytesGone
from images_app.representation import Location

pytestmark = pytest.mark.usefixtures("database_left_alone")
CONTENT = bytes(range(256)) * 1024  # four blocks
HEADERS = {"Content-Type": "image/png", "ETag": '"1-original"'}
OFFERED = {EXTENSION: {}, "tls": {}}


class Server:
    """One connection of an ASGI server, as strict as Granian: nothing may follow a path."""

    def __init__(self, method="GET", extensions=OFFERED, headers=()):
        self.messages = []
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": "/",
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
            "extensions": extensions,
        }

    def serve(self, application):
        asyncio.run(application(self.scope, self._receiver(), self.send))
        return self

    def _receiver(self):
        requests = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive():
            return requests.pop() if requests else await asyncio.Event().wait()

        return receive

    async def send(self, message):
        assert EXTENSION not in self.types
        self.messages.append(message)

    @property
    def types(self):
        return [message["type"] for message in self.messages]

    @property
    def status(self):
        return self.messages[0]["status"]

    @property
    def headers(self):
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self):
        assert EXTENSION not in self.types
        return b"".join(message.get("body", b"") for message in self.messages[1:])


class Folder:
    """As much of a storage as a delivery looks at."""

    def __init__(self, root):
        self.root = root

    def path(self, name):
        return str(self.root / name)


class Files:
    """A stored file, its location, and a Django that delivers it."""

    def __init__(self, root):
        self.path = root / "a.png"
        self.path.write_bytes(CONTENT)
        self.storage, self.open, self.opened = Folder(root), lambda: self.path.open("rb"), []
        self.length, self.in_memory = len(CONTENT), None

    def open_range(self, start, stop):
        file = self.open()
        file.seek(start)
        self.opened.append(file)
        return file

    def view(self, request):
        location = Location(
            length=self.length,
            open_range=self.open_range,
            storage=self.storage,
            name="a.png",
            in_memory=self.in_memory,
        )
        return StreamingDelivery().deliver(request, location, HEADERS["ETag"], HEADERS)

    def django(self, middleware=lambda view: view):
        handler = ASGIHandler()
        answer = middleware(self.view)

        async def get_response_async(request):
            response = answer(request)
            return await response if asyncio.iscoroutine(response) else response

        handler.get_response_async = get_response_async
        return handler


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


def test_whole_file__is_a_start_and_a_path(files):
    server = Server().serve(PathSend(files.django()))
    assert server.types == ["http.response.start", EXTENSION]
    assert server.messages[1] == {"type": EXTENSION, "path": str(files.path)}
    assert server.status == 200
    assert server.headers == {
        **HEADERS,
        "Accept-Ranges": "bytes",
        "Content-Length": str(len(CONTENT)),
    }
    assert files.opened[0].closed


def test_two_wrappers__are_as_one(files):
    server = Server().serve(PathSend(PathSend(files.django())))
    assert server.types == ["http.response.start", EXTENSION]


@pytest.mark.parametrize("extensions", [None, {}, {"http.response.zerocopysend": {}}])
def test_server__that_offers_nothing_gets_a_stream(files, extensions):
    server = Server(extensions=extensions).serve(PathSend(files.django()))
    assert (server.status, server.body) == (200, CONTENT)


def test_server__whose_scope_has_no_extensions_gets_a_stream(files):
    server = Server()
    del server.scope["extensions"]
    assert server.serve(PathSend(files.django())).body == CONTENT


def test_no_wrapper__is_a_stream(files):
    assert Server().serve(files.django()).body == CONTENT


@pytest.mark.parametrize("kind", ["lifespan", "websocket", "http"])
def test_other_connections__pass_through_untouched(kind):
    async def application(*arguments):
        seen.append(arguments)

    seen, arguments = [], ({"type": kind}, object(), object())
    asyncio.run(PathSend(application)(*arguments))
    assert [a is b for a, b in zip(seen[0], arguments, strict=True)] == [True] * 3


def test_scope__of_the_server_is_left_alone(files):
    server = Server()
    before = dict(server.scope)
    server.serve(PathSend(files.django()))
    assert server.scope == before


@pytest.mark.parametrize(
    ("method", "headers", "status", "body"),
    [
        ("HEAD", [], 200, b""),
        ("GET", [("Range", "bytes=5-70000")], 206, CONTENT[5:70001]),
        ("GET", [("Range", f"bytes=0-{len(CONTENT) - 1}")], 206, CONTENT),
        ("GET", [("Range", "bytes=999999-")], 416, b"Range not satisfiable."),
    ],
)
def test_other_answers__send_no_path(files, method, headers, status, body):
    server = Server(method, headers=headers).serve(PathSend(files.django()))
    assert (server.status, server.body) == (status, body)


def test_answer__of_another_view_is_unchanged(files):
    files.view = lambda request: HttpResponse("ok", headers={"X-Other": "kept"})
    server = Server().serve(PathSend(files.django()))
    assert (server.body, server.headers["X-Other"]) == (b"ok", "kept")


def bytes_in_memory(files):
    files.in_memory = lambda: CONTENT


def no_storage(files):
    files.storage = None


def storage_without_paths(files):
    def refuse(name):
        raise NotImplementedError

    files.storage.path = refuse


def path_of_nothing(files):
    files.storage.path = lambda name: str(files.path) + ".gone"


def path_that_is_refused(files):
    files.storage.path = lambda name: "a\0b"


def path_of_other_bytes(files):
    other = files.path.with_name("other")
    other.write_bytes(bytes(len(CONTENT)))
    files.storage.path = lambda name: str(other)


def decrypted_while_reading(files):
    files.open = lambda: io.BytesIO(CONTENT)


@pytest.mark.parametrize(
    "change",
    [
        bytes_in_memory,
        no_storage,
        storage_without_paths,
        path_of_nothing,
        path_that_is_refused,
        path_of_other_bytes,
        decrypted_while_reading,
    ],
)
def test_bytes__without_a_path_of_their_own_are_sent_as_bytes(files, change):
    change(files)
    server = Server().serve(PathSend(files.django()))
    assert (server.status, server.body) == (200, CONTENT)


def test_file__that_is_longer_than_its_record_is_streamed_to_the_length(files):
    files.length = 1000
    server = Server().serve(PathSend(files.django()))
    assert (server.body, server.headers["Content-Length"]) == (CONTENT[:1000], "1000")


def test_missing_bytes__are_told_before_anything_is_sent(files):
    def open_range(start, stop):
        raise BytesGone

    def middleware(view):
        def answer(request):
            try:
                return view(request)
            except BytesGone:
                return HttpResponse(status=410)

        return answer

    files.open_range = open_range  # the file is there, but who opens says that it is not
    server = Server().serve(PathSend(files.django(middleware)))
    assert (server.status, server.body) == (410, b"")


def test_client__cannot_ask_for_a_path(files):
    headers = [(SEND_PATH, "/etc/passwd"), (EXTENSION, "/etc/passwd"), ("path", "/etc/passwd")]
    server = Server(headers=headers).serve(PathSend(files.django()))
    assert server.messages[1]["path"] == str(files.path)
    files.view = lambda request: HttpResponse("ok", headers={SEND_PATH: "/etc/passwd"})
    server = Server(headers=headers).serve(PathSend(files.django()))
    assert server.body == b"ok"


def test_gzip__leaves_the_path_to_the_server(files):
    server = Server(headers=[("Accept-Encoding", "gzip")])
    server.serve(PathSend(files.django(GZipMiddleware)))
    assert server.types == ["http.response.start", EXTENSION]
    assert "Content-Encoding" not in server.headers


def test_replaced__is_a_stream_of_what_took_its_place(files):
    def middleware(view):
        def answer(request):
            response = view(request)
            blocks = response.streaming_content
            response.streaming_content = (block.swapcase() async for block in blocks)
            return response

        return answer

    server = Server().serve(PathSend(files.django(middleware)))
    assert server.headers["Content-Length"] == str(len(CONTENT))
    assert server.body == CONTENT.swapcase()


def with_status(response):
    response.status_code = 203


def without_length(response):
    del response.headers["Content-Length"]


def with_another_length(response):
    response.headers["Content-Length"] = "7"


def with_an_encoding(response):
    response.headers["Content-Encoding"] = "identity"


@pytest.mark.parametrize(
    "change", [with_status, without_length, with_another_length, with_an_encoding]
)
def test_answer__that_was_changed_on_its_way_is_streamed(files, change):
    def middleware(view):
        def answer(request):
            response = view(request)
            change(response)
            return response

        return answer

    assert Server().serve(PathSend(files.django(middleware))).body == CONTENT


def test_answer__that_was_read_on_its_way_has_all_bytes(files):
    def middleware(view):
        async def answer(request):
            response = view(request)
            content = b"".join([block async for block in response.streaming_content])
            response.close()
            return HttpResponse(content[::-1])

        return answer

    assert Server().serve(PathSend(files.django(middleware))).body == CONTENT[::-1]
