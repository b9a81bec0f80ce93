"""One suite for every store of objects: S3, Google Cloud Storage and Azure Blob Storage."""

from __future__ import annotations

import io
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from importlib.util import find_spec
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.core.files.base import ContentFile, File

from images_app.ownership import Mark, _marks, _write
from images_app.storages import rename, save_exactly, stored_length
from tests.parts import need
from tests.storages.between import between, send
from tests.storages.cloudservers import BUCKET, azure_options, azure_server, google_server
from tests.storages.s3server import s3_server

CONTENT = bytes(range(251)) * 3000
TOTAL = len(CONTENT)
SIGNED = {"expires_in": 60, "content_type": "", "disposition": "", "cache_control": ""}
# The libraries themselves: django-storages asks for the naive time of the day, google reads an
# environment that is not ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:google"),
    # Azure's client leaves the connection of an answer that it tries again to the collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def s3(server, endpoint):
    from images_app.storages.s3 import PrivateS3Storage

    options = {**endpoint.options, "endpoint_url": server.url}
    return lambda **changed: PrivateS3Storage(**{**options, **changed})


def google(server):
    from google.auth.credentials import AnonymousCredentials

    from images_app.storages.gcs import PrivateGoogleCloudStorage

    options = {
        "bucket_name": BUCKET,
        "endpoint_url": server.url,
        "credentials": AnonymousCredentials(),
        "project_id": "none",
    }
    return lambda **changed: PrivateGoogleCloudStorage(**{**options, **changed})


def azure(server):
    from images_app.storages.azure import PrivateAzureStorage

    options = azure_options(server)
    return lambda **changed: PrivateAzureStorage(**{**options, **changed})


@pytest.fixture(scope="module", params=["s3", "google", "azure"])
def store(request, tmp_path_factory):
    """(which it is, the server, how a storage on it is made)"""
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        if request.param == "s3":
            endpoint = stack.enter_context(s3_server(folder / "data"))
            server = stack.enter_context(between(endpoint.url))
            make = s3(server, endpoint)
        elif request.param == "google":
            server = stack.enter_context(google_server(folder))
            make = google(server)
        else:
            server = stack.enter_context(azure_server(folder))
            make = azure(server)
            first = make()
            first.client.create_container()
            first.service_client.close()
        yield request.param, server, make


@pytest.fixture
def server(store):
    server = store[1]
    interfere = server.interfere
    server.asked.clear()
    server.sent.clear()
    yield server
    server.interfere = interfere


@pytest.fixture
def make(store, server):
    """Make a storage; its connections are closed at the end."""
    made = []

    def storage(**options):
        made.append(store[2](**options))
        return made[-1]

    yield storage
    for each in made:
        client = vars(each).get("_service_client") or vars(each).get("_client")
        if client is not None:
            client.close()


@pytest.fixture
def stored(make, server, request):
    """A storage and the name of an object in it, with nothing asked yet."""
    storage = make()
    name = storage.save(f"{request.node.name[:30].translate(PLAIN)}/b.png", ContentFile(CONTENT))
    server.asked.clear()
    server.sent.clear()
    return storage, name


PLAIN = str.maketrans(dict.fromkeys("[]-", "_"))


def content_of(storage, name):
    with storage.open(name) as file:
        return file.read()


def test_rename__keeps_the_bytes_and_replaces_what_is_there(stored):
    storage, name = stored
    new = f".images-app-quarantine/2026-01-01/{name}"
    storage.save(new, ContentFile(b"left by a run that was killed"))
    rename(storage, name, new)
    assert content_of(storage, new) == CONTENT
    assert not storage.exists(name)
    with pytest.raises(FileNotFoundError):
        rename(storage, name, new)
    assert content_of(storage, new) == CONTENT


def test_mark__is_written_listed_and_raised(make):
    storage = make(location="marked")
    first, second = (Mark(site=uuid4(), runs=runs) for runs in (0, 1))
    assert _marks(storage) == set()
    for mark in (first, second, second):
        _write(storage, mark)
    assert _marks(storage) == {first, second}
    storage.delete(first.name)
    assert _marks(storage) == {second}


def test_stored_length__is_known_from_a_range(stored, store):
    storage, name = stored
    with closing(storage.open_range(name, 5, 9)) as part:
        assert stored_length(part) == (None if store[0] == "azure" else TOTAL)


# What an operation costs: the methods of its requests. An S3 server that is not AWS is asked
# whether a name is taken, for some know nothing of If-None-Match.
COSTS = {
    "save": {"s3": ["HEAD", "PUT"], "google": ["POST"], "azure": ["PUT"]},
    "save anyway": {"s3": ["PUT"], "google": ["POST"], "azure": ["PUT"]},
    "open_range": {"s3": ["GET"], "google": ["GET"], "azure": ["GET"]},
    "open": {"s3": ["GET"], "google": ["GET"], "azure": ["GET"]},
    "size": {"s3": ["HEAD"], "google": ["GET"], "azure": ["HEAD"]},
    "exists": {"s3": ["HEAD"], "google": ["GET"], "azure": ["HEAD"]},
    "delete": {"s3": ["DELETE"], "google": ["DELETE"], "azure": ["DELETE"]},
    "signed_url": {"s3": [], "google": [], "azure": []},
}
OPERATIONS = {
    "save": lambda storage, name, make: storage.save("new.png", ContentFile(CONTENT)),
    "save anyway": lambda storage, name, make: make(allow_overwrite=True).save(
        "any.png", ContentFile(CONTENT)
    ),
    "open_range": lambda storage, name, make: storage.open_range(name, 10, 20).close(),
    "open": lambda storage, name, make: content_of(storage, name),
    "size": lambda storage, name, make: storage.size(name),
    "exists": lambda storage, name, make: storage.exists(name),
    "delete": lambda storage, name, make: storage.delete(name),
    "signed_url": lambda storage, name, make: storage.signed_url(name, **SIGNED),
}


@pytest.mark.parametrize("operation", COSTS)
def test_cost__is_one_request(store, stored, server, make, operation):
    if (store[0], operation) == ("google", "signed_url"):
        pytest.skip("nothing to sign with: see test_google_signed_url__is_signed")
    OPERATIONS[operation](*stored, make)
    assert server.methods == COSTS[operation][store[0]]


def test_save__comes_back(make):
    storage = make()
    for length in (1, 1000, TOTAL):
        name = storage.save(f"{length}/a.png", ContentFile(CONTENT[:length]))
        assert (name, storage.size(name)) == (f"{length}/a.png", length)
        assert content_of(storage, name) == CONTENT[:length]


def test_save__of_a_file_without_a_name_comes_back(make):
    # Before Django 6.1 such a file is false.
    storage = make()
    name = storage.save("nameless/a.png", File(io.BytesIO(CONTENT)))
    assert (storage.size(name), content_of(storage, name)) == (TOTAL, CONTENT)


def test_save__of_many_megabytes_comes_back(make):
    content = CONTENT * 15  # beyond what each library sends or fetches at once
    storage = make()
    name = storage.save("many/a.png", ContentFile(content))
    with closing(storage.open_range(name, 5, len(content))) as file:
        found = b"".join(iter(lambda: file.read(2**16), b""))
    assert found == content[5:]
    assert content_of(storage, name) == content


def test_save__reads_from_the_start_on(make):
    content = ContentFile(CONTENT)
    content.read(10)
    storage = make()
    assert content_of(storage, storage.save("start/a.png", content)) == CONTENT


def test_save__never_overwrites(make):
    storage = make()
    first = storage.save("once.png", ContentFile(b"first"))
    second = storage.save("once.png", ContentFile(b"second"))
    assert (first, second != first) == ("once.png", True)
    assert (content_of(storage, first), content_of(storage, second)) == (b"first", b"second")


def test_save__two_at_once_get_two_names(store, make):
    if store[0] == "s3":
        pytest.skip("rclone ignores If-None-Match: see test_s3")
    storage = make()
    start = threading.Barrier(8)

    def save(number):
        start.wait(10)
        return storage.save("race/a.png", ContentFile(b"%d" % number))

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(save, range(8)))
    if store[0] == "google":
        # Its precondition is judged before the emulator, so two may be let in.
        assert len(set(names)) > 1
        return
    assert len(set(names)) == 8
    assert [content_of(storage, name) for name in names] == [b"%d" % n for n in range(8)]


def test_save__gives_up_where_every_name_is_taken(make, monkeypatch):
    storage = make()
    monkeypatch.setattr(storage, "_put", lambda key, body, length: False)
    with pytest.raises(OSError, match="taking the name"):
        storage.save("taken.png", ContentFile(b"x"))


def test_save__replaces_where_allowed(make):
    storage = make(allow_overwrite=True)
    for content in (b"first", b"second"):
        assert storage.save("r/1/f.webp", ContentFile(content)) == "r/1/f.webp"
    assert content_of(storage, "r/1/f.webp") == b"second"


@pytest.mark.parametrize("allow_overwrite", [False, True])
def test_save_exactly__the_last_one_stands_alone(make, allow_overwrite):
    storage = make(allow_overwrite=allow_overwrite)
    folder = f"exactly{allow_overwrite}"
    for number in range(3):
        save_exactly(storage, f"{folder}/b.png", ContentFile(b"content %d" % number))
    assert storage.listdir(folder) == ([], ["b.png"])
    assert content_of(storage, f"{folder}/b.png") == b"content 2"


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, 1), (10, 99), (65_535, 65_537), (TOTAL - 1, TOTAL), (0, TOTAL)],
)
def test_open_range__is_just_these_bytes(stored, server, start, stop):
    storage, name = stored
    with closing(storage.open_range(name, start, stop)) as file:
        assert file.read(7) + file.read() == CONTENT[start:stop]
        assert file.read(1) == b""
    assert server.sent == [stop - start]


def test_open_range__has_no_more_than_servers_may_believe_in(stored):
    storage, name = stored
    with closing(storage.open_range(name, 0, 10)) as file:
        assert not any(hasattr(file, method) for method in ("fileno", "seek", "tell"))


def test_open_range__of_nothing_is_one_cheap_request(stored, server):
    storage, name = stored
    with closing(storage.open_range(name, 0, 0)) as file:
        assert file.read() == b""
    assert len(server.asked) == 1
    assert sum(server.sent) < 2000


def test_open__can_seek(stored):
    storage, name = stored
    with storage.open(name) as file:
        file.seek(5)
        assert file.read(2) == CONTENT[5:7]
        assert file.size == TOTAL


def test_open__keeps_what_is_large_on_disk(stored, make):
    with make(max_memory_size=1000).open(stored[1]) as file:
        assert file.file._rolled
        assert file.read() == CONTENT


READERS = {
    "size": lambda storage, name: storage.size(name),
    "open": lambda storage, name: storage.open(name),
    "open_range": lambda storage, name: storage.open_range(name, 0, 10),
    "open_range of nothing": lambda storage, name: storage.open_range(name, 0, 0),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_absent__is_file_not_found_after_one_request(make, server, read):
    with pytest.raises(FileNotFoundError):
        read(make(), "no/such.png")
    assert len(server.asked) == 1


def test_absent__does_not_exist_and_can_be_deleted(make):
    storage = make()
    assert not storage.exists("no/such.png")
    storage.delete("no/such.png")


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_failure__of_the_server_is_passed_on_after_a_few_attempts(make, server, store, read):
    bounds = {"retry_timeout": 2} if store[0] == "google" else {"max_attempts": 2}
    server.interfere = lambda handler, body: send(handler, 503)
    started = time.monotonic()
    with pytest.raises(Exception) as failed:  # noqa: PT011 (each library has its own)
        read(make(**bounds), "a/b.png")
    assert not isinstance(failed.value, FileNotFoundError)
    assert 2 <= len(server.asked) <= 5
    assert time.monotonic() - started < 10


def test_failure__that_passes_is_not_noticed(make, server, stored):
    _storage, name = stored
    failures = [1]

    def fail_once(handler, body):
        return bool(failures) and failures.pop() and send(handler, 503)

    server.interfere = fail_once
    with closing(make().open_range(name, 0, 10)) as file:
        assert file.read() == CONTENT[:10]


def test_failure__a_server_that_stalls_is_given_up(make, server, store):
    done = threading.Event()
    bounds = {"retry_timeout": 0.5} if store[0] == "google" else {"max_attempts": 1}
    server.interfere = lambda handler, body: done.wait(20)
    started = time.monotonic()
    try:
        with pytest.raises(Exception):  # noqa: B017, PT011
            make(read_timeout=0.2, **bounds).open_range("a", 0, 10)
    finally:
        done.set()
    assert time.monotonic() - started < 8


def test_failure__other_bytes_than_asked_for_are_an_error(make, server, store):
    server.interfere = lambda handler, body: send(
        handler, 206, bytes(10), Content_Range="bytes 0-9/20", ETag='"a"'
    )
    if store[0] == "azure":
        pytest.skip("the library trusts the answer's place")
    with pytest.raises(OSError, match="Range"):
        make().open_range("a", 5, 15)


def test_failure__a_missing_bucket_is_no_missing_object(make, server, store):
    if store[0] == "google":
        server.interfere = lambda handler, body: send(
            handler, 404, b"The specified bucket does not exist."
        )
    key = {"s3": "bucket_name", "google": "bucket_name", "azure": "azure_container"}[store[0]]
    storage = make(**{key: "no-such-bucket"})
    for read in (READERS["open"], READERS["open_range"]):
        with pytest.raises(Exception) as failed:  # noqa: PT011
            read(storage, "a/b.png")
        assert not isinstance(failed.value, FileNotFoundError)


@pytest.mark.parametrize("location", ["", "below"])
def test_listdir__answers_with_folders_and_files(make, location):
    storage = make(location=location)
    for name in ("list/a.png", "list/b/c.png", "list/b/d.png", "list/e/f/g.png"):
        storage.save(name, ContentFile(b"x"))
    assert storage.listdir("list") == (["b", "e"], ["a.png"])
    assert storage.listdir("list/b/") == ([], ["c.png", "d.png"])
    assert storage.listdir("nothing") == ([], [])
    assert "list" in storage.listdir("")[0]


@pytest.mark.parametrize("location", ["", "below"])
@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "..", r"..\x.png"])
def test_names__that_lead_out_are_refused(make, server, location, name):
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
    assert server.asked == []


def test_location__keeps_storages_apart(make):
    one, other = make(location="one"), make(location="other")
    name = one.save("apart.png", ContentFile(b"x"))
    assert one.exists(name)
    assert not other.exists(name)


def test_url__is_refused(make):
    with pytest.raises(ValueError, match="private"):
        make().url("a/b.png")


@pytest.mark.parametrize("expires_in", [0, -1, 7 * 24 * 3600 + 1])
def test_signed_url__lives_no_longer_than_allowed(make, expires_in):
    with pytest.raises(ValueError, match="lives"):
        make().signed_url("a", **{**SIGNED, "expires_in": expires_in})


def test_client__is_one_for_all_threads(make):
    storage = make()
    client = "connection" if hasattr(storage, "connection") else "client"

    def one(_):
        found = getattr(storage, client)
        return found.meta.client if client == "connection" else found

    first = one(0)
    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(one, range(2))) == {first}


# Each store's own


@pytest.fixture
def azure_store():
    need("azure-storage-blob", is_there=find_spec("azure.storage.blob") is not None)
    from images_app.storages.azure import PrivateAzureStorage

    return PrivateAzureStorage


@pytest.fixture
def google_store():
    need("google-cloud-storage", is_there=find_spec("google.cloud.storage") is not None)
    from images_app.storages.gcs import PrivateGoogleCloudStorage

    return PrivateGoogleCloudStorage


@pytest.mark.parametrize("store", ["azure"], indirect=True)
def test_azure_signed_url__answers_with_the_headers_that_were_asked_for(stored):
    storage, name = stored
    disposition = "attachment; filename*=utf-8''%C3%BC.png"
    url = storage.signed_url(
        name,
        expires_in=60,
        content_type="image/webp",
        disposition=disposition,
        cache_control="private, max-age=60",
    )
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == CONTENT
        assert answer.headers["Content-Type"] == "image/webp"
        assert answer.headers["Content-Disposition"] == disposition
        assert answer.headers["Cache-Control"] == "private, max-age=60"


@pytest.mark.parametrize("store", ["azure"], indirect=True)
def test_azure_signed_url__altered_or_stripped_is_refused_by_the_server(stored):
    storage, name = stored
    url = storage.signed_url(name, **SIGNED)
    for wrong in (url.replace("b.png", "c.png"), url.partition("?")[0]):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(wrong, timeout=10)
        with refused.value as answer:
            assert answer.code in {403, 404}


def test_azure_signed_url__needs_something_to_sign_with(azure_store):
    storage = azure_store(azure_container="c", account_name="a", sas_token="sig=secret")
    with pytest.raises(ValueError, match="no URL can be signed"):
        storage.signed_url("a.png", **SIGNED)


def test_azure_signed_url__holds_no_token_of_the_settings(azure_store):
    storage = azure_store(
        azure_container="c", account_name="a", sas_token="sig=secret", account_key="a2V5"
    )
    assert "secret" not in storage.signed_url("a.png", **SIGNED)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"azure_container": ""}, "azure_container"),
        ({"azure_ssl": False}, "azure_ssl"),
        ({"no_such_option": 1}, "no_such_option"),
    ],
)
def test_azure_options__that_would_open_it_are_refused(azure_store, options, message):
    with pytest.raises(ImproperlyConfigured, match=message):
        azure_store(**{"azure_container": "c", **options})


def test_azure_settings__of_public_media_are_not_taken_over(azure_store, settings):
    settings.AZURE_CONTAINER = "public"
    settings.AZURE_LOCATION = "media"
    settings.AZURE_OVERWRITE_FILES = True
    settings.AZURE_ACCOUNT_NAME = "account"
    with pytest.raises(ImproperlyConfigured, match="azure_container"):
        azure_store()
    storage = azure_store(azure_container="private")
    assert (storage.location, storage.overwrite_files, storage.account_name) == (
        *("", False),
        "account",
    )


def test_azure_client__has_timeouts_and_few_attempts(azure_store):
    storage = azure_store(azure_container="c", account_name="a", account_key="a2V5")
    pipeline = storage.service_client._config
    assert pipeline.retry_policy.total_retries == 2
    bounds = storage.service_client._pipeline._transport.connection_config
    assert (bounds.timeout, bounds.read_timeout) == (5, 20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bucket_name": ""}, "bucket_name"),
        ({"querystring_auth": False}, "querystring_auth"),
        ({"gzip": True}, "gzip"),
        ({"default_acl": "publicRead"}, "ACL"),
        ({"object_parameters": {"acl": "authenticatedRead"}}, "ACL"),
        ({"no_such_option": 1}, "no_such_option"),
    ],
)
def test_google_options__that_would_open_it_are_refused(google_store, options, message):
    with pytest.raises(ImproperlyConfigured, match=message):
        google_store(**{"bucket_name": "b", **options})


def test_google_settings__of_public_media_are_not_taken_over(google_store, settings):
    settings.GS_BUCKET_NAME = "public"
    settings.GS_DEFAULT_ACL = "publicRead"
    settings.GS_QUERYSTRING_AUTH = False
    settings.GS_LOCATION = "media"
    settings.GS_PROJECT_ID = "project"
    with pytest.raises(ImproperlyConfigured, match="bucket_name"):
        google_store()
    storage = google_store(bucket_name="private")
    assert (storage.default_acl, storage.querystring_auth, storage.location) == (None, True, "")
    assert (storage.file_overwrite, storage.project_id) == (False, "project")


def signing_credentials():
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from google.oauth2.service_account import Credentials

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Credentials.from_service_account_info(
        {
            "client_email": "images@example.iam",
            "private_key": key.decode(),
            "token_uri": "http://127.0.0.1:9",
        }
    )


def test_google_signed_url__is_signed_without_a_request(google_store):
    storage = google_store(
        bucket_name="b", credentials=signing_credentials(), project_id="p", location="below"
    )
    url = storage.signed_url(
        "a/b.png",
        expires_in=60,
        content_type="image/webp",
        disposition="inline",
        cache_control="private",
    )
    assert url.startswith("https://storage.googleapis.com/b/below/a/b.png?")
    for part in (
        "X-Goog-Expires=60&",
        "X-Goog-Signature=",
        "response-content-type=image%2Fwebp",
        "response-content-disposition=inline",
    ):
        assert part in url
