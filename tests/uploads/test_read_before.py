"""Bodies that a middleware has read before the view: taken by the same rules, or refused."""

from __future__ import annotations

import json

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import AsyncClient, Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.urls import reverse

from images_app.access import Level, Viewer
from images_app.models import Image, PartialUpload
from images_app.sharing import create_link
from images_app.uploads.receiving import Target
from images_app.uploads.resuming import begin
from tests.pictures import picture

READERS = ("reading_post", "reading_files", "reading_body")
THIEVES = ("reading_stream", "reading_a_little")
FORM = "application/x-www-form-urlencoded"
PART = "application/offset+octet-stream"
NEW = picture(color=(9, 9, 9))
TUS = {"Tus-Resumable": "1.0.0"}


def file(content=None, name="a.jpg"):
    return SimpleUploadedFile(name, picture() if content is None else content)


class Site:
    """A gallery with an image and a link, and each request that brings a body there."""

    def __init__(self, user, gallery, image):
        self.user, self.gallery, self.image = user, gallery, image
        viewer = Viewer(user=user)
        self.link, token = create_link(viewer, gallery, level=Level.VIEW, password="word")
        self.part = picture(color=(1, 2, 3))
        upload = begin(viewer, Target(gallery=gallery), length=len(self.part), metadata="")
        here = {"public_id": gallery.public_id}
        there = f"?gallery={gallery.public_id}"
        part = self.url("resumable_part", public_id=upload.public_id)
        patch = {**TUS, "Upload-Offset": "0"}
        link = {"public_id": self.link.public_id}
        # Each: method, address, body, its type, headers, the right status.
        self.requests = {
            "upload": self.multipart(self.url("upload") + there, 201, file=file(NEW)),
            "add": self.multipart(self.url("add_images", **here), 302, images=[file(), file()]),
            "admin add": self.multipart("/admin/images_app/image/add/", 302, images=[file()]),
            "admin replace": self.multipart(
                f"/admin/images_app/image/{image.pk}/replace/", 302, file=file()
            ),
            "arrange": self.form(self.url("arrange", **here), 302, b"image=none"),
            "arrange multipart": self.multipart(self.url("arrange", **here), 302, image="none"),
            "share": self.form(self.url("gallery_links", **here), 200, b"level=20&days=7"),
            "password": self.form(self.url("link_password", **link), 302, b"password=other"),
            "revoke": self.form(self.url("revoke_link", **link), 302, b"x=y"),
            "unlock": self.form(self.url("shared", token=token), 302, b"password=word"),
            "login": self.form(reverse("login"), 302, b"username=owner&password=secret"),
            "edit": self.json(
                self.url("edit_images"), {"id": str(image.public_id), "title": "New"}
            ),
            "order": self.json(self.url("order_images", **here), str(image.public_id)),
            "begin": ("POST", self.url("resumable") + there, b"x", "text/plain", TUS, 201),
            "part": ("PATCH", part, self.part, PART, patch, 200),
            "part by POST": (
                *("POST", part, self.part, PART),
                {**patch, "X-HTTP-Method-Override": "PATCH"},
                200,
            ),
        }
        begun = {**TUS, "Upload-Length": "5"}
        self.requests["begin"] = (*self.requests["begin"][:4], begun, 201)

    @staticmethod
    def url(name, **kwargs):
        return reverse(f"images_app:{name}", kwargs=kwargs)

    @staticmethod
    def multipart(url, status, **fields):
        return "POST", url, encode_multipart(BOUNDARY, fields), MULTIPART_CONTENT, {}, status

    @staticmethod
    def form(url, status, content):
        return "POST", url, content, FORM, {}, status

    @staticmethod
    def json(url, *images):
        return "POST", url, json.dumps({"images": images}), "application/json", {}, 200

    def ask(self, server, name, **changes):
        method, url, content, content_type, headers, _ = self.requests[name]
        content = changes.get("content", content)
        kind = {"wsgi": Client, "asgi": AsyncClient}[server]
        client = kind(raise_request_exception=False)
        if name not in {"unlock", "login"}:
            client.force_login(self.user)
        given = (method, url, content, content_type)
        if server == "wsgi":
            return client.generic(*given, headers=headers)

        async def ask():
            return await client.generic(*given, headers=headers)

        return async_to_sync(ask)()


NAMES = (
    *("upload", "add", "admin add", "admin replace", "arrange", "arrange multipart", "share"),
    *("password", "revoke", "unlock", "login", "edit", "order", "begin", "part", "part by POST"),
)
IN_JSON = {"upload", "edit", "order", "begin", "part", "part by POST"}


@pytest.fixture
def site(make_user, make_gallery, make_image):
    user = make_user("owner", is_staff=True, is_superuser=True)
    gallery = make_gallery(owner=user)
    return Site(user, gallery, make_image(owner=user, gallery=gallery))


@pytest.fixture(params=["wsgi", "asgi"])
def server(request):
    return request.param


def behind(settings, reader):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:-1], f"tests.reading.{reader}"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reader", [None, *READERS])
def test_read__is_taken_all_the_same(settings, site, server, name, reader):
    settings.IMAGES_APP = {"FORMATS": ["jpeg"]}
    if reader is not None:
        behind(settings, reader)
    before = Image.objects.count()
    response = site.ask(server, name)
    assert response.status_code == site.requests[name][5], response.content
    added = {"upload": 0, "add": 2, "admin add": 1, "part": 1, "part by POST": 1}
    if name == "upload":
        assert response.json()["image"]
    assert Image.objects.count() - before == (1 if name == "upload" else added.get(name, 0))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("thief", THIEVES)
def test_lost__is_refused_in_words(settings, site, server, caplog, files, name, thief):
    behind(settings, thief)
    before = files()
    response = site.ask(server, name)
    assert response.status_code == 400
    if name in IN_JSON:
        assert response.json()["error"]["code"] == "read_before"
    else:
        assert response.content.startswith(b"A part of this site has read what you sent")
    assert "code=read_before" in caplog.text
    assert files() == before
    assert "images_app:shared" in caplog.text or name != "unlock"
    assert site.requests["unlock"][1].split("/")[-2] not in caplog.text
    site.link.refresh_from_db()
    assert site.link.wrong_guesses == 0


@pytest.mark.parametrize("reader", READERS)
def test_limits__of_one_file_hold(settings, site, server, files, reader):
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": 5000}
    behind(settings, reader)
    before = files()
    large = encode_multipart(BOUNDARY, {"file": file(b"x" * 5001)})
    response = site.ask(server, "upload", content=large)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")
    two = encode_multipart(BOUNDARY, {"file": [file(), file()]})
    response = site.ask(server, "upload", content=two)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "one_file")
    longer = encode_multipart(BOUNDARY, {"file": file(b"x" * (5000 + 2**20))})
    response = site.ask(server, "upload", content=longer)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")
    assert files() == before


@pytest.mark.parametrize("reader", READERS)
def test_limits__the_good_files_of_a_form_are_taken(settings, site, server, reader):
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": 5000}
    behind(settings, reader)
    good = picture()
    some = {"images": [file(b"x" * 70_000, "big.jpg"), file(good, "good.jpg")]}
    response = site.ask(server, "add", content=encode_multipart(BOUNDARY, some))
    assert response.status_code == 400
    assert b"big.jpg: The file is larger than the allowed" in response.content
    assert [image.file_name for image in Image.objects.filter(file_name="good.jpg")]


@pytest.mark.parametrize("reader", READERS)
def test_limits__quotas_hold(settings, site, server, reader):
    settings.IMAGES_APP = {"MAX_GALLERY_IMAGES": 1}
    behind(settings, reader)
    response = site.ask(server, "upload")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "quota_gallery")
    assert Image.objects.count() == 1


def test_limits__leave_no_temporary_file(settings, site, server, tmp_path):
    settings.FILE_UPLOAD_TEMP_DIR = folder = tmp_path / "temporary"
    settings.FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": 5000}
    folder.mkdir()
    behind(settings, "reading_post")
    for sent in ([file(b"x" * 6000)], [file(), file()], [file()]):
        site.ask(server, "upload", content=encode_multipart(BOUNDARY, {"file": sent})).close()
        assert list(folder.iterdir()) == []


def test_broken__and_forgotten_by_the_middleware_is_told(settings, site, server):
    behind(settings, "reading_post_carefully")
    response = site.ask(server, "upload", content=b"no boundary at all")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "unreadable")


@pytest.mark.parametrize("reader", [*READERS, *THIEVES])
def test_nothing__can_be_read_before(settings, site, server, reader):
    behind(settings, reader)
    site.requests["revoke"] = ("POST", site.requests["revoke"][1], b"", FORM, {}, 302)
    assert site.ask(server, "revoke").status_code == 302


@pytest.mark.parametrize("reader", READERS)
def test_form__without_a_field_is_a_form(settings, site, server, reader):
    behind(settings, reader)
    site.requests["revoke"] = site.multipart(site.requests["revoke"][1], 302)
    assert site.ask(server, "revoke").status_code == 302


def test_part__that_was_read_has_its_checksum_checked(settings, site, server):
    behind(settings, "reading_body")
    method, url, content, kind, headers, _ = site.requests["part"]
    headers = {**headers, "Upload-Checksum": "sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA="}
    site.requests["part"] = (method, url, content, kind, headers, 460)
    assert site.ask(server, "part").status_code == 460
    assert PartialUpload.objects.get().offset == 0
