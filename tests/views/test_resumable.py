"""Uploads that are resumed, by the tus protocol."""

from __future__ import annotations

import base64
import hashlib
import io
import uuid
from datetime import timedelta

import pytest
from django.core.files.storage import storages
from django.db import OperationalError
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.http import parse_http_date

from images_app.models import Grant, Image, PartialUpload
from images_app.uploads import resuming
from images_app.views import resumable
from tests.pictures import noise, picture

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/uploads/"
PART = "application/offset+octet-stream"
VERSION = {"Tus-Resumable": "1.0.0"}


@pytest.fixture
def owner(make_user):
    return make_user("owner")


@pytest.fixture
def gallery(make_gallery, owner):
    return make_gallery(owner=owner)


@pytest.fixture
def tus(client_of, owner, gallery):
    """Speaks the protocol as the owner."""
    return Tus(client_of(owner), gallery)


class Tus:
    def __init__(self, client, gallery):
        self.client, self.gallery = client, gallery

    def ask(self, method, url, content=b"", content_type=PART, **headers):
        headers = VERSION | {name.replace("_", "-"): str(value) for name, value in headers.items()}
        # Django's client says no type where there is no content.
        said = {"CONTENT_TYPE": content_type}
        return self.client.generic(method, url, content, content_type, headers=headers, **said)

    def begin(self, length, name="cat.jpg", query="", **headers):
        metadata = f"filename {base64.b64encode(name.encode()).decode()},is_confidential"
        url = f"{URL}?gallery={self.gallery.public_id}{query}"
        return self.ask("POST", url, Upload_Length=length, Upload_Metadata=metadata, **headers)

    def begun(self, length, **kwargs):
        return self.begin(length, **kwargs).headers["Location"]

    def patch(self, url, offset, content, **headers):
        return self.ask("PATCH", url, content, Upload_Offset=offset, **headers)

    def offset(self, url):
        return int(self.ask("HEAD", url).headers["Upload-Offset"])


def code_of(response):
    return response.status_code, response.json()["error"]["code"]


def test_urls__are_those_of_the_contract():
    assert reverse("images_app:resumable") == URL
    key = uuid.uuid4()
    assert reverse("images_app:resumable_part", args=[key]) == f"{URL}{key}/"


def test_upload__in_three_parts_becomes_an_image(tus, gallery, owner, files):
    content = noise()
    response = tus.begin(len(content), "my_cat.jpg", "&position=70")
    assert response.status_code == 201
    assert response.headers["Tus-Resumable"] == "1.0.0"
    url, offset = response.headers["Location"], 0
    for size in (1, 30_000, len(content) - 30_001):
        assert tus.offset(url) == offset
        response = tus.patch(url, offset, content[offset : offset + size])
        offset += size
        assert response.headers["Upload-Offset"] == str(offset)
        assert response.status_code == (200 if offset == len(content) else 204)
    assert response.json()["image"]["position"] == 70
    image = Image.objects.get()
    assert (image.title, image.owner, image.byte_size) == ("my cat", owner, len(content))
    assert image.checksum == hashlib.sha256(content).hexdigest()
    assert list(gallery.images.all()) == [image]
    assert len(files()) == 1  # the parts are gone


def test_head__tells_how_far_it_is(tus):
    url = tus.begun(1000)
    tus.patch(url, 0, b"x" * 10)
    response = tus.ask("HEAD", url)
    told = {name: response.headers[name] for name in ("Upload-Offset", "Upload-Length")}
    assert told == {"Upload-Offset": "10", "Upload-Length": "1000"}
    assert response.headers["Upload-Metadata"] == "filename Y2F0LmpwZw==,is_confidential"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.content == b""
    expires = parse_http_date(response.headers["Upload-Expires"])
    assert abs(expires - timezone.now().timestamp() - 86400) < 60


def test_options__tell_what_is_understood_to_anybody(client, django_assert_num_queries, settings):
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": 5000}
    for url in (URL, f"{URL}{uuid.uuid4()}/"):
        with django_assert_num_queries(0):
            response = client.options(url)
        assert response.status_code == 204
        assert response.headers["Tus-Version"] == response.headers["Tus-Resumable"] == "1.0.0"
        assert response.headers["Tus-Extension"] == "creation,expiration,checksum,termination"
        assert response.headers["Tus-Max-Size"] == "5000"
        assert response.headers["Tus-Checksum-Algorithm"] == "sha256,sha1"


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0.1"])
def test_other_versions__are_refused(tus, version):
    url = tus.begun(10)
    for method, where in (("POST", URL), ("HEAD", url), ("PATCH", url), ("DELETE", url)):
        headers = {} if version is None else {"Tus-Resumable": version}
        response = tus.client.generic(method, where, b"", PART, headers=headers)
        assert (response.status_code, response.headers["Tus-Version"]) == (412, "1.0.0")


def test_other_methods__are_405_before_anything_is_looked_up(client, django_assert_num_queries):
    cases = {URL: ("POST, OPTIONS", ("GET", "HEAD", "PUT", "PATCH", "DELETE"))}
    cases[f"{URL}{uuid.uuid4()}/"] = ("HEAD, PATCH, DELETE, OPTIONS", ("GET", "POST", "PUT"))
    for url, (allowed, methods) in cases.items():
        for method in methods:
            with django_assert_num_queries(0):
                response = client.generic(method, url)
            assert (response.status_code, response.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "DELETE"])
def test_part__is_for_who_began_it(tus, make_user, client, method):
    url = tus.begun(10)
    stranger, nobody = Client(), Client()
    stranger.force_login(make_user("admin", is_staff=True, is_superuser=True))
    kwargs = {"content_type": PART, "headers": VERSION | {"Upload-Offset": "0"}}
    foreign = stranger.generic(method, url, b"0123456789", **kwargs)
    absent = stranger.generic(method, f"{URL}{uuid.uuid4()}/", b"0123456789", **kwargs)
    assert foreign.status_code == absent.status_code == 404
    assert foreign.content == absent.content
    assert "Upload-Offset" not in foreign.headers
    assert nobody.generic(method, url, b"", **kwargs).status_code == 401
    assert PartialUpload.objects.get().offset == 0


def test_begin__asks_the_same_as_an_upload(tus, client_of, make_user, client):
    assert Client().post(URL, headers=VERSION).status_code == 401
    tus.client = client_of(make_user())
    assert tus.begin(10).status_code == 404
    assert not PartialUpload.objects.exists()


def test_right_that_is_lost__stops_it(tus, client_of, make_user, gallery):
    helper = make_user("helper")
    grant = Grant.objects.create(gallery=gallery, user=helper, right="change")
    tus.client = client_of(helper)
    url = tus.begun(10)
    grant.delete()
    assert tus.patch(url, 0, b"0").status_code == 404


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Upload_Length": "0"}, (400, "empty")),
        ({"Upload_Length": "-1"}, (411, "length_required")),
        ({"Upload_Length": "1.5"}, (411, "length_required")),
        ({"Upload_Length": ""}, (411, "length_required")),
        ({"Upload_Length": "99999999999"}, (413, "too_large")),
        ({"Upload_Length": "5", "Upload_Metadata": "filename !!!"}, (400, "unreadable")),
        ({"Upload_Length": "5", "Upload_Metadata": "x " + "A" * 1000}, (400, "unreadable")),
        ({"Upload_Length": "5", "Upload_Metadata": "a\x00b"}, (400, "unreadable")),
        ({"Upload_Length": "5", "Upload_Metadata": "\xfc"}, (400, "unreadable")),
    ],
)
def test_begin__that_makes_no_sense_is_named(tus, gallery, headers, expected):
    response = tus.ask("POST", f"{URL}?gallery={gallery.public_id}", **headers)
    assert code_of(response) == expected
    assert not PartialUpload.objects.exists()


def test_begin__never_reads_a_large_body(tus, gallery, monkeypatch):
    url = f"{URL}?gallery={gallery.public_id}"
    body = b"x" * (2**20 + 1)
    response = tus.ask("POST", url, body, "multipart/form-data; boundary=b", Upload_Length=5)
    assert code_of(response) == (415, "unsupported")
    response = tus.ask("POST", url, body, "text/plain", Upload_Length=5)
    assert code_of(response) == (413, "too_long")


def test_csrf__is_checked(owner, gallery):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    tus = Tus(client, gallery)
    assert tus.begin(10).status_code == 403
    client.cookies["csrftoken"] = token = "a" * 32
    url = tus.begun(10, X_CSRFToken=token)
    assert tus.patch(url, 0, b"0").status_code == 403
    assert tus.ask("DELETE", url).status_code == 403
    override = {"Upload_Offset": 0, "X_HTTP_Method_Override": "PATCH"}
    assert tus.ask("POST", url, b"0", **override).status_code == 403
    assert tus.offset(url) == 0
    assert tus.patch(url, 0, b"0", X_CSRFToken=token).status_code == 204
    assert tus.ask("DELETE", url, X_CSRFToken=token).status_code == 204


def test_override__is_for_proxies_that_know_post_only(tus):
    url = tus.begun(10)
    response = tus.ask("POST", url, b"01", Upload_Offset=0, X_HTTP_Method_Override="PATCH")
    assert (response.status_code, response.headers["Upload-Offset"]) == (204, "2")
    assert tus.ask("POST", url, X_HTTP_Method_Override="GET").status_code == 405
    # Not the other way round: what Django takes for safe, it does not check for CSRF.
    assert tus.ask("GET", url, X_HTTP_Method_Override="DELETE").status_code == 405
    assert PartialUpload.objects.exists()


@pytest.mark.parametrize(
    ("offset", "size", "content_type", "expected"),
    [
        (1, 1, PART, (409, "offset")),
        (0, 11, PART, (413, "too_large")),
        ("x", 1, PART, (400, "unreadable")),
        ("-0", 1, PART, (400, "unreadable")),
        (0, 1, "application/octet-stream", (415, "unsupported")),
        (0, 1, "multipart/form-data; boundary=x", (415, "unsupported")),
    ],
)
def test_part__that_does_not_fit_changes_nothing(tus, files, offset, size, content_type, expected):
    url = tus.begun(10)
    response = tus.ask("PATCH", url, b"x" * size, content_type, Upload_Offset=offset)
    assert code_of(response) == expected
    assert tus.offset(url) == 0
    assert files() == []


def test_part__has_a_largest_size(tus, monkeypatch):
    url = tus.begun(10_000)
    monkeypatch.setattr(resumable, "LONGEST_PART", 1000)
    assert tus.patch(url, 0, b"x" * 1000).status_code == 204
    assert code_of(tus.patch(url, 1000, b"x" * 1001)) == (413, "chunk_too_large")


def digest(algorithm, content):
    value = base64.b64encode(hashlib.new(algorithm, content).digest()).decode()
    return f"{algorithm} {value}"


def test_checksum__is_compared(tus):
    url = tus.begun(100)
    for offset, algorithm in enumerate(("sha1", "sha256")):
        good = tus.patch(url, offset, b"x", Upload_Checksum=digest(algorithm, b"x"))
        assert good.status_code == 204
    bad = tus.patch(url, 2, b"x", Upload_Checksum=digest("sha1", b"y"))
    assert code_of(bad) == (460, "checksum")
    for wrong in ("md5 AAAA", "sha1", "sha1 !", "", "sha1 " + "A" * 10):
        assert tus.patch(url, 2, b"x", Upload_Checksum=wrong).status_code in {400, 460}
    assert tus.offset(url) == 2


class Breaking(io.BytesIO):
    """A stream whose client goes away."""

    def read(self, size=-1):
        data = super().read(size)
        if not data:
            message = "gone"
            raise OSError(message)
        return data


@pytest.mark.parametrize("stream", [io.BytesIO, Breaking])
def test_broken_line__keeps_what_has_arrived(tus, stream):
    content = noise()
    url = tus.begun(len(content))
    sent = {"wsgi.input": stream(content[:20_000]), "CONTENT_LENGTH": str(len(content))}
    headers = VERSION | {"Upload-Offset": "0"}
    sent["CONTENT_TYPE"] = PART
    tus.client.generic("PATCH", url, b"", PART, headers=headers, **sent)
    assert tus.offset(url) == 20_000
    # With a checksum, half of it is not what was promised.
    sent["wsgi.input"] = stream(content[20_000:30_000])
    headers |= {"Upload-Offset": "20000", "Upload-Checksum": digest("sha1", content[20_000:])}
    sent["CONTENT_LENGTH"] = str(len(content) - 20_000)
    tus.client.generic("PATCH", url, b"", PART, headers=headers, **sent)
    assert tus.offset(url) == 20_000
    assert tus.patch(url, 20_000, content[20_000:]).status_code == 200


def test_answer_that_was_lost__is_told_again(tus, files):
    content = picture()
    url = tus.begun(len(content))
    first = tus.patch(url, 0, content).json()
    assert tus.offset(url) == len(content)
    again = tus.patch(url, len(content), b"")
    assert (again.status_code, again.json()) == (200, first)
    assert (Image.objects.count(), len(files())) == (1, 1)
    assert tus.ask("DELETE", url).status_code == 204
    assert Image.objects.count() == 1


def test_duplicate__is_asked_about_and_chosen_without_sending_again(
    tus, make_image, owner, gallery
):
    image, content = make_image(owner=owner), picture()
    url = tus.begun(len(content))
    response = tus.patch(url, 0, content)
    assert code_of(response) == (409, "duplicate")
    assert [each["id"] for each in response.json()["images"]] == [str(image.public_id)]
    assert tus.offset(url) == len(content)
    for _ in range(2):
        used = tus.patch(f"{url}?duplicates=use", len(content), b"")
        assert (used.status_code, used.json()["image"]["id"]) == (200, str(image.public_id))
    assert list(gallery.images.all()) == [image]
    other = tus.begun(len(content))
    tus.patch(other, 0, content)
    added = tus.patch(f"{other}?duplicates=add", len(content), b"")
    assert added.status_code == 200
    assert Image.objects.count() == 2


def test_refused__for_what_it_is_leaves_nothing(tus, files):
    url = tus.begun(5)
    assert code_of(tus.patch(url, 0, b"hello")) == (400, "not_an_image")
    assert files() == []
    assert tus.ask("HEAD", url).status_code == 404
    assert not PartialUpload.objects.exists()


def test_storage__that_fails_can_be_tried_again(tus, monkeypatch, files):
    content = picture()
    url = tus.begun(len(content))
    storage = storages["images"].__class__
    with monkeypatch.context() as patched:
        patched.setattr(storage, "_save", refuse)
        assert code_of(tus.patch(url, 0, content)) == (503, "storage_unavailable")
    assert tus.offset(url) == 0
    with monkeypatch.context() as patched:
        patched.setattr(storage, "_open", refuse)
        assert code_of(tus.patch(url, 0, content)) == (503, "storage_unavailable")
    assert tus.offset(url) == len(content)
    assert tus.patch(url, len(content), b"").status_code == 200
    assert len(files()) == 1


def refuse(*args, **kwargs):
    message = "/secret/path is full"
    raise OSError(message)


def test_quota__counts_what_is_on_its_way(tus, settings, owner):
    settings.IMAGES_APP = {"MAX_USER_BYTES": 5000}
    content = picture()
    assert code_of(tus.begin(5001)) == (409, "quota_user")
    url = tus.begun(4000)
    assert code_of(tus.begin(1001)) == (409, "quota_user")
    tus.ask("DELETE", url)
    settings.IMAGES_APP = {"MAX_USER_BYTES": len(content)}
    url = tus.begun(len(content))
    assert tus.patch(url, 0, content).status_code == 200  # which does not count itself


def test_quota__that_is_met_meanwhile_can_be_made_room_for(tus, settings, gallery, make_image):
    content = picture()
    url = tus.begun(len(content))
    image = make_image(gallery=gallery, color="red")
    settings.IMAGES_APP = {"MAX_GALLERY_IMAGES": 1}
    assert code_of(tus.patch(url, 0, content)) == (409, "quota_gallery")
    image.delete()
    assert tus.patch(url, len(content), b"").status_code == 200


def test_unfinished__are_so_many_at_most(tus, monkeypatch):
    monkeypatch.setattr(resuming, "MOST_UNFINISHED", 2)
    urls = [tus.begun(10) for _ in range(2)]
    assert code_of(tus.begin(10)) == (409, "too_many_uploads")
    tus.ask("DELETE", urls[0])
    assert tus.begin(10).status_code == 201


def test_parts__are_so_many_at_most(tus, monkeypatch):
    monkeypatch.setattr(resuming, "MOST_PARTS", 2)
    url = tus.begun(10)
    for offset in range(2):
        assert tus.patch(url, offset, b"x").status_code == 204
    assert code_of(tus.patch(url, 2, b"x")) == (400, "too_many_parts")
    assert tus.patch(url, 2, b"").status_code == 204


def test_delete__forgets_it(tus, files):
    url = tus.begun(10)
    tus.patch(url, 0, b"x")
    assert len(files()) == 1
    assert tus.ask("DELETE", url).status_code == 204
    assert files() == []
    assert tus.ask("HEAD", url).status_code == 404


def test_expired__is_not_there_any_more(tus):
    url = tus.begun(10)
    PartialUpload.objects.update(touched_at=timezone.now() - timedelta(days=1, seconds=1))
    assert tus.ask("HEAD", url).status_code == 404
    assert tus.patch(url, 0, b"x").status_code == 404


def test_part__is_read_after_all_that_can_be_known(tus, monkeypatch, owner, gallery):
    url = tus.begun(10)
    read = []
    original = HttpRequest.read

    def noting(self, *args):
        read.append(args)
        return original(self, *args)

    monkeypatch.setattr(HttpRequest, "read", noting)
    client = Client()
    long = {"CONTENT_LENGTH": str(17 * 2**20)}
    kwargs = {"content_type": PART, "headers": VERSION | {"Upload-Offset": "0"}, **long}
    assert client.generic("PATCH", url, b"x", **kwargs).status_code == 401
    client.force_login(owner)
    assert client.generic("PATCH", f"{URL}{uuid.uuid4()}/", b"x", **kwargs).status_code == 404
    assert client.generic("PATCH", url, b"x", **kwargs).status_code == 413
    assert read == []


@pytest.mark.parametrize("name", ["", "a\x00b/../c.jpg", "\u202egpj.exe", "x" * 400 + ".jpg", "\n"])
def test_hostile_name__is_cleaned(tus, name, caplog):
    content = picture()
    metadata = f"filename {base64.b64encode(name.encode()).decode()}"
    url = f"{URL}?gallery={tus.gallery.public_id}"
    response = tus.ask("POST", url, Upload_Length=len(content), Upload_Metadata=metadata)
    if len(metadata) > 1000:
        assert response.status_code == 400
        return
    told = tus.patch(response.headers["Location"], 0, content).json()["image"]
    assert not set(told["file_name"]) & set("/\\\x00\n\u202e")


def test_database__that_is_locked_is_a_503(tus, monkeypatch, files):
    url = tus.begun(10)

    def locked(*args, **kwargs):
        raise OperationalError("database is locked")

    with monkeypatch.context() as patched:
        patched.setattr(PartialUpload.objects.all().__class__, "update", locked)
        assert code_of(tus.patch(url, 0, b"x")) == (503, "storage_unavailable")
    assert files() == []
    assert tus.offset(url) == 0


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "DELETE"])
def test_part__is_absent_when_the_right_to_add_is_gone(tus, gallery, make_user, method):
    url = tus.begun(10)
    gallery.owner = make_user("another")
    gallery.save()
    absent = tus.ask(method, f"{URL}{uuid.uuid4()}/", b"x" * 10, Upload_Offset=0)
    refused = tus.ask(method, url, b"x" * 10, Upload_Offset=0)
    assert refused.status_code == 404
    assert (dict(refused.headers), refused.content) == (dict(absent.headers), absent.content)
    assert PartialUpload.objects.get().offset == 0  # it goes with UPLOAD_DAYS


def test_part__without_a_gallery_is_absent_for_former_staff(client_of, make_user):
    staff = make_user("staff", is_staff=True, permissions=["add_image"])
    client = client_of(staff)
    plain = "application/octet-stream"
    begun = client.post(URL, content_type=plain, headers={**VERSION, "Upload-Length": "10"})
    url = begun.headers["Location"]
    assert client.head(url, headers=VERSION).status_code == 200
    staff.user_permissions.clear()
    assert client.head(url, headers=VERSION).status_code == 404
    assert client.delete(url, headers=VERSION).status_code == 404
