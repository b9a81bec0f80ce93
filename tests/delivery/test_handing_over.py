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


def deliver(delivery, location, method="GET", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = RequestFactory().generic(method, "/", headers=headers)
    response = delivery.deliver(request, location, ETAG, HEADERS)
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
    for headers in ({}, {"Range": "bytes=0-9"}, {"Range": "bytes=-5"}, {"If_None_Match": '"x"'}):
        assert deliver(delivery, plain, **headers)[1] == b"", headers


@pytest.mark.parametrize("delivery", [NginxDelivery(), XSendfileDelivery(), RedirectDelivery()])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Range": "bytes=0-1,4-5"}, 200),
        ({"Range": "bytes=9-2"}, 200),
        ({"Range": "nonsense"}, 200),
        ({"Range": "Bytes = 0-9"}, 206),
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
    for second in (0, 60, 149, 150):
        monkeypatch.setattr(time, "time", lambda second=second: start + second)
        response, _ = deliver(RedirectDelivery(), location)
        seen.append((response["Location"], response["Cache-Control"]))
    urls = [url for url, _ in seen]
    assert urls[0] == urls[1] == urls[2] != urls[3]
    assert [kept for _, kept in seen] == [
        "private, max-age=150, immutable",
        "private, max-age=90, immutable",
        "private, max-age=1, immutable",
        "private, max-age=150, immutable",
    ]


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
    assert XSendfileDelivery().complaint_about(local.storage) == ""
    assert XSendfileDelivery().complaint_about(Presigning()) == "it has no local paths"
    assert RedirectDelivery().complaint_about(Presigning()) == ""
    assert RedirectDelivery().complaint_about(local.storage) == "it has no signed_url()"


def test_lifetime__that_is_too_short_is_refused():
    with pytest.raises(ValueError, match="lifetime"):
        RedirectDelivery(lifetime=1)


@pytest.mark.parametrize("delivery", [NginxDelivery(), RedirectDelivery()])
def test_cache__that_is_away_costs_a_signature_and_no_more(delivery, monkeypatch):
    def away(self, *args, **kwargs):
        raise ConnectionError

    location = located(Presigning())
    for name in ("get", "add"):
        monkeypatch.setattr(type(caches["default"]), name, away)
    response, _ = deliver(delivery, location)
    assert response.status_code in {200, 302}
    assert response.get("Location") or response.get("X-Images-Upstream")


def test_file_system__that_is_away_is_left_to_who_says_so(local, monkeypatch):
    def stale(self):
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(Path, "is_file", stale)
    response, content = deliver(NginxDelivery(), local)
    assert (content, "X-Accel-Redirect" in response) == (CONTENT, False)
