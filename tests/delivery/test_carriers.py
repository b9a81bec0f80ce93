"""One contract for all that carries bytes: from wherever they come, the answers are the same."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from contextlib import ExitStack, contextmanager
from email.message import Message
from wsgiref.util import FileWrapper

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, storages
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import AsyncRequestFactory, RequestFactory

from images_app import send_representation
from images_app.contrib.dbstorage.storage import CHUNK_SIZE, DatabaseStorage
from images_app.delivery.streaming import BLOCK_SIZE
from images_app.exceptions import BytesGone
from images_app.http import safe_filename
from images_app.renditions.stored import open_stored_range
from images_app.representation import Location, Representation
from images_app.storages import PrivateFileSystemStorage
from tests.parts import CORPUS, need
from tests.storages.s3server import s3_server

CONTENT = bytes(range(251)) * 1400  # several blocks, and more than a chunk of the database's
TOTAL = len(CONTENT)
FILENAMES = CORPUS.parent / "lists" / "hostile_filenames.txt"
PLAIN = Representation.from_bytes(
    CONTENT, content_type="image/png", filename="cat.png", max_age=600
)
ETAG = PLAIN.etag
HEADERS = {
    "Content-Type": "image/png",
    "ETag": ETAG,
    "Cache-Control": "private, max-age=600",
    "Vary": "Cookie",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Robots-Tag": "noindex",
    "Referrer-Policy": "same-origin",
    "Content-Disposition": 'inline; filename="cat.png"',
}
NOT_MODIFIED = {
    name: HEADERS[name] for name in HEADERS if name not in {"Content-Type", "Content-Disposition"}
}
REFUSED = {
    "Content-Type": "text/plain; charset=utf-8",
    "Cache-Control": "no-store",
    "Vary": "Cookie",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
close_if_unusable_or_obsolete = BaseDatabaseWrapper.close_if_unusable_or_obsolete


# Carriers


@contextmanager
def file_storage(request, folder):
    yield PrivateFileSystemStorage(folder / "files")


@contextmanager
def s3_storage(request, folder):
    with s3_server(folder / "s3") as endpoint:
        from images_app.storages.s3 import PrivateS3Storage

        yield PrivateS3Storage(**endpoint.options)


@contextmanager
def database_storage(request, folder):
    """Committed, for other threads to see."""
    request.getfixturevalue("django_db_setup")
    with request.getfixturevalue("django_db_blocker").unblock():
        yield DatabaseStorage(location="carriers")


@contextmanager
def plain_storage(request, folder):
    """Neither a path nor ranges."""
    storage = InMemoryStorage()
    assert not hasattr(storage, "open_range")
    yield storage


STORAGES = {
    "file": file_storage,
    "s3": s3_storage,
    "database": database_storage,
    "plain": plain_storage,
}


class Carrier:
    """A place where bytes are kept, and how often it was asked for them."""

    def __init__(self, storage=None):
        self.storage, self.opened = storage, []
        self.name = "" if storage is None else storage.save("ab/cat.png", ContentFile(CONTENT))

    def represent(self, name="", **fields):
        """The representation, of what is stored under the name."""
        representation = PLAIN
        if self.storage is not None:
            location = self.locate(name or self.name)
            representation = dataclasses.replace(PLAIN, locate=lambda: location)
        return dataclasses.replace(representation, **fields)

    def locate(self, name):
        def open_range(start, stop):
            self.opened.append((start, stop))
            return open_stored_range("carrier", name, start, stop)

        return Location(length=TOTAL, open_range=open_range, storage=self.storage, name=name)


@pytest.fixture(
    scope="module",
    params=["memory", "file", "s3", "plain", pytest.param("database", marks=pytest.mark.django_db)],
)
def kept(request, tmp_path_factory):
    """Set up once for all tests of one carrier."""
    if request.param == "memory":
        yield Carrier()
        return
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp(request.param)
        storage = stack.enter_context(STORAGES[request.param](request, folder))
        carrier = Carrier(storage)
        yield carrier
        storage.delete(carrier.name)


@pytest.fixture
def carrier(kept, monkeypatch):
    request_finished.disconnect(close_old_connections)
    request_started.disconnect(close_old_connections)
    request_started.disconnect(reset_queries)
    if isinstance(kept.storage, DatabaseStorage):
        # The threads that read have connections of their own, which they are to close.
        monkeypatch.setattr(
            BaseDatabaseWrapper, "close_if_unusable_or_obsolete", close_if_unusable_or_obsolete
        )
    monkeypatch.setitem(storages._storages, "carrier", kept.storage)
    kept.opened.clear()
    yield kept
    request_started.connect(reset_queries)
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


@pytest.fixture
def stored(carrier):
    """The carriers that have a storage."""
    if carrier.storage is None:
        pytest.skip("nothing is stored")
    return carrier


@pytest.fixture(params=[RequestFactory, AsyncRequestFactory], ids=["wsgi", "asgi"])
def factory(request):
    return request.param()


@pytest.fixture
def ask(factory, carrier):
    """Send a request; answers with the status, all headers and the whole body."""

    def send(method="GET", representation=None, **headers):
        response = respond(factory, representation or carrier.represent(), method, **headers)
        body = body_of(response)
        response.close()
        return response.status_code, dict(response.headers), body

    return send


def respond(factory, representation, method="GET", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    response = send_representation(factory.generic(method, "/", headers=headers), representation)
    if response.streaming:  # by the other kind, Django would read all of it into memory
        assert response.is_async is isinstance(factory, AsyncRequestFactory)
    return response


def body_of(response):
    if not response.streaming:
        return response.content
    if response.is_async:
        return asyncio.run(joined(response.streaming_content))
    return b"".join(response.streaming_content)


async def joined(blocks):
    return b"".join([block async for block in blocks])


def whole(body=CONTENT):
    return 200, {**HEADERS, "Accept-Ranges": "bytes", "Content-Length": str(TOTAL)}, body


def part(start, stop):
    headers = {
        **HEADERS,
        "Accept-Ranges": "bytes",
        "Content-Length": str(stop - start),
        "Content-Range": f"bytes {start}-{stop - 1}/{TOTAL}",
    }
    return 206, headers, CONTENT[start:stop]


# The contract


def test_get__is_whole(ask):
    assert ask() == whole()


def test_head__is_as_get_without_a_body(ask, carrier):
    assert ask("HEAD") == whole(b"")
    assert ask("HEAD", Range="bytes=0-1") == whole(b"")
    assert all(stop - start <= 1 for start, stop in carrier.opened)


@pytest.mark.parametrize("tag", [ETAG, f"W/{ETAG}", f'"other", {ETAG}', f'W/"other",W/{ETAG}', "*"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_if_none_match__that_matches_is_304_and_asks_no_storage(ask, carrier, method, tag):
    assert ask(method, If_None_Match=tag) == (304, NOT_MODIFIED, b"")
    assert ask(method, If_None_Match=tag, Range="bytes=0-1") == (304, NOT_MODIFIED, b"")
    assert carrier.opened == []


@pytest.mark.parametrize("tag", ['"other"', f'"{ETAG.strip(chr(34))}x"', 'W/"other", "another"'])
def test_if_none_match__that_does_not_match_is_whole(ask, tag):
    assert ask(If_None_Match=tag) == whole()


@pytest.mark.parametrize("tag", ['"other"', f"W/{ETAG}", 'W/"other", "another"'])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_if_match__that_fails_is_412_and_asks_no_storage(ask, carrier, method, tag):
    status, headers, _body = ask(method, If_Match=tag)
    assert (status, headers) == (412, REFUSED)
    assert carrier.opened == []


@pytest.mark.parametrize("tag", [ETAG, f'"other", {ETAG}', "*"])
def test_if_match__that_holds_is_whole(ask, tag):
    assert ask(If_Match=tag) == whole()


@pytest.mark.parametrize(
    ("value", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=1000-1999", 1000, 2000),
        (f"bytes={BLOCK_SIZE - 1}-{BLOCK_SIZE}", BLOCK_SIZE - 1, BLOCK_SIZE + 1),
        (f"bytes=7-{3 * BLOCK_SIZE}", 7, 3 * BLOCK_SIZE + 1),
        (f"bytes={CHUNK_SIZE - 5}-{CHUNK_SIZE + 4}", CHUNK_SIZE - 5, CHUNK_SIZE + 5),
        (f"bytes={CHUNK_SIZE}-{CHUNK_SIZE}", CHUNK_SIZE, CHUNK_SIZE + 1),
        ("bytes=-7", TOTAL - 7, TOTAL),
        (f"bytes=-{TOTAL + 5}", 0, TOTAL),
        ("bytes=300000-", 300_000, TOTAL),
        (f"bytes={TOTAL - 1}-", TOTAL - 1, TOTAL),
        ("bytes=5-999999999", 5, TOTAL),
    ],
)
def test_range__is_206_with_just_these_bytes(ask, carrier, value, start, stop):
    assert ask(Range=value) == part(start, stop)
    assert carrier.opened in ([], [(start, stop)])


def test_if_range__decides_whether_a_part_will_do(ask):
    assert ask(Range="bytes=5-9", If_Range=ETAG) == part(5, 10)
    for other in ('"other"', f"W/{ETAG}", "Sat, 29 Oct 1994 19:43:31 GMT"):
        assert ask(Range="bytes=5-9", If_Range=other) == whole()
    assert ask(Range=f"bytes={TOTAL}-", If_Range='"other"') == whole()


@pytest.mark.parametrize("value", [f"bytes={TOTAL}-", f"bytes={TOTAL}-{TOTAL + 9}", "bytes=-0"])
def test_range__behind_the_end_is_416_and_opens_nothing(ask, carrier, value):
    status, headers, _body = ask(Range=value)
    assert (status, headers) == (416, {**REFUSED, "Content-Range": f"bytes */{TOTAL}"})
    assert carrier.opened == []


@pytest.mark.parametrize(
    "value",
    ["bytes=0-1,5-6", "bytes=0-1, -1", "nonsense", "bytes=9-5", "bytes=a-b", "lines=0-1", "bytes="],
)
def test_range__of_another_kind_is_whole(ask, value):
    assert ask(Range=value) == whole()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_method__other_than_get_and_head_is_405_and_asks_no_storage(ask, carrier, method):
    status, headers, _body = ask(method, Range="bytes=0-1", If_None_Match=ETAG)
    assert (status, headers) == (405, {**REFUSED, "Allow": "GET, HEAD"})
    assert carrier.opened == []


def test_client__that_leaves_early_leaves_nothing_open(factory, carrier):
    representation = carrier.represent()
    response = respond(factory, representation)
    if response.streaming and response.is_async:
        first = asyncio.run(first_of(response.streaming_content))
    else:
        first = next(iter(response))
    response.close()
    assert CONTENT.startswith(first)


async def first_of(blocks):
    return await anext(blocks)


@pytest.mark.parametrize(("start", "stop"), [(0, TOTAL), (5, CHUNK_SIZE + 5)])
def test_wsgi_file_wrapper__is_given_whole_files_only(carrier, start, stop):
    representation = carrier.represent()
    response = respond(RequestFactory(), representation, Range=f"bytes={start}-{stop - 1}")
    assert getattr(response, "file_to_stream", None) is None
    response.close()
    response = respond(RequestFactory(), representation)
    is_file = isinstance(carrier.storage, PrivateFileSystemStorage)
    assert (getattr(response, "file_to_stream", None) is not None) is is_file
    if is_file:
        wrapper = FileWrapper(response.file_to_stream, response.block_size)
        assert b"".join(wrapper) == CONTENT
    response.close()


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=5-9"}])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_bytes__that_are_missing_are_gone(ask, stored, caplog, method, headers):
    with pytest.raises(BytesGone):
        ask(method, stored.represent("no/such.png"), **headers)
    assert "code=bytes_gone storage=carrier" in caplog.text
    assert ask(If_None_Match=ETAG)[0] == 304  # no storage is asked


@pytest.mark.parametrize("is_attachment", [False, True], ids=["inline", "attachment"])
def test_disposition__comes_back_as_the_safe_name(ask, carrier, is_attachment):
    need("the list of hostile file names", is_there=FILENAMES.exists())
    names = FILENAMES.read_text(encoding="utf-8").split("\n")[:-1]
    assert len(names) > 30
    for name in names:
        representation = carrier.represent(filename=name, is_attachment=is_attachment)
        status, headers, body = ask(representation=representation, Range="bytes=0-0")
        value = headers.pop("Content-Disposition", "inline")
        expected = part(0, 1)
        del expected[1]["Content-Disposition"]
        assert (status, headers, body) == expected
        assert re.fullmatch(r"[\x20-\x7e]+", value), name
        kind, filename = parsed(value)
        assert kind == ("attachment" if is_attachment else "inline")
        assert (filename or "") == safe_filename(name)
        assert filename is None or not re.fullmatch(r"\.*|.*[/\\\x00-\x1f].*", filename)


def parsed(value):
    """Kind and file name of a Content-Disposition (RFC 6266), as Python's own parser reads it."""
    message = Message()
    message["Content-Disposition"] = value
    return message.get_content_disposition(), message.get_filename()
