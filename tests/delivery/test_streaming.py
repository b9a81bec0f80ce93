"""Streaming: whole, partial and refused, under WSGI and ASGI, in constant memory."""

from __future__ import annotations

import asyncio
import io
import os
from wsgiref.util import FileWrapper

import pytest
from django.core.files.base import ContentFile
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished
from django.http import HttpResponse
from django.test import AsyncRequestFactory, RequestFactory

from images_app.delivery import StreamingDelivery
from images_app.delivery.streaming import BLOCK_SIZE, SEND_PATH, BoundedFile
from images_app.exceptions import BytesGone
from images_app.representation import Location
from images_app.storages import PrivateFileSystemStorage

pytestmark = pytest.mark.usefixtures("database_left_alone")
ETAG = '"1-original"'
HEADERS = {"Content-Type": "image/png", "ETag": ETAG, "Cache-Control": "private, max-age=600"}
CONTENT = bytes(range(256)) * 1024  # four blocks
TOTAL = len(CONTENT)


class Watched(io.BytesIO):
    """A file that remembers how it was read."""

    def __init__(self, content=CONTENT):
        super().__init__(content)
        self.reads = []

    def read(self, size=-1):
        self.reads.append(size)
        return super().read(size)


class Answer:
    """What one client got."""

    def __init__(self, response, chunks, file):
        self.response, self.chunks, self.file = response, chunks, file
        self.status, self.headers = response.status_code, dict(response.headers)
        self.content = b"".join(chunks)


def opening(file, opened=None):
    """What Location wants: the file, standing at where the range starts."""

    def open_range(start, stop):
        if opened is not None:
            opened.append(file)
        file.seek(start)
        return file

    return open_range


def ask(server, method="GET", *, content=CONTENT, **headers):
    file = Watched(content)
    opened = []
    location = Location(length=len(content), open_range=opening(file, opened))
    factory = {"wsgi": RequestFactory, "asgi": AsyncRequestFactory}[server]()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = factory.generic(method, "/", headers=headers)
    response = StreamingDelivery().deliver(request, location, ETAG, HEADERS)
    chunks = asyncio.run(collect(response)) if server == "asgi" else list(response)
    response.close()
    assert len(opened) <= 1
    return Answer(response, chunks, opened[0] if opened else None)


async def collect(response):
    if not response.streaming:
        return [response.content]
    return [chunk async for chunk in response.streaming_content]


@pytest.fixture(params=["wsgi", "asgi"])
def server(request):
    return request.param


def test_get__is_whole(server):
    answer = ask(server)
    assert answer.status == 200
    assert answer.content == CONTENT
    assert answer.headers == {
        **HEADERS,
        "Accept-Ranges": "bytes",
        "Content-Length": str(TOTAL),
    }
    assert answer.file.closed


def test_get__leaves_the_given_headers_alone(server):
    before = dict(HEADERS)
    ask(server, Range="bytes=0-0")
    assert before == HEADERS


@pytest.mark.parametrize(
    ("value", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-99", 10, 100),
        (f"bytes={BLOCK_SIZE - 1}-{BLOCK_SIZE}", BLOCK_SIZE - 1, BLOCK_SIZE + 1),
        (f"bytes={BLOCK_SIZE}-", BLOCK_SIZE, TOTAL),
        ("bytes=-7", TOTAL - 7, TOTAL),
        ("bytes=5-999999999", 5, TOTAL),
    ],
)
def test_range__is_206_with_just_these_bytes(server, value, start, stop):
    answer = ask(server, Range=value)
    assert answer.status == 206
    assert answer.content == CONTENT[start:stop]
    assert answer.headers == {
        **HEADERS,
        "Accept-Ranges": "bytes",
        "Content-Length": str(stop - start),
        "Content-Range": f"bytes {start}-{stop - 1}/{TOTAL}",
    }
    assert answer.file.closed


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=0-1,5-6"},
        {"Range": "nonsense"},
        {"Range": "bytes=0-1", "If_Range": '"other"'},
        {"Range": "bytes=0-1", "If_Range": f"W/{ETAG}"},
    ],
)
def test_range__that_is_not_honoured_is_whole(server, headers):
    answer = ask(server, **headers)
    assert (answer.status, answer.content) == (200, CONTENT)
    assert "Content-Range" not in answer.headers


def test_range__with_the_same_etag_is_honoured(server):
    assert ask(server, Range="bytes=0-1", If_Range=ETAG).status == 206


@pytest.mark.parametrize("value", [f"bytes={TOTAL}-", "bytes=-0"])
def test_range__behind_the_end_is_416_and_opens_nothing(server, value):
    answer = ask(server, Range=value)
    assert answer.status == 416
    assert answer.headers["Content-Range"] == f"bytes */{TOTAL}"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers
    assert answer.file is None


@pytest.mark.parametrize("value", [None, "bytes=0-1", f"bytes={TOTAL}-"])
def test_head__is_as_get_without_a_body_and_ignores_ranges(server, value):
    answer = ask(server, "HEAD", **({"Range": value} if value else {}))
    assert (answer.status, answer.content) == (200, b"")
    assert answer.headers == {**HEADERS, "Accept-Ranges": "bytes", "Content-Length": str(TOTAL)}
    assert answer.file.closed
    assert answer.file.reads == []


@pytest.mark.parametrize(
    ("method", "value", "length", "asked"),
    [
        ("GET", None, TOTAL, (0, TOTAL)),
        ("GET", "bytes=5-9", TOTAL, (5, 10)),
        ("GET", "bytes=-7", TOTAL, (TOTAL - 7, TOTAL)),
        # An empty part, which no storage need ask for, would not tell whether the rest is there.
        ("HEAD", None, TOTAL, (0, 1)),
        ("HEAD", "bytes=5-9", TOTAL, (0, 1)),
        ("HEAD", None, 0, (0, 0)),
    ],
)
def test_storage__is_asked_for_no_more_than_is_sent(method, value, length, asked):
    parts = []

    def open_range(start, stop):
        parts.append((start, stop))
        return io.BytesIO()

    location = Location(length=length, open_range=open_range)
    request = RequestFactory().generic(method, "/", headers={"Range": value} if value else {})
    StreamingDelivery().deliver(request, location, ETAG, HEADERS).close()
    assert parts == [asked]


@pytest.mark.parametrize(
    ("method", "value", "status", "start", "stop"),
    [
        ("GET", None, 200, 0, TOTAL),
        ("GET", "bytes=5-9", 206, 5, 10),
        ("HEAD", None, 200, 0, TOTAL),
        ("HEAD", "bytes=5-9", 200, 0, TOTAL),
    ],
)
def test_in_memory__is_sent_by_the_same_rules(server, method, value, status, start, stop):
    location = Location(
        length=TOTAL,
        open_range=lambda start, stop: pytest.fail("at hand already"),
        in_memory=lambda: CONTENT,
    )
    factory = {"wsgi": RequestFactory, "asgi": AsyncRequestFactory}[server]()
    request = factory.generic(method, "/", headers={"Range": value} if value else {})
    response = StreamingDelivery().deliver(request, location, ETAG, HEADERS)
    more = {"Content-Range": f"bytes {start}-{stop - 1}/{TOTAL}"} if status == 206 else {}
    assert response.status_code == status
    assert response.content == (CONTENT[start:stop] if method == "GET" else b"")
    assert dict(response.headers) == {
        **HEADERS,
        "Accept-Ranges": "bytes",
        "Content-Length": str(stop - start),
        **more,
    }


def test_file__that_ends_too_early_breaks_the_answer_off(server, caplog):
    """Never padded, and never taken for the whole."""
    location = Location(
        length=TOTAL, open_range=lambda start, stop: io.BytesIO(CONTENT[:-1]), key="the image"
    )
    factory = {"wsgi": RequestFactory, "asgi": AsyncRequestFactory}[server]()
    response = StreamingDelivery().deliver(factory.get("/"), location, ETAG, HEADERS)
    with pytest.raises(OSError, match="too early"):
        asyncio.run(collect(response)) if server == "asgi" else list(response)
    assert "code=bytes_damaged key=the image" in caplog.text


def test_file__that_cannot_be_read_to_its_end_is_logged(server, caplog):
    class Broken(io.BytesIO):
        def read(self, size=-1):
            raise OSError("/secret")

    location = Location(length=TOTAL, open_range=lambda start, stop: Broken(), key="the image")
    factory = {"wsgi": RequestFactory, "asgi": AsyncRequestFactory}[server]()
    response = StreamingDelivery().deliver(factory.get("/"), location, ETAG, HEADERS)
    with pytest.raises(OSError, match="secret"):
        asyncio.run(collect(response)) if server == "asgi" else list(response)
    assert "code=bytes_broken_off key=the image" in caplog.text


def test_memory__is_one_block_at_most(server):
    answer = ask(server)
    assert max(len(chunk) for chunk in answer.chunks) == BLOCK_SIZE
    assert all(0 < size <= BLOCK_SIZE for size in answer.file.reads)
    assert len(answer.chunks) == TOTAL // BLOCK_SIZE


def test_memory__nothing_is_read_before_the_client_wants_it(server):
    file = Watched()
    location = Location(length=TOTAL, open_range=opening(file))
    factory = {"wsgi": RequestFactory, "asgi": AsyncRequestFactory}[server]()
    response = StreamingDelivery().deliver(factory.get("/"), location, ETAG, HEADERS)
    assert file.reads == []
    response.close()  # as when the client is gone already
    assert file.closed


def test_close__is_djangos_too(server):
    finished = []

    def note(**kwargs):
        finished.append(True)

    request_finished.connect(note)
    try:
        answer = ask(server)
    finally:
        request_finished.disconnect(note)
    assert answer.response.closed
    assert finished == [True]


class Folder:
    """As much of a storage as its files' paths need."""

    def __init__(self, root):
        self.root = root

    def path(self, name):
        return str(self.root / name)


@pytest.mark.parametrize("sends", [True, False])
@pytest.mark.parametrize(("value", "status"), [(None, 200), ("bytes=0-", 206), ("bytes=5-9", 206)])
def test_send_path__is_offered_whole_files_and_no_parts(tmp_path, sends, value, status):
    (tmp_path / "a.png").write_bytes(CONTENT)
    offered = []

    async def send_path(path, length):
        offered.append((path, length))
        return sends

    request = AsyncRequestFactory().get("/", headers={"Range": value} if value else {})
    request.scope[SEND_PATH] = send_path
    location = Location(
        length=TOTAL,
        open_range=opening((tmp_path / "a.png").open("rb")),
        storage=Folder(tmp_path),
        name="a.png",
    )
    response = StreamingDelivery().deliver(request, location, ETAG, HEADERS)
    content = b"".join(asyncio.run(collect(response)))
    response.close()
    assert response.status_code == status
    assert offered == ([(str(tmp_path / "a.png"), TOTAL)] if status == 200 else [])
    assert (content == b"") is (sends and status == 200)


def test_iterator__is_the_one_that_the_server_can_use(server):
    assert ask(server).response.is_async is (server == "asgi")


def test_failure__to_open_is_passed_on(server):
    def gone(start, stop):
        raise BytesGone

    location = Location(length=TOTAL, open_range=gone)
    factory = {"wsgi": RequestFactory, "asgi": AsyncRequestFactory}[server]()
    with pytest.raises(BytesGone):
        StreamingDelivery().deliver(factory.get("/"), location, ETAG, HEADERS)


@pytest.mark.parametrize("length", [0, 1, BLOCK_SIZE, BLOCK_SIZE + 1])
def test_lengths__around_a_block(server, length):
    answer = ask(server, content=CONTENT[:length])
    assert answer.content == CONTENT[:length]
    assert answer.headers["Content-Length"] == str(length)


class Descriptor:
    """A ``wsgi.file_wrapper`` as uWSGI's: sends all that the kernel has, from the first byte on."""

    def __init__(self, file, block_size):
        self.file, self.close = file, file.close

    def __iter__(self):
        file = self.file.fileno()
        yield os.pread(file, os.fstat(file).st_size, 0)


class Deciphering(io.BufferedReader):
    """A file whose bytes are not those that the kernel has."""

    def read(self, size=-1):
        """Read and decipher."""
        return bytes(byte ^ 1 for byte in super().read(size))


def sent_by(file_wrapper, monkeypatch, location, **headers):
    """The answer of Django's handler to a server, and its bytes."""

    def view(request):
        return StreamingDelivery().deliver(request, location, ETAG, HEADERS)

    handler = WSGIHandler()
    monkeypatch.setattr(handler, "get_response", view)
    environ = RequestFactory()._base_environ(**headers) | {"wsgi.file_wrapper": file_wrapper}
    answer = handler(environ, lambda status, headers: None)
    content = b"".join(answer)
    answer.close()
    return answer, content


def kernel_file(tmp_path, content=CONTENT, name="a.png"):
    path = tmp_path / name
    path.write_bytes(content)
    return path.open("rb")


@pytest.mark.parametrize("file_wrapper", [FileWrapper, Descriptor])
def test_wsgi_file_wrapper__sends_and_closes_without_end(monkeypatch, tmp_path, file_wrapper):
    # Django hands file_to_stream to the server's wrapper, having put response.close in the
    # place of the file's own: one that called the other would never come back.
    file = kernel_file(tmp_path)
    location = Location(length=TOTAL, open_range=opening(file))
    answer, content = sent_by(file_wrapper, monkeypatch, location)
    assert isinstance(answer, file_wrapper)
    assert content == CONTENT
    assert file.closed


@pytest.mark.parametrize("file_wrapper", [FileWrapper, Descriptor])
@pytest.mark.parametrize(("start", "stop"), [(0, 1), (3, 70000), (0, TOTAL - 1), (1, TOTAL)])
def test_wsgi_file_wrapper__is_not_given_a_range(monkeypatch, tmp_path, file_wrapper, start, stop):
    file = kernel_file(tmp_path)
    location = Location(length=TOTAL, open_range=opening(file))
    asked = f"bytes={start}-{stop - 1}"
    answer, content = sent_by(file_wrapper, monkeypatch, location, HTTP_RANGE=asked)
    assert content == CONTENT[start:stop]
    assert not isinstance(answer, file_wrapper)
    assert file.closed


@pytest.mark.parametrize("file_wrapper", [FileWrapper, Descriptor])
def test_wsgi_file_wrapper__is_given_only_what_the_kernel_has(monkeypatch, tmp_path, file_wrapper):
    """Not a file that has more than the record says, stands elsewhere, or is read otherwise."""
    longer = kernel_file(tmp_path, b"more" + CONTENT, "longer.png")
    longer.seek(4)
    behind = kernel_file(tmp_path, CONTENT + b"more", "behind.png")
    kernel_file(tmp_path).close()
    deciphering = Deciphering(io.FileIO(tmp_path / "a.png"))
    deciphered = bytes(byte ^ 1 for byte in CONTENT)
    for file, content in ((longer, CONTENT), (behind, CONTENT), (deciphering, deciphered)):
        location = Location(length=TOTAL, open_range=lambda start, stop, file=file: file)
        answer, sent = sent_by(file_wrapper, monkeypatch, location)
        assert sent == content
        assert not isinstance(answer, file_wrapper)
        assert file.closed


def test_wsgi_file_wrapper__is_given_files_as_storages_open_them(monkeypatch, tmp_path):
    storage = PrivateFileSystemStorage(tmp_path / "files")
    name = storage.save("a.png", ContentFile(CONTENT))
    location = Location(length=TOTAL, open_range=lambda start, stop: storage.open(name))
    answer, content = sent_by(Descriptor, monkeypatch, location)
    assert isinstance(answer, Descriptor)
    assert content == CONTENT


def test_range__is_read_in_blocks(monkeypatch):
    file = Watched()
    location = Location(length=TOTAL, open_range=opening(file))
    sent_by(FileWrapper, monkeypatch, location, HTTP_RANGE=f"bytes=1-{TOTAL}")
    assert set(file.reads) == {BLOCK_SIZE, BLOCK_SIZE - 1}


def test_bounded_file__stops_at_its_length():
    file = io.BytesIO(b"0123456789")
    file.seek(2)
    bounded = BoundedFile(file, 5)
    assert [bounded.read(2), bounded.read(2), bounded.read(2), bounded.read(2)] == [
        b"23",
        b"45",
        b"6",
        b"",
    ]
    assert bounded.tell() == 7


def test_bounded_file__read_all_is_bounded_too():
    file = io.BytesIO(b"0123456789")
    file.seek(2)
    assert BoundedFile(file, 5).read() == b"23456"


def test_bounded_file__of_nothing_wanted_nothing_is_read():
    bounded = BoundedFile(io.BytesIO(b"0123456789"), 5)
    assert [bounded.read(0), bounded.read(1), bounded.read(0), bounded.read(1)] == [
        b"",
        b"0",
        b"",
        b"1",
    ]


def test_bounded_file__a_file_shorter_than_its_record_is_an_error():
    bounded = BoundedFile(io.BytesIO(b"01"), 5)
    assert bounded.read(4) == b"01"
    with pytest.raises(OSError, match="too early"):
        bounded.read(4)


def test_bounded_file__seeks_and_closes_the_file():
    file = io.BytesIO(b"0123456789")
    bounded = BoundedFile(file, 5)
    bounded.seek(8)
    assert bounded.read(1) == b"8"
    bounded.close()
    assert file.closed


def test_bounded_file__has_a_fileno_only_where_the_file_has_one(tmp_path):
    class Remote:
        read = seek = tell = close = None

    assert not hasattr(BoundedFile(Remote(), 1), "fileno")
    with (tmp_path / "a").open("wb") as file:
        assert BoundedFile(file, 1).fileno() == file.fileno()


def test_head__is_no_stream():
    request = RequestFactory().head("/")
    location = Location(length=TOTAL, open_range=opening(Watched()))
    response = StreamingDelivery().deliver(request, location, ETAG, HEADERS)
    assert isinstance(response, HttpResponse)


@pytest.mark.parametrize("value", [None, "bytes=5-9"])
def test_replaced__is_what_a_server_with_a_file_wrapper_sends(value):
    request = RequestFactory().get("/", headers={"Range": value} if value else {})
    file = Watched()
    location = Location(length=TOTAL, open_range=opening(file))
    response = StreamingDelivery().deliver(request, location, ETAG, HEADERS)
    response.streaming_content = [b"other"]
    assert response.file_to_stream is None
    assert b"".join(response) == b"other"
    response.close()
    assert file.closed
