"""Handing over: what another server is told to send, and what it is never trusted with."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import quote

import pytest
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.test import RequestFactory

from images_app.delivery import NginxDelivery, RedirectDelivery, XSendfileDelivery
from images_app.exceptions import StorageUnavailable
from images_app.representation import Location, Representation
from images_app.storages import PrivateFileSystemStorage, open_range

ETAG = '"1-original"'
CONTENT = bytes(range(256))
HEADERS = {
    "Content-Type": "image/png",
    "Content-Disposition": 'inline; filename="a.png"',
    "ETag": ETAG,
    "Cache-Control": "private, max-age=600, immutable",
    "Vary": "Cookie",
    "X-Content-Type-Options": "nosniff",
}
NAME = "ab/what?%2e ü.png"


class Remote(Storage):
    """A storage without local paths."""

    def __init__(self):
        self.contents = {}

    def _save(self, name, content):
        self.contents[name] = content.read()
        return name

    def _open(self, name, mode="rb"):
        return ContentFile(self.contents[name])

    def exists(self, name):
        return name in self.contents


class Presigning(Remote):
    """An object store: URLs that are signed."""

    signed = 0

    def signed_url(self, name, *, expires_in, content_type, disposition, cache_control):
        Presigning.signed += 1
        self.asked = (expires_in, content_type, disposition, cache_control)
        return f"https://store.example/{quote(name)}?X-Amz-Signature={Presigning.signed}"


class Unsigned(Presigning):
    """An object store whose set-up lost its key."""

    def signed_url(self, name, **kwargs):
        return f"https://store.example/{quote(name)}?X-Amz-Signature="


@pytest.fixture(autouse=True)
def clean_cache(settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    caches["default"].clear()


@pytest.fixture
def local(tmp_path):
    """A file with a hard name in a folder with a hard name."""
    return located(PrivateFileSystemStorage(tmp_path / "x% y"))


def located(storage, name=NAME):
    storage.save(name, ContentFile(CONTENT))
    return Location(
        storage=storage,
        storage_alias="images",
        name=name,
        length=len(CONTENT),
        open_range=lambda start, stop: open_range(storage, name, start, stop),
    )


def deliver(delivery, location, method="GET", given=HEADERS, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = RequestFactory().generic(method, "/", headers=headers)
    response = delivery.deliver(request, location, ETAG, given)
    content = b"".join(response) if response.streaming else response.content
    response.close()
    return response, content


def test_nginx__is_told_a_quoted_internal_address(local):
    response, content = deliver(NginxDelivery(), local)
    _, told = response.headers.pop("X-Accel-Redirect")
    assert told == "/_images/images/ab/what%3F%252e%20%C3%BC.png"
    assert (response.status_code, content) == (200, b"")
    assert dict(response.headers) == HEADERS


def test_nginx__has_its_locations_where_it_is_told(local):
    response, _ = deliver(NginxDelivery(prefix="/inside/"), local)
    assert response["X-Accel-Redirect"].startswith("/inside/images/")


def test_xsendfile__names_the_file(local, tmp_path):
    plain = located(PrivateFileSystemStorage(tmp_path / "plain"), "ab/c.png")
    response, content = deliver(XSendfileDelivery(), plain)
    _, told = response.headers.pop("X-Sendfile")
    assert told == f"{tmp_path}/plain/ab/c.png"
    assert (content, dict(response.headers)) == (b"", HEADERS)
    response, _ = deliver(XSendfileDelivery(header="X-LIGHTTPD-send-file"), plain)
    assert "X-LIGHTTPD-send-file" in response
    # What servers would read in two ways is sent by Django.
    response, content = deliver(XSendfileDelivery(), local)
    assert (content, "X-Sendfile" in response) == (CONTENT, False)


@pytest.mark.parametrize("delivery", [NginxDelivery(), XSendfileDelivery()])
def test_local__a_plain_request_is_handed_over(delivery, tmp_path):
    plain = located(PrivateFileSystemStorage(tmp_path), "ab/c.png")
    for value in ("bytes=0-9", "bytes=250-", "bytes=-5"):
        assert deliver(delivery, plain, Range=value)[1] == b"", value
    for headers in ({}, {"If_None_Match": '"x"'}):
        assert deliver(delivery, plain, **headers)[1] == b"", headers


@pytest.mark.parametrize("delivery", [NginxDelivery(), XSendfileDelivery(), RedirectDelivery()])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Range": "bytes=0-1,4-5"}, 200),
        ({"Range": "bytes=9-2"}, 200),
        ({"Range": "nonsense"}, 200),
        ({"Range": "Bytes=0-9"}, 206),
        ({"Range": "bytes =0-9"}, 206),
        ({"Range": "bytes= 0-9"}, 206),
        ({"Range": "bytes=999-"}, 416),
        ({"Range": "bytes=0-9", "If_Range": ETAG}, 206),
        ({"If_Match": ETAG}, 200),
        ({"If_Unmodified_Since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 200),
    ],
)
def test_what_servers_judge_otherwise__is_djangos(delivery, headers, status, local):
    for location in (local, located(Presigning())):
        response, content = deliver(delivery, location, **headers)
        assert response.status_code == status
        assert content
        assert not {"X-Accel-Redirect", "X-Sendfile", "Location"} & set(response.headers)


@pytest.mark.parametrize("delivery", [NginxDelivery(), XSendfileDelivery(), RedirectDelivery()])
def test_bytes_in_memory__are_djangos(delivery):
    made = Representation.from_bytes(CONTENT, content_type="image/png", filename="a.png")
    response, content = deliver(delivery, made.locate())
    assert (response.status_code, content) == (200, CONTENT)


@pytest.mark.parametrize("delivery", [NginxDelivery(), XSendfileDelivery()])
def test_local_file__that_is_not_there_is_left_to_who_heals_it(delivery, local):
    Path(local.storage.path(NAME)).unlink()
    with pytest.raises(FileNotFoundError):
        deliver(delivery, local)


def test_redirect__leads_to_a_url_that_passes_everything_along():
    location = located(Presigning())
    response, content = deliver(RedirectDelivery(), location)
    assert (response.status_code, content) == (302, b"")
    assert response["Location"].startswith("https://store.example/")
    expires_in, *passed = location.storage.asked
    assert 150 <= expires_in <= 300
    assert passed == [
        "image/png",
        'inline; filename="a.png"',
        "private, max-age=150, immutable",
    ]
    assert response["Vary"] == "Cookie"
    assert "ETag" not in response
    assert "Content-Disposition" not in response


def test_redirect__is_the_same_within_a_window_and_kept_no_longer(monkeypatch):
    location, start = located(Presigning()), 1_800_000_000 // 150 * 150
    seen = []
    for second in (0, 60, 149, 149.5, 150):
        monkeypatch.setattr(time, "time", lambda second=second: start + second)
        response, _ = deliver(RedirectDelivery(), location)
        seen.append((response["Location"], response["Cache-Control"]))
    urls = [url for url, _ in seen]
    assert urls[0] == urls[1] == urls[2] == urls[3] != urls[4]
    assert [kept for _, kept in seen] == [
        "private, max-age=150, immutable",
        "private, max-age=90, immutable",
        "private, max-age=1, immutable",
        "private, max-age=0, immutable",
        "private, max-age=150, immutable",
    ]


def url_of(response):
    return response.get("Location") or response["X-Images-Upstream"]


each_presigning = pytest.mark.parametrize("kind", [NginxDelivery, RedirectDelivery])


@pytest.fixture
def clock(monkeypatch):
    """Moves the time to so many seconds after the start of a window."""

    def move(second):
        monkeypatch.setattr(time, "time", lambda: 1_800_000_000 + second)

    move(0)
    return move


@each_presigning
def test_presigned__url_is_signed_once_in_a_window_and_lives_one_more(kind, clock):
    location, delivery = located(Presigning()), kind()
    before = Presigning.signed
    urls = set()
    for second in (0, 70, 149):
        clock(second)
        urls.add(url_of(deliver(delivery, location)[0]))
    assert len(urls) == Presigning.signed - before == 1
    assert location.storage.asked[0] == 300


@each_presigning
def test_presigned__url_is_not_given_out_in_the_next_window(kind, clock):
    location, delivery = located(Presigning()), kind()
    clock(140)
    first = url_of(deliver(delivery, location)[0])
    clock(160)  # the cache, told to keep it for 150 seconds, has it still
    assert url_of(deliver(delivery, location)[0]) != first


@each_presigning
def test_presigned__url_is_kept_in_the_cache_that_was_named(kind, clock, settings):
    backend = "django.core.cache.backends"
    settings.CACHES = {
        "default": {"BACKEND": f"{backend}.dummy.DummyCache"},
        "shared": {"BACKEND": f"{backend}.locmem.LocMemCache", "LOCATION": "shared"},
    }
    location = located(Presigning())
    first, second = (url_of(deliver(kind(cache="shared"), location)[0]) for _ in range(2))
    assert first == second
    caches["shared"].clear()


@each_presigning
def test_presigned__url_is_kept_for_a_window_and_no_longer(kind, clock, monkeypatch):
    kept = []
    add = type(caches["default"]).add

    def noted(self, key, value, timeout=None, version=None):
        kept.append(timeout)
        return add(self, key, value, timeout, version)

    monkeypatch.setattr(type(caches["default"]), "add", noted)
    deliver(kind(lifetime=400), located(Presigning()))
    assert kept == [200]


@each_presigning
def test_presigned__url_of_who_was_faster_is_everybodys(kind, clock):
    location = located(Presigning())
    sign, others = location.storage.signed_url, []

    def slow(name, **wanted):
        location.storage.signed_url = sign
        others.append(url_of(deliver(kind(), location)[0]))  # another process, meanwhile
        return sign(name, **wanted)

    location.storage.signed_url = slow
    assert [url_of(deliver(kind(), location)[0])] == others


@each_presigning
def test_presigned__without_a_file_name_has_no_disposition(kind):
    location = located(Presigning())
    given = {name: value for name, value in HEADERS.items() if name != "Content-Disposition"}
    deliver(kind(), location, given=given)
    assert location.storage.asked[2] == ""


@pytest.mark.parametrize(
    ("query", "is_signed"),
    [
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=ab", True),
        ("AWSAccessKeyId=K&Signature=ab%3D&Expires=1800000300", True),
        ("Expires=1800000300&Signature=ab&Key-Pair-Id=K", True),
        ("X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Signature=ab", True),
        ("sv=2024-11-04&se=2027-01-15T08%3A00%3A00Z&sig=ab", True),
        ("versionId=Signature", False),
        ("x-signature=ab", False),
        ("", False),
    ],
)
def test_presigned__signatures_have_the_names_that_stores_give_them(monkeypatch, query, is_signed):
    location = located(Presigning())
    url = f"https://store.example/a.png?{query}"
    monkeypatch.setattr(location.storage, "signed_url", lambda name, **wanted: url)
    if is_signed:
        assert deliver(RedirectDelivery(), location)[0]["Location"] == url
        return
    with pytest.raises(StorageUnavailable):
        deliver(RedirectDelivery(), location)


def test_redirect__of_another_disposition_is_another_url():
    location = located(Presigning())
    first, _ = deliver(RedirectDelivery(), location)
    request = RequestFactory().get("/")
    saved = {**HEADERS, "Content-Disposition": 'attachment; filename="a.png"'}
    second = RedirectDelivery().deliver(request, location, ETAG, saved)
    assert first["Location"] != second["Location"]


@pytest.mark.parametrize("delivery", [NginxDelivery(), RedirectDelivery()])
def test_unsigned_url__is_an_error_and_never_sent(delivery):
    with pytest.raises(StorageUnavailable, match="unsigned"):
        deliver(delivery, located(Unsigned()))


@pytest.mark.parametrize("delivery", [NginxDelivery(), RedirectDelivery()])
def test_signing__that_fails_is_a_storage_that_cannot_be_asked(delivery, monkeypatch):
    location = located(Presigning())
    monkeypatch.setattr(location.storage, "signed_url", lambda name, **kwargs: 1 / 0)
    with pytest.raises(StorageUnavailable, match="ZeroDivisionError"):
        deliver(delivery, location)


@pytest.mark.parametrize("delivery", [NginxDelivery(), RedirectDelivery()])
def test_presigned__head_is_answered_here_for_the_url_is_for_get(delivery):
    response, content = deliver(delivery, located(Presigning()), "HEAD")
    assert (response.status_code, content) == (200, b"")
    assert response["Content-Length"] == str(len(CONTENT))


def test_nginx__fetches_what_has_no_local_path():
    ranged, content = deliver(NginxDelivery(), located(Presigning()), Range="bytes=0-9")
    assert (ranged.status_code, content) == (206, CONTENT[:10])
    response, content = deliver(NginxDelivery(), located(Presigning()))
    assert response["X-Accel-Redirect"] == "/_images/upstream"
    assert response["X-Images-Upstream"].startswith("https://store.example/")
    assert content == b""
    assert dict(response.headers).items() >= HEADERS.items()


@pytest.mark.parametrize("delivery", [NginxDelivery(), XSendfileDelivery(), RedirectDelivery()])
def test_storage__that_can_do_neither_is_streamed(delivery):
    storage = Remote()
    response, content = deliver(delivery, located(storage))
    assert (response.status_code, content) == (200, CONTENT)
    assert delivery.complaint_about(storage)


def test_complaints__are_made_of_what_cannot_be_handed_over(local):
    assert NginxDelivery().complaint_about(local.storage) == ""
    assert NginxDelivery().complaint_about(Presigning()) == ""
    complaint = NginxDelivery().complaint_about(Remote())
    assert complaint == "it has neither local paths nor signed_url()"
    assert XSendfileDelivery().complaint_about(local.storage) == ""
    assert XSendfileDelivery().complaint_about(Presigning()) == "it has no local paths"
    assert RedirectDelivery().complaint_about(Presigning()) == ""
    assert RedirectDelivery().complaint_about(local.storage) == "it has no signed_url()"


def test_lifetime__that_is_too_short_is_refused():
    with pytest.raises(ValueError, match="lifetime"):
        RedirectDelivery(lifetime=1)


@pytest.mark.parametrize("delivery", [NginxDelivery(), RedirectDelivery()])
def test_cache__that_is_away_costs_a_signature_and_no_more(delivery, monkeypatch, caplog):
    def away(self, *args, **kwargs):
        raise ConnectionError

    location = located(Presigning())
    for name in ("get", "add"):
        monkeypatch.setattr(type(caches["default"]), name, away)
    response, _ = deliver(delivery, location)
    assert response.status_code in {200, 302}
    assert response.get("Location") or response.get("X-Images-Upstream")
    assert {record.getMessage() for record in caplog.records} == {"code=cache_unavailable"}


def test_file_system__that_is_away_is_left_to_who_says_so(local, monkeypatch):
    def stale(self, **_):
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(Path, "stat", stale)
    response, content = deliver(NginxDelivery(), local)
    assert (content, "X-Accel-Redirect" in response) == (CONTENT, False)
