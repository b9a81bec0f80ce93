"""The S3 storage: one request for a range and no more bytes; nothing public, nothing hanging."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.core.files.base import ContentFile

from tests.storages.s3server import s3_server

if not os.environ.get("CI"):
    pytest.importorskip("storages.backends.s3")
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    FlexibleChecksumError,
    ReadTimeoutError,
)

from images_app.storages.objects import LONGEST_SIGNATURE
from images_app.storages.s3 import PrivateS3Storage

CONTENT = bytes(range(251)) * 3000
TOTAL = len(CONTENT)
SIGNED = {"expires_in": 60, "content_type": "", "disposition": "", "cache_control": ""}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    with s3_server(tmp_path_factory.mktemp("s3") / "data") as endpoint:
        yield endpoint


@pytest.fixture
def make(endpoint):
    """Storages on the server; each remembers its requests."""

    clients = []

    def storage(**options):
        made = PrivateS3Storage(**{**endpoint.options, **options})
        clients.append(made.connection.meta.client)
        return watched(made)

    yield storage
    for client in clients:  # or their sockets warn whenever they happen to be collected
        client.close()


def watched(storage):
    storage.asked = []
    events = storage.connection.meta.client.meta.events

    def remember(request, **kwargs):
        given = {name.lower(): value for name, value in request.headers.items()}
        storage.asked.append((request.method, given))

    events.register("before-send.s3", remember)
    return storage


def methods(storage):
    return [method for method, headers in storage.asked]


@pytest.fixture
def stored(make):
    """A storage and the name of an object in it, with nothing asked yet."""
    storage = make()
    name = storage.save("a/b.png", ContentFile(CONTENT))
    storage.asked.clear()
    return storage, name


class Server(ThreadingHTTPServer):
    """Answers to every GET with what a test wants, however wrong."""

    daemon_threads = True

    def __init__(self, answer):
        self.answer, self.client_left = answer, threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            self.server.answer(self)
        except OSError:
            self.server.client_left.set()

    def log_message(self, *args):
        pass


@contextmanager
def serving(answer, **options):
    """A storage on a server that answers GET as told."""
    with Server(answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            storage = PrivateS3Storage(
                bucket_name="b",
                access_key="a",
                secret_key="s",
                region_name="us-east-1",
                endpoint_url=f"http://127.0.0.1:{server.server_port}",
                **{"max_attempts": 1, **options},
            )
            storage.server = server
            yield watched(storage)
        finally:
            server.shutdown()
            thread.join()


def send(handler, status, body, **headers):
    handler.send_response(status)
    for name, value in {"Content_Length": len(body), **headers}.items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.write(body)


def without_end(handler):
    send(handler, 206, b"", Content_Length=2**40, Content_Range=f"bytes 0-{2**40 - 1}/{2**40}")
    while True:
        handler.wfile.write(bytes(2**20))


def read_to_the_end(file):
    while file.read(4):
        pass


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bucket_name": ""}, "bucket_name"),
        ({"querystring_auth": False}, "querystring_auth"),
        ({"custom_domain": "images.example.com"}, "custom_domain"),
        ({"gzip": True}, "gzip"),
        ({"default_acl": "public-read"}, "ACL"),
        ({"object_parameters": {"ACL": "authenticated-read"}}, "ACL"),
        ({"no_such_option": 1}, "no_such_option"),
    ],
)
def test_options__that_would_open_it_are_refused(options, message):
    with pytest.raises(ImproperlyConfigured, match=message):
        PrivateS3Storage(**{"bucket_name": "b", **options})


def test_settings__of_public_media_are_not_taken_over(settings):
    settings.AWS_STORAGE_BUCKET_NAME = "public"
    settings.AWS_S3_CUSTOM_DOMAIN = "cdn.example.com"
    settings.AWS_DEFAULT_ACL = "public-read"
    settings.AWS_QUERYSTRING_AUTH = False
    settings.AWS_LOCATION = "media"
    settings.AWS_S3_FILE_OVERWRITE = True
    settings.AWS_S3_ACCESS_KEY_ID = "key"
    with pytest.raises(ImproperlyConfigured, match="bucket_name"):
        PrivateS3Storage()
    storage = PrivateS3Storage(bucket_name="private")
    assert (storage.custom_domain, storage.default_acl, storage.location) == (None, None, "")
    assert (storage.querystring_auth, storage.file_overwrite) == (True, False)
    assert (storage.bucket_name, storage.access_key) == ("private", "key")


def test_client__has_timeouts_and_few_attempts():
    config = PrivateS3Storage(bucket_name="b").client_config
    assert (config.connect_timeout, config.read_timeout) == (5, 20)
    assert config.retries == {"total_max_attempts": 3, "mode": "standard"}
    assert config.signature_version == "s3v4"


def test_client__a_given_config_wins_and_the_rest_stays():
    config = PrivateS3Storage(
        bucket_name="b", client_config=Config(read_timeout=7), connect_timeout=1
    ).client_config
    assert (config.read_timeout, config.connect_timeout) == (7, 1)
    assert config.signature_version == "s3v4"


def test_client__is_one_for_all_threads(make):
    storage = make()
    with ThreadPoolExecutor(2) as pool:
        clients = pool.map(lambda _: storage.connection.meta.client, range(2))
    assert set(clients) == {storage.connection.meta.client}


def test_module__is_imported_by_those_who_name_it_only():
    code = "import sys, images_app.storages; sys.exit('storages' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Saving


def test_save__never_overwrites(make):
    storage = make()
    first = storage.save("once.png", ContentFile(b"first"))
    second = storage.save("once.png", ContentFile(b"second"))
    assert (first, second != first) == ("once.png", True)
    with closing(storage.open_range(first, 0, 5)) as file:
        assert file.read() == b"first"


def test_save__replaces_in_one_request_where_allowed(make):
    storage = make(allow_overwrite=True)
    for content in (b"first", b"second"):
        assert storage.save("r/1/f.webp", ContentFile(content)) == "r/1/f.webp"
    assert methods(storage) == ["PUT", "PUT"]
    assert storage.size("r/1/f.webp") == 6


@pytest.mark.parametrize(
    ("option", "expected", "condition"),
    [(None, ["HEAD", "PUT"], "*"), (True, ["PUT"], "*"), (False, ["HEAD", "PUT"], None)],
)
def test_save__relies_on_the_condition_where_it_is_honoured(make, option, expected, condition):
    storage = make(conditional_puts=option)
    storage.save(f"condition/{option}.png", ContentFile(b"x"))
    assert methods(storage) == expected
    found = storage.asked[-1][1].get("if-none-match")
    assert (found.decode() if isinstance(found, bytes) else found) == condition


@pytest.mark.parametrize("status", [409, 412])
def test_save__refused_by_the_server_takes_another_name(make, monkeypatch, status):
    storage = make(conditional_puts=True)
    client = storage.connection.meta.client
    put, refusals = client.put_object, [status]

    def refuse_once(**parameters):
        if refusals:
            answer = {"HTTPStatusCode": refusals.pop()}
            raise ClientError({"Error": {}, "ResponseMetadata": answer}, "PutObject")
        return put(**parameters)

    monkeypatch.setattr(client, "put_object", refuse_once)
    name = storage.save(f"refused{status}.png", ContentFile(b"second"))
    assert name != f"refused{status}.png"
    assert storage.size(name) == 6


def test_save__to_aws_asks_nothing_first():
    assert not PrivateS3Storage(bucket_name="b")._asks_first


def test_save__asks_for_no_acl(make):
    storage = make()
    storage.save("acl.png", ContentFile(b"x"))
    assert all("x-amz-acl" not in headers for _method, headers in storage.asked)


# Reading


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, 1), (10, 99), (65_535, 65_537), (TOTAL - 1, TOTAL), (0, TOTAL)],
)
def test_open_range__is_one_request_for_just_these_bytes(stored, start, stop):
    storage, name = stored
    with closing(storage.open_range(name, start, stop)) as file:
        assert file.read(7) + file.read() == CONTENT[start:stop]
        assert file.read(1) == b""
    (asked,) = storage.asked
    assert (asked[0], asked[1]["range"]) == ("GET", f"bytes={start}-{stop - 1}".encode())


def test_open_range__fetches_no_more_than_was_asked_for(stored):
    storage, name = stored
    lengths = []
    events = storage.connection.meta.client.meta.events
    events.register(
        "after-call.s3.GetObject", lambda parsed, **kwargs: lengths.append(parsed["ContentLength"])
    )
    storage.open_range(name, 100, 300).close()
    assert lengths == [200]


def test_open_range__of_nothing_is_one_cheap_request(make):
    storage = make()
    name = storage.save("empty.png", ContentFile(b""))
    storage.asked.clear()
    with closing(storage.open_range(name, 0, 0)) as file:
        assert file.read() == b""
    assert methods(storage) == ["HEAD"]


def test_open_range__has_no_more_than_servers_may_believe_in(stored):
    storage, name = stored
    with closing(storage.open_range(name, 0, 10)) as file:
        assert not any(hasattr(file, method) for method in ("fileno", "seek", "tell"))


def test_open_range__closed_half_read_ends_the_connection():
    with serving(without_end) as storage:
        file = storage.open_range("a", 0, 2**40)
        assert file.read(10) == bytes(10)
        assert not storage.server.client_left.is_set()
        file.close()
        assert storage.server.client_left.wait(10)


def test_open_range__read_to_its_end_keeps_the_connection(stored):
    storage, name = stored
    connections = set()
    for _ in range(3):
        file = storage.open_range(name, 0, 10)
        connections.add(file._body._raw_stream.connection)
        assert len(file.read(10)) == 10  # exactly, as BoundedFile does
        file.close()
    assert len(connections) == 1


def test_open_range__other_bytes_than_asked_for_are_an_error():
    with serving(without_end) as storage:
        with pytest.raises(OSError, match="Range") as refused:
            storage.open_range("a", 5, 10)
        assert storage.server.client_left.wait(10)
        assert refused.tb is not None  # what it refers to is not merely collected


def test_open_range__a_body_cut_short_is_an_error():
    cut = {"Content_Length": 10, "Content_Range": "bytes 0-9/10"}
    with serving(lambda handler: send(handler, 206, b"half", **cut)) as storage:
        file = storage.open_range("a", 0, 10)
        with closing(file), pytest.raises(BotoCoreError):
            read_to_the_end(file)


def test_open_range__a_server_that_stalls_is_given_up():
    done = threading.Event()
    with serving(lambda handler: done.wait(10), read_timeout=0.2) as storage:
        started = time.monotonic()
        with pytest.raises(ReadTimeoutError):
            storage.open_range("a", 0, 10)
        done.set()
    assert time.monotonic() - started < 5


def test_open__is_one_request_and_can_seek(stored):
    storage, name = stored
    with storage.open(name) as file:
        assert file.read() == CONTENT
        file.seek(5)
        assert file.read(2) == CONTENT[5:7]
        assert file.size == TOTAL
    assert methods(storage) == ["GET"]


def test_open__keeps_what_is_large_on_disk(make):
    storage = make(max_memory_size=1000)
    name = storage.save("large.png", ContentFile(CONTENT))
    with storage.open(name) as file:
        assert file.file._rolled
        assert file.read() == CONTENT


def test_open__checks_what_has_a_checksum():
    def damaged(handler):
        assert handler.headers["x-amz-checksum-mode"] == "ENABLED"
        send(handler, 200, CONTENT, x_amz_checksum_crc32="AAAAAA==")

    with serving(damaged) as storage, pytest.raises(FlexibleChecksumError):
        storage.open("a")


@pytest.mark.parametrize("mode", ["wb", "r", "rb+"])
def test_open__is_for_reading_bytes_only(make, mode):
    with pytest.raises(ValueError, match="rb"):
        make().open("a", mode)


READERS = {
    "size": lambda storage, name: storage.size(name),
    "open": lambda storage, name: storage.open(name),
    "open_range": lambda storage, name: storage.open_range(name, 0, 10),
    "open_range of nothing": lambda storage, name: storage.open_range(name, 0, 0),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_absent__is_file_not_found_after_one_request(make, read):
    storage = make()
    with pytest.raises(FileNotFoundError):
        read(storage, "no/such.png")
    assert len(storage.asked) == 1


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_failure__to_be_let_in_is_passed_on(make, read):
    with pytest.raises(ClientError):
        read(make(secret_key="wrong"), "a/b.png")


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_failure__to_connect_is_passed_on_after_the_attempts(make, read):
    storage = make(endpoint_url="http://127.0.0.1:9", max_attempts=2)
    with pytest.raises(EndpointConnectionError):
        read(storage, "a/b.png")
    assert len(storage.asked) == 2


def test_failure__a_missing_bucket_is_no_missing_object(make):
    storage = make(bucket_name="no-such-bucket")
    for read in (READERS["open"], READERS["open_range"]):
        with pytest.raises(ClientError, match="NoSuchBucket"):
            read(storage, "a/b.png")


def test_size__is_one_request(stored):
    storage, name = stored
    assert storage.size(name) == TOTAL
    assert methods(storage) == ["HEAD"]


def test_delete__of_what_is_absent_is_no_error(stored):
    storage, name = stored
    storage.delete(name)
    storage.delete(name)
    assert not storage.exists(name)


@pytest.mark.parametrize("location", ["", "below"])
@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "..", r"..\x.png"])
def test_names__that_lead_out_are_refused(make, location, name):
    storage = make(location=location)
    calls = [
        *READERS.values(),
        lambda storage, name: storage.save(name, ContentFile(b"x")),
        lambda storage, name: storage.exists(name),
        lambda storage, name: storage.delete(name),
        lambda storage, name: storage.listdir(name),
        lambda storage, name: storage.signed_url(name, **SIGNED),
    ]
    for call in calls:
        with pytest.raises(SuspiciousFileOperation):
            call(storage, name)
    assert storage.asked == []


# URLs


def test_url__is_refused(make):
    with pytest.raises(ValueError, match="private"):
        make().url("a/b.png")


def test_signed_url__answers_with_the_headers_that_were_asked_for(stored):
    storage, name = stored
    disposition = "attachment; filename*=utf-8''%C3%BC.png"
    url = storage.signed_url(
        name,
        expires_in=60,
        content_type="image/webp",
        disposition=disposition,
        cache_control="private, max-age=60",
    )
    assert storage.asked == []
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == CONTENT
        assert answer.headers["Content-Type"] == "image/webp"
        assert answer.headers["Content-Disposition"] == disposition
        assert answer.headers["Cache-Control"] == "private, max-age=60"
    assert "X-Amz-Expires=60&" in url


def test_signed_url__leaves_to_the_object_what_is_empty(stored):
    storage, name = stored
    assert "response-" not in storage.signed_url(name, **SIGNED)


def test_signed_url__altered_or_stripped_is_refused_by_the_server(stored):
    storage, name = stored
    url = storage.signed_url(name, **SIGNED)
    for wrong in (url.replace("a/b", "a/c"), url.partition("?")[0]):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(wrong, timeout=10)
        with refused.value as answer:
            assert answer.code in {400, 403}


@pytest.mark.parametrize("expires_in", [0, -1, LONGEST_SIGNATURE + 1])
def test_signed_url__lives_no_longer_than_s3_allows(make, expires_in):
    with pytest.raises(ValueError, match="lives"):
        make().signed_url("a", **{**SIGNED, "expires_in": expires_in})


@pytest.mark.parametrize("signature_version", [UNSIGNED, "s3"])
def test_signed_url__without_a_signature_is_not_given_out(make, signature_version):
    storage = make(client_config=Config(signature_version=signature_version))
    with pytest.raises(ValueError, match="X-Amz-Signature"):
        storage.signed_url("a", **SIGNED)
