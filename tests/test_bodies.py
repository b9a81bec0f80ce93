"""Bodies: of a large one no address reads more than a few kB, whoever sends it and by what.

The addresses are those of the whole project but Django's admin; a new one fails here until it
says what it takes.
"""

from __future__ import annotations

import asyncio
import json

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client, RequestFactory
from django.urls import get_resolver, reverse

from images_app.access import Level, Viewer
from images_app.asgi import BodyLimit
from images_app.bodies import FILES, intake_of
from images_app.sharing import create_link
from images_app.uploads.receiving import Target
from images_app.uploads.resuming import begin

LARGE = 60 * 2**20
FEW = 16 * 1024
BOUNDARY = "b"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
HEAD = (
    b"--b\r\n"
    b'Content-Disposition: form-data; name="file"; filename="a.jpg"\r\n'
    b"Content-Type: image/jpeg\r\n\r\n"
)
END = b"\r\n--b--\r\n"
TUS = {"Tus-Resumable": "1.0.0"}

READ_ONLY = (405, 405)
FORM = (413, 413)
# What comes of 60 MB: sent by a stranger, by who may do everything.
ANSWERS = {
    "gallery_list": READ_ONLY,
    "gallery": READ_ONLY,
    "image": READ_ONLY,
    "upload_place": READ_ONLY,
    "original": READ_ONLY,
    "rendition": READ_ONLY,
    "decision": READ_ONLY,
    "no_original": READ_ONLY,
    "no_rendition": READ_ONLY,
    "healthz": READ_ONLY,
    "readyz": READ_ONLY,
    "links": FORM,
    "gallery_links": FORM,
    "image_links": FORM,
    "revoke_link": FORM,
    "link_password": FORM,
    "shared": FORM,
    "shared_otherwise": FORM,
    "login": FORM,
    "logout": FORM,
    "arrange": (302, 413),
    "add_images": (302, 413),
    "upload": (401, 413),
    "edit_images": (401, 415),
    "order_images": (401, 415),
    "resumable": (401, 415),
    "resumable_part": (405, 405),
}
IN_JSON = {"upload", "edit_images", "order_images", "resumable", "resumable_part"}


def callbacks(patterns=None):
    """Every view of the project by its name, but those of Django's admin."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if getattr(pattern, "app_name", "") == "admin":
            continue
        if hasattr(pattern, "url_patterns"):
            yield from callbacks(pattern.url_patterns)
        else:
            yield pattern.name, pattern.callback


class Site:
    """A gallery with an image, a link and a begun upload, and who may do everything with them."""

    def __init__(self, client, user, gallery, image):
        self.user, self.gallery, self.image = user, gallery, image
        viewer = Viewer(user=user)
        link, token = create_link(viewer, gallery, level=Level.VIEW)
        upload = begin(viewer, Target(gallery=gallery), length=1000, metadata="")
        key, version = {"public_id": image.public_id}, {"version": "1", "file_name": "a.jpg"}
        self.arguments = {
            "gallery": {"public_id": gallery.public_id},
            "gallery_links": {"public_id": gallery.public_id},
            "add_images": {"public_id": gallery.public_id},
            "arrange": {"public_id": gallery.public_id},
            "order_images": {"public_id": gallery.public_id},
            "image": key,
            "image_links": key,
            "original": {**key, "file_name": "1.jpg"},
            "rendition": {**key, **version},
            "decision": {**key, **version},
            "resumable_part": {"public_id": upload.public_id},
            "revoke_link": {"public_id": link.public_id},
            "link_password": {"public_id": link.public_id},
            "shared": {"token": token},
            "shared_otherwise": {"token": f"{token}/."},
            "no_original": {"rest": "x"},
            "no_rendition": {"rest": "x"},
        }
        client.force_login(user)
        self.session = "; ".join(f"{name}={each.value}" for name, each in client.cookies.items())

    def url(self, name):
        names = {"healthz", "readyz", "login", "logout"}
        found = reverse(
            name if name in names else f"images_app:{name}", kwargs=self.arguments.get(name)
        )
        return f"{found}?gallery={self.gallery.public_id}" if name in IN_JSON else found


@pytest.fixture
def site(client, make_user, make_gallery, make_image):
    user = make_user("owner", is_staff=True)
    gallery = make_gallery(owner=user)
    return Site(client, user, gallery, make_image(owner=user, gallery=gallery))


class Stream:
    """A body that is made while it is read, and counts what was."""

    def __init__(self, length):
        self.length, self.read_bytes = length, 0

    def read(self, size=-1):
        start = self.read_bytes
        stop = self.length if size < 0 else min(self.length, start + size)
        self.read_bytes = stop
        whole = HEAD.ljust(stop - start, b"x") if start == 0 else b"x" * (stop - start)
        if stop == self.length:
            whole = whole[: -len(END)] + END
        return whole[: stop - start]

    readline = read


def ask_wsgi(site, url, length, *, cookie, content_type=MULTIPART):
    """Status, body of the answer, and the bytes of the request that were read."""
    stream = Stream(length)
    request = RequestFactory().generic("POST", url, headers=TUS)
    environ = {
        **request.environ,
        "wsgi.input": stream,
        "CONTENT_LENGTH": str(length),
        "CONTENT_TYPE": content_type,
    }
    # Anybody may send this cookie; with it, Django's own CSRF check reads the body for its field.
    environ["HTTP_COOKIE"] = f"csrftoken={'a' * 32}; {cookie}"
    started = []
    answer = WSGIHandler()(environ, lambda *given: started.append(given))
    content = b"".join(answer)
    answer.close()
    return int(started[0][0][:3]), content, stream.read_bytes


def ask_asgi(
    site,
    url,
    length,
    *,
    cookie,
    content_type=MULTIPART,
    is_said=True,
    root_path="",
    most=None,
    **headers,
):
    """As ask_wsgi; ``is_said`` tells the length, ``most`` is what the wrapper lets in."""
    stream = Stream(length)
    path, _, query = url.partition("?")
    given = {
        "Content-Type": content_type,
        "Cookie": f"csrftoken={'a' * 32}; {cookie}",
        "Host": "testserver",
        **TUS,
    }
    if is_said:
        given["Content-Length"] = str(length)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "root_path": root_path,
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
    }
    messages = []

    async def receive():
        if stream.read_bytes == length:
            return await asyncio.Event().wait()
        block = stream.read(4096)
        more = stream.read_bytes < length
        return {"type": "http.request", "body": block, "more_body": more}

    async def send(message):
        messages.append(message)

    async_to_sync(BodyLimit(ASGIHandler(), most))(scope, receive, send)
    content = b"".join(message.get("body", b"") for message in messages[1:])
    return messages[0]["status"], content, stream.read_bytes


def test_every_address__says_what_it_takes():
    found = dict(callbacks())
    assert found.keys() == ANSWERS.keys()
    assert [name for name, view in found.items() if intake_of(view) is None] == []
    takes_files = {name for name, view in found.items() if intake_of(view) is FILES}
    assert takes_files == {"upload", "add_images"}


@pytest.fixture
def temporary(settings, tmp_path):
    """Where uploads would wait while they arrive."""
    settings.FILE_UPLOAD_TEMP_DIR = folder = tmp_path / "temporary"
    settings.FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
    folder.mkdir()
    return folder


@pytest.fixture
def spooled(monkeypatch):
    """What temporary files of any kind were given, in bytes."""
    from django.core.files.uploadhandler import TemporaryFileUploadHandler

    sizes = []
    original = TemporaryFileUploadHandler.receive_data_chunk

    def noting(self, data, start):
        sizes.append(len(data))
        return original(self, data, start)

    monkeypatch.setattr(TemporaryFileUploadHandler, "receive_data_chunk", noting)
    return sizes


@pytest.mark.parametrize("who", ["stranger", "owner"])
@pytest.mark.parametrize("name", ANSWERS)
def test_wsgi__of_60_mb_nothing_is_read(settings, site, temporary, spooled, name, who):
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": 2**20}
    cookie = site.session if who == "owner" else ""
    status, content, read = ask_wsgi(site, site.url(name), LARGE, cookie=cookie)
    assert (status, read) == (ANSWERS[name][who == "owner"], 0)
    assert list(temporary.iterdir()) == spooled == []
    if name in IN_JSON:
        assert json.loads(content)["error"]["code"]


@pytest.mark.parametrize("name", ["upload", "add_images"])
def test_wsgi__of_a_strangers_file_nothing_is_read(site, temporary, spooled, name):
    status, _, read = ask_wsgi(site, site.url(name), LARGE, cookie="")
    assert (status, read) == (ANSWERS[name][0], 0)
    assert list(temporary.iterdir()) == spooled == []


@pytest.mark.parametrize("is_said", [True, False])
@pytest.mark.parametrize("who", ["stranger", "owner"])
@pytest.mark.parametrize("name", ANSWERS)
def test_asgi__of_60_mb_a_few_kb_are_read(settings, site, temporary, spooled, name, who, is_said):
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": 2**20}
    cookie = site.session if who == "owner" else ""
    intake = intake_of(dict(callbacks())[name])
    most = 2**21 if intake.most_bytes is None else intake.most_bytes()
    status, content, read = ask_asgi(site, site.url(name), LARGE, cookie=cookie, is_said=is_said)
    if most == 0:
        assert status == 405
    elif is_said:
        assert status == (413 if intake.takes_multipart else 415)
    else:
        assert status == 413
    assert read <= (0 if is_said else most + 4096)
    assert list(temporary.iterdir()) == spooled == []
    if most != 0:
        assert json.loads(content)["error"]["code"]


TAKES_POST = [name for name, answers in ANSWERS.items() if answers != READ_ONLY]


@pytest.mark.parametrize("name", [name for name in TAKES_POST if "shared" not in name])
def test_csrf__is_checked_by_every_gate(site, name):
    client = Client(enforce_csrf_checks=True)
    client.force_login(site.user)
    given = {"content_type": "application/json"} if name in IN_JSON else {}
    response = client.post(site.url(name), {}, headers={**TUS, "Upload-Length": "5"}, **given)
    assert response.status_code == 403


@pytest.mark.parametrize("name", ["edit_images", "order_images", "resumable"])
def test_multipart__is_a_415_where_no_form_is_expected(site, client, name):
    response = client.post(site.url(name), {"images": "[]"}, headers=TUS)
    assert response.status_code == 415
    assert response.json()["error"]["code"] == "unsupported"
    status, content, _ = ask_asgi(site, site.url(name), 1000, cookie=site.session)
    assert (status, json.loads(content)["error"]["code"]) == (415, "unsupported")


@pytest.mark.parametrize("name", ["gallery_links", "link_password", "login", "arrange"])
def test_small_form__keeps_no_file_and_takes_the_rest(site, client, spooled, monkeypatch, name):
    seen = []

    def noting(request, view):
        seen.append((request.POST.dict(), len(request.FILES)))
        return view()

    monkeypatch.setattr("images_app.uploads.small.protected", noting)
    file = SimpleUploadedFile("a.jpg", b"x" * 1000)
    response = client.post(site.url(name), {"password": "word", "file": file})
    assert response.status_code in {200, 302, 400}
    assert (seen, spooled) == ([({"password": "word"}, 0)], [])


def test_small_form__has_room_for_the_longest_password(site, client):
    response = client.post(site.url("link_password"), {"password": "\N{PARTY POPPER}" * 1000})
    assert response.status_code == 302


def test_long_form__is_bounded_by_djangos_limit(settings, site, client):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 50_000
    assert client.post(site.url("arrange"), {"x": "y" * 40_000}).status_code == 302
    assert client.post(site.url("arrange"), {"x": "y" * 60_000}).status_code == 413
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    assert client.post(site.url("arrange"), {"x": "y" * 60_000}).status_code == 302
    assert client.post(site.url("arrange"), {"x": "y" * 3_000_000}).status_code == 413


@pytest.mark.parametrize(
    ("prefix", "root"), [("", ""), ("/de", ""), ("/below", "/below"), ("/below/de", "/below")]
)
def test_asgi__finds_its_addresses_below_any_prefix(settings, db, prefix, root):
    if prefix.endswith("/de"):
        settings.ROOT_URLCONF = "tests.in_languages"
    url = f"{prefix}/links/00000000-0000-4000-8000-000000000000/revoke/"
    status, _, read = ask_asgi(None, url, FEW + 1, cookie="", root_path=root)
    assert (status, read) == (413, 0)


def test_asgi__of_other_addresses_the_wrappers_limit_holds(settings, db):
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": 2**20}
    assert ask_asgi(None, "/admin/login/", FEW + 1, cookie="")[0] == 403
    assert ask_asgi(None, "/nowhere/", FEW + 1, cookie="")[0] == 404
    assert ask_asgi(None, "/nowhere/", 3 * 2**20, cookie="")[0] == 413


def test_asgi__the_smaller_of_two_limits_holds(site):
    status, _, read = ask_asgi(site, site.url("login"), 2000, cookie="", most=1000)
    assert (status, read) == (413, 0)
