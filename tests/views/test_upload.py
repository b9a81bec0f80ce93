"""One file by one request: what becomes of it, what is told, and what is read before."""

from __future__ import annotations

import io
import json
import logging
import uuid
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from images_app.access import Level, Right
from images_app.models import Grant, Image
from images_app.renditions import rendition_url
from images_app.sharing import create_link
from images_app.views.authorise import Viewer
from tests.pictures import bomb_header, picture, upload

pytestmark = pytest.mark.django_db
URL = "/images/upload/"
KEYS = {
    *("id", "url", "thumbnail", "title", "alt_text", "width", "height", "focal_x", "focal_y"),
    *("file_name", "position", "may_change", "picture"),
}


@pytest.fixture
def owner(make_user):
    return make_user("owner")


@pytest.fixture
def gallery(make_gallery, owner):
    return make_gallery(owner=owner)


@pytest.fixture
def send(client_of, owner, gallery):
    """Send a file as the owner, into the gallery."""

    def sent(file=None, *, client=None, **query):
        client = client or client_of(owner)
        query = {"gallery": gallery.public_id, **query}
        data = {"file": upload() if file is None else file}
        return client.post(URL, data, query_params=query)

    return sent


def code_of(response):
    return response.status_code, response.json()["error"]["code"]


def test_urls__are_those_of_the_contract():
    assert reverse("images_app:upload") == URL
    assert reverse("images_app:upload_place") == "/images/upload/place/"


def test_upload__makes_an_image_and_tells_of_it(send, gallery, owner):
    response = send(upload("my_cat.jpg"), position=70)
    assert response.status_code == 201
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert "Cookie" in response.headers["Vary"]
    image, told = Image.objects.get(), response.json()["image"]
    assert (image.owner, image.file_name) == (owner, "my_cat.jpg")
    assert set(told) == KEYS
    assert told.pop("picture").startswith(f"/renditions/{image.public_id}/")
    assert told == {
        "id": str(image.public_id),
        "url": image.get_absolute_url(),
        "thumbnail": rendition_url(image, "thumb"),
        "title": "my cat",
        "alt_text": "",
        "width": 64,
        "height": 48,
        "focal_x": 0.5,
        "focal_y": 0.5,
        "file_name": "my_cat.jpg",
        "position": 70,
        "may_change": True,
    }
    assert [(item.image, item.position) for item in gallery.items.all()] == [(image, 70)]


def test_upload__without_a_position_goes_to_the_end(send, make_image, gallery):
    make_image(gallery=gallery, color=(1, 2, 3))
    assert send().json()["image"]["position"] == 20


def test_upload__the_order_of_positions_holds_whatever_comes_first(send, gallery):
    for position in (30, 10, 20):
        send(upload(f"{position}.jpg", color=(position, 0, 0)), position=position)
    titles = gallery.items.order_by("position").values_list("image__title", flat=True)
    assert list(titles) == ["10", "20", "30"]


def test_upload__without_gallery_is_for_staff_who_may_add(make_user, client):
    people = {
        "staff": make_user("a", is_staff=True, permissions=["add_image"]),
        "reader": make_user("b", is_staff=True, permissions=["view_image"]),
        "not staff": make_user("c", permissions=["add_image"]),
    }
    answers = {}
    for kind, user in people.items():
        client.force_login(user)
        answers[kind] = client.post(URL, {"file": upload(kind)}).status_code
    assert answers == {"staff": 201, "reader": 404, "not staff": 404}
    assert not Image.objects.get().gallery_items.exists()


@pytest.mark.parametrize(
    ("kind", "status"),
    [("anonymous", 401), ("stranger", 404), ("viewer", 404), ("changer", 201), ("link", 401)],
)
def test_upload__into_a_gallery_takes_the_right_to_change_it(
    make_user, client, gallery, owner, kind, status
):
    grant = {"viewer": {"level": Level.ORIGINAL}, "changer": {"right": Right.CHANGE.value}}
    if kind in ("stranger", "viewer", "changer"):
        user = make_user(kind)
        client.force_login(user)
        if kind in grant:
            Grant.objects.create(gallery=gallery, user=user, **grant[kind])
    if kind == "link":
        _, token = create_link(Viewer(user=owner), gallery)
        client.post(reverse("images_app:shared", args=[token]))
    query = {"gallery": gallery.public_id}
    response = client.post(URL, {"file": upload()}, query_params=query)
    assert response.status_code == status
    assert Image.objects.count() == (status == 201)


def test_refusal__is_the_same_for_absent_and_forbidden(make_user, make_gallery, client, files):
    client.force_login(make_user())
    hidden, seen = make_gallery(), make_gallery(visibility="public")
    asked = [hidden.public_id, seen.public_id, uuid.uuid4(), "nonsense", "\0", "x" * 500, ""]
    answers = []
    for gallery in asked:
        response = client.post(URL, {"file": upload()}, query_params={"gallery": gallery})
        response.headers.pop("Set-Cookie", None)
        answers.append((response.status_code, response.content, sorted(response.headers.items())))
    assert answers[0][0] == 404
    assert answers == answers[:1] * len(asked)
    assert files() == []


@pytest.fixture
def parsed(monkeypatch):
    """Notes each body that Django begins to parse."""
    noted = []
    original = HttpRequest._load_post_and_files

    def noting(self):
        noted.append(self.path)
        return original(self)

    monkeypatch.setattr(HttpRequest, "_load_post_and_files", noting)
    return noted


@pytest.mark.parametrize("who", ["anonymous", "stranger", "too large"])
def test_refusal__comes_before_the_body_is_parsed(
    client, make_user, gallery, owner, parsed, settings, who
):
    client = Client(enforce_csrf_checks=True)
    if who != "anonymous":
        client.force_login(owner if who == "too large" else make_user())
    headers = {}
    if who == "too large":
        settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": 1000}
        headers = {"CONTENT_LENGTH": str(20 * 2**20)}
    query = {"gallery": gallery.public_id}
    response = client.post(URL, {"file": upload()}, query_params=query, **headers)
    assert response.status_code == {"anonymous": 401, "stranger": 404, "too large": 413}[who]
    assert parsed == []


def test_other_methods__are_405_before_anything_is_looked_up(client, django_assert_num_queries):
    for url, allowed in ((URL, "POST"), (f"{URL}place/", "GET, HEAD")):
        for method in ("get", "put", "patch", "delete", "options", "post"):
            if method.upper() in allowed.split(", "):
                continue
            with django_assert_num_queries(0):
                response = getattr(client, method)(url)
            assert (response.status_code, response.headers["Allow"]) == (405, allowed)
            assert response.headers["Cache-Control"] == "no-store"


def test_csrf__is_checked_by_header_or_field(owner, gallery, files):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    url = f"{URL}?gallery={gallery.public_id}"
    assert client.post(url, {"file": upload()}).status_code == 403
    assert files() == []
    client.get(reverse("login"))
    client.cookies["csrftoken"] = token = "a" * 32
    field = client.post(url, {"file": upload(), "csrfmiddlewaretoken": token})
    header = client.post(url, {"file": upload(color="red")}, headers={"X-CSRFToken": token})
    wrong = client.post(url, {"file": upload(color="blue")}, headers={"X-CSRFToken": "b" * 32})
    assert [field.status_code, header.status_code, wrong.status_code] == [201, 201, 403]


@pytest.mark.parametrize(
    ("data", "query", "expected"),
    [
        ({}, {}, (400, "no_file")),
        ({"file": "text"}, {}, (400, "no_file")),
        ({"other": ["cat"]}, {}, (400, "no_file")),
        ({"file": ["cat", "dog"]}, {}, (400, "one_file")),
        ({"file": ["cat"], "other": ["dog"]}, {}, (400, "one_file")),
        ({"file": ["cat"]}, {"position": "-1"}, (400, "position")),
        ({"file": ["cat"]}, {"position": "1e3"}, (400, "position")),
        ({"file": ["cat"]}, {"position": "9999999999999"}, (400, "position")),
        ({"file": ["cat"]}, {"position": "٣"}, (400, "position")),
        ({"file": ["cat"]}, {"duplicates": "maybe"}, (400, "duplicates")),
    ],
)
def test_request__that_makes_no_sense_is_named(client_of, owner, gallery, data, query, expected):
    data = {
        name: value if isinstance(value, str) else [upload(each) for each in value]
        for name, value in data.items()
    }
    query = {"gallery": gallery.public_id, **query}
    response = client_of(owner).post(URL, data, query_params=query)
    assert code_of(response) == expected
    assert not Image.objects.exists()


def test_request__parameters_that_nobody_knows_are_ignored(send):
    assert send(utm_source="mail", position="").status_code == 201


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "empty"),
        (b"<svg/>", 400, "format_not_allowed"),
        (b"hello", 400, "not_an_image"),
        (picture()[:200], 400, "damaged"),
        (bomb_header(60000, 60000), 400, "too_many_pixels"),
    ],
)
def test_bad_file__is_refused_with_its_reason(send, files, content, status, code):
    assert code_of(send(upload("cat.jpg", content))) == (status, code)
    assert files() == []
    assert not Image.objects.exists()


def test_too_large__is_refused_by_what_is_read(send, settings, files):
    content = picture()
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": len(content)}
    assert send(upload("cat.jpg", content)).status_code == 201
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": len(content) - 1}
    response = send(upload("dog.jpg", content), duplicates="add")
    assert code_of(response) == (413, "too_large")
    assert str(len(content) - 1)[:3] in response.json()["error"]["message"]
    assert len(files()) == 1


def test_storage__that_takes_nothing_is_a_503(send, monkeypatch):
    def refuse(*args, **kwargs):
        message = "/secret/path is full"
        raise OSError(message)

    monkeypatch.setattr(storages["images"].__class__, "_save", refuse)
    response = send()
    assert code_of(response) == (503, "storage_unavailable")
    assert response.headers["Retry-After"] == "5"
    assert b"secret" not in response.content


def test_duplicate__asks_first(send, make_image, owner):
    image = make_image(owner=owner)
    response = send()
    assert code_of(response) == (409, "duplicate")
    assert [each["id"] for each in response.json()["images"]] == [str(image.public_id)]
    assert set(response.json()["images"][0]) == KEYS
    assert Image.objects.count() == 1


def test_duplicate__is_known_without_its_metadata(send, settings):
    settings.IMAGES_APP = {"STRIP_ORIGINALS": True}
    content = picture(comment=b"taken by me")
    assert send(upload("cat.jpg", content)).status_code == 201
    assert Image.objects.get().byte_size < len(content)
    assert code_of(send(upload("cat.jpg", content))) == (409, "duplicate")


def test_duplicate__at_most_five_are_named(send, make_image, owner):
    for _ in range(7):
        make_image(owner=owner)
    assert len(send().json()["images"]) == 5


def test_duplicate__is_added_when_that_is_wanted(send, make_image, owner):
    make_image(owner=owner)
    assert send(duplicates="add").status_code == 201
    assert Image.objects.count() == 2


def test_duplicate__is_used_and_hangs_there(send, make_image, owner, gallery, files):
    image = make_image(owner=owner)
    response = send(duplicates="use", position=40)
    assert (response.status_code, response.json()["image"]["id"]) == (200, str(image.public_id))
    assert response.json()["image"]["position"] == 40
    assert list(gallery.images.all()) == [image]
    assert send(duplicates="use").json()["image"]["position"] == 40  # it hangs there once
    assert (Image.objects.count(), len(files())) == (1, 1)


def test_duplicate__of_what_is_hidden_or_in_the_trash_is_not_told(
    send, make_image, make_user, make_gallery, owner
):
    make_image(owner=make_user("other"))
    trashed = make_image(owner=owner)
    Image.objects.filter(pk=trashed.pk).update(trashed_at=timezone.now())
    previewed = make_image(owner=make_user("third"))
    Grant.objects.create(image=previewed, user=owner, level=Level.PREVIEW)
    fresh = send()
    assert fresh.status_code == 201
    Image.objects.filter(public_id=fresh.json()["image"]["id"]).delete()
    assert send(duplicates="use").status_code == 201


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"level": Level.VIEW}, 201),
        ({"level": Level.ORIGINAL}, 201),
        ({"right": Right.SHARE.value}, 200),
        ({"right": Right.SHARE.value, "ends": True}, 201),
    ],
)
def test_duplicate__is_used_only_by_who_may_share_it_for_good(
    send, make_image, make_user, owner, given, status
):
    image = make_image(owner=make_user("other"))
    end = timezone.now() + timezone.timedelta(days=1) if given.pop("ends", False) else None
    Grant.objects.create(image=image, user=owner, ends_at=end, **given)
    assert code_of(send()) == (409, "duplicate")
    assert send(duplicates="use").status_code == status


def test_duplicate__that_hangs_there_already_is_used_by_whoever_may_add(
    client_of, make_image, make_user, gallery, owner
):
    image = make_image(owner=owner, gallery=gallery)
    helper = make_user("helper")
    Grant.objects.create(gallery=gallery, user=helper, right=Right.CHANGE.value)
    query = {"gallery": gallery.public_id, "duplicates": "use"}
    response = client_of(helper).post(URL, {"file": upload()}, query_params=query)
    assert (response.status_code, response.json()["image"]["id"]) == (200, str(image.public_id))
    assert response.json()["image"]["may_change"] is False


def test_quota__is_a_409_with_its_bound(send, settings, gallery, make_image, owner):
    settings.IMAGES_APP = {"MAX_GALLERY_IMAGES": 1}
    assert send().status_code == 201
    full = send(upload(color="red"))
    assert code_of(full) == (409, "quota_gallery")
    assert "1" in full.json()["error"]["message"]
    make_image(owner=owner, color=(9, 9, 9))
    assert code_of(send(upload(color=(9, 9, 9)), duplicates="use")) == (409, "quota_gallery")
    settings.IMAGES_APP = {"MAX_USER_BYTES": 1000}
    assert code_of(send(upload(color="blue"))) == (409, "quota_user")


HOSTILE = 'a\\b/../"><img src=x onerror=alert(1)>\u202egpj.jpg'


def test_hostile_name__is_cleaned_and_told_as_text(send, caplog):
    caplog.set_level(logging.DEBUG)
    response = send(upload(HOSTILE))
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    name = response.json()["image"]["file_name"]
    assert not set(name) & set("/\\\u202e\n\0")
    assert "onerror" not in caplog.text


def raw(parts: list[bytes], boundary: bytes = b"b") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part for part in parts) + b"--" + boundary + b"--"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"--b",
        b"no boundary at all",
        raw([b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n'])[:-10],
        raw([b'Content-Disposition: form-data; name="file"; filename=""\r\n\r\nx\r\n']),
        raw([b"Content-Disposition: form-data\r\n\r\nx\r\n"]),
        raw([b"X: " + b"y" * 5000 + b"\r\n\r\nx\r\n"]),
        raw(
            [
                (
                    b'Content-Disposition: form-data; name="file"; filename="a"\r\nContent-'
                    b"Transfer-Encoding: base64\r\n\r\n!!!\r\n"
                )
            ]
        ),
        raw([b'Content-Disposition: form-data; name="x%d"\r\n\r\n\r\n' % n for n in range(1100)]),
        raw([b'Content-Disposition: form-data; name="x"\r\n\r\n' + b"y" * 3 * 2**20 + b"\r\n"]),
    ],
    ids=range(10),
)
def test_broken_body__is_a_400_in_json(client_of, owner, gallery, content):
    url = f"{URL}?gallery={gallery.public_id}"
    client = client_of(owner)
    response = client.post(url, content, content_type="multipart/form-data; boundary=b")
    assert response.status_code == 400
    assert response.json()["error"]["code"] in {"unreadable", "no_file", "empty", "not_an_image"}
    assert not Image.objects.exists()


@pytest.mark.parametrize(
    ("content_type", "status", "code"),
    [
        ("application/octet-stream", 400, "no_file"),
        ("application/x-www-form-urlencoded", 400, "no_file"),
        ("application/x-www-form-urlencoded; charset=utf-16", 404, "not_found"),  # the query, too
        ("multipart/form-data", 400, "unreadable"),
        ("multipart/form-data; boundary=" + "x" * 300, 400, "unreadable"),
        ("nonsense", 400, "no_file"),
    ],
)
def test_other_bodies__are_refused(client_of, owner, gallery, content_type, status, code):
    url = f"{URL}?gallery={gallery.public_id}"
    response = client_of(owner).generic("POST", url, picture(), content_type)
    assert code_of(response) == (status, code)


def test_chunked__is_asked_for_its_length(client_of, owner, gallery):
    client = client_of(owner)
    url = f"{URL}?gallery={gallery.public_id}"
    response = client.generic(
        "POST",
        url,
        b"",
        "multipart/form-data; boundary=b",
        headers={"Transfer-Encoding": "chunked"},
    )
    assert code_of(response) == (411, "length_required")
    response = client.generic("POST", url, b"x", "text/plain", CONTENT_LENGTH="1,2")
    assert code_of(response) == (400, "unreadable")


def test_broken_line__keeps_nothing(owner, gallery, rf, files):
    """The server's stream ends, or raises, in the middle of the file."""
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    for error in (None, OSError("gone")):

        class Broken(io.BytesIO):
            def read(self, size=-1):
                data = super().read(size)
                if not data and error:  # noqa: B023
                    raise error  # noqa: B023
                return data

        client = Client()
        client.force_login(owner)
        body = head + picture()
        response = client.generic(
            "POST",
            f"{URL}?gallery={gallery.public_id}",
            b"",
            "multipart/form-data; boundary=b",
            **{"wsgi.input": Broken(body), "CONTENT_LENGTH": str(len(body) + 5000)},
        )
        assert response.status_code == 400
        assert files() == []


def test_full_disk__for_what_is_being_read_is_a_503(send, settings, monkeypatch):
    from django.core.files.uploadhandler import TemporaryFileUploadHandler

    settings.FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]

    def full(self, *args):
        raise OSError(28, "No space left on device", "/tmp/secret")

    monkeypatch.setattr(TemporaryFileUploadHandler, "receive_data_chunk", full)
    response = send()
    assert code_of(response) == (503, "storage_unavailable")
    assert b"secret" not in response.content


def test_place__is_behind_the_last_one(client_of, owner, gallery, make_image):
    client, url = client_of(owner), f"{URL}place/?gallery={gallery.public_id}"
    assert client.get(url).json() == {"next": 10, "step": 10}
    make_image(gallery=gallery)
    assert client.get(url).json() == {"next": 20, "step": 10}
    assert client.head(url).status_code == 200


def test_place__is_told_to_who_may_add(client, client_of, make_user, make_gallery):
    gallery = make_gallery(visibility="public")
    url = f"{URL}place/?gallery={gallery.public_id}"
    assert client.get(url).status_code == 401
    assert client_of(make_user()).get(url).status_code == 404
    assert client.get(f"{URL}place/").status_code == 404


def test_error__is_translated_and_json_is_safe(send):
    response = send(upload("cat.jpg", b"hello"), client=None)
    message = json.loads(response.content)["error"]["message"]
    assert message.startswith("This is not an image")
    assert str(Path.cwd()) not in message
