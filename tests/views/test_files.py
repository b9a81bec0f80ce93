"""The bytes over HTTP: one header set, no needless work, and nothing told but the picture."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath

import pytest
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.http.response import HttpResponseBase
from django.test import Client
from PIL import ExifTags, PngImagePlugin
from PIL import Image as PillowImage

from images_app.conf import ORIGINALS, RENDITIONS, get_settings
from images_app.engines.bounded import BoundedEngine
from images_app.models import Grant, Image, Rendition
from images_app.renditions import rendition_url, sources
from images_app.views import files
from tests.pictures import body, noise, opened, picture, upload

pytestmark = pytest.mark.django_db
CONTENT_HEADERS = {"Content-Length", "Content-Type", "Content-Disposition", "Content-Range"}
PRIVATE_HEADERS = {
    "Cache-Control": "private, max-age=600, immutable",
    "Vary": "Cookie",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "Accept-Ranges": "bytes",
}
PUBLIC_HEADERS = {
    "Cache-Control": "public, max-age=600, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Accept-Ranges": "bytes",
}


@pytest.fixture
def owner(make_user):
    return make_user("owner")


@pytest.fixture
def image(make_image, owner, make_gallery):
    """An image in a private gallery."""
    return make_image(owner=owner, gallery=make_gallery(owner=owner), size=(640, 480))


@pytest.fixture
def public_image(make_image, make_gallery):
    """An image in a public gallery."""
    return make_image(gallery=make_gallery(visibility="public"), size=(640, 480))


@pytest.fixture
def mine(client_of, owner):
    """The owner's client."""
    return client_of(owner)


@pytest.fixture
def no_work(monkeypatch):
    """From the call on, opening or saving any stored file and rendering fail the test."""

    def forbid():
        def fail(*args, **kwargs):
            pytest.fail("touched")

        for alias in (ORIGINALS, RENDITIONS):
            for method in ("open", "save", "exists", "size", "delete"):
                monkeypatch.setattr(storages[alias], method, fail)
        monkeypatch.setattr(BoundedEngine, "render", fail)
        monkeypatch.setattr(PillowImage, "open", fail)

    return forbid


def thumb(image) -> str:
    return rendition_url(image, "thumb")


def original(image) -> str:
    return image.original_url


each_kind = pytest.mark.parametrize("url_of", [thumb, original])


def finished(response: HttpResponseBase) -> HttpResponseBase:
    """The response, with its file closed."""
    response.close()
    return response


# --- headers ----------------------------------------------------------------------------------


def shared_headers(response) -> dict[str, str]:
    return {
        name: value
        for name, value in response.headers.items()
        if name not in CONTENT_HEADERS | {"Accept-Ranges"}
    }


@each_kind
def test_headers__are_the_whole_set_on_200_206_and_304(mine, image, url_of):
    url = url_of(image)
    whole = finished(mine.get(url))
    part = finished(mine.get(url, headers={"Range": "bytes=0-9"}))
    unchanged = mine.get(url, headers={"If-None-Match": whole["ETag"]})
    assert [r.status_code for r in (whole, part, unchanged)] == [200, 206, 304]
    assert shared_headers(whole) == shared_headers(part) == shared_headers(unchanged)
    assert (
        shared_headers(whole).items()
        >= {
            name: value for name, value in PRIVATE_HEADERS.items() if name != "Accept-Ranges"
        }.items()
    )
    assert part["Content-Range"] == f"bytes 0-9/{whole['Content-Length']}"


@each_kind
def test_headers__of_head_equal_those_of_get(mine, image, url_of):
    got = mine.get(url_of(image))
    content = body(got)
    head = mine.head(url_of(image))
    assert dict(head.headers) == dict(got.headers)
    assert head.content == b""
    assert int(head["Content-Length"]) == len(content)


@each_kind
def test_headers__of_private_images_are_private(mine, image, url_of):
    response = finished(mine.get(url_of(image)))
    assert response.headers.items() >= PRIVATE_HEADERS.items()


def test_headers__of_public_images_are_public_without_a_session(client, public_image):
    response = finished(client.get(thumb(public_image)))
    assert response.headers.items() >= PUBLIC_HEADERS.items()
    for name in ("Vary", "Set-Cookie", "X-Robots-Tag"):
        assert name not in response.headers
    assert response.cookies == {}


def test_headers__of_public_images_are_private_with_a_session(mine, public_image):
    """A shared cache must not keep what came with someone's cookie."""
    response = finished(mine.get(thumb(public_image)))
    assert response.headers.items() >= PRIVATE_HEADERS.items()


def test_headers__of_public_images_are_private_with_any_session_cookie(
    client, public_image, settings
):
    client.cookies[settings.SESSION_COOKIE_NAME] = "made-up"
    response = finished(client.get(thumb(public_image)))
    assert response["Cache-Control"].startswith("private")
    assert "Cookie" in response["Vary"]


def test_session__is_not_touched_for_a_public_image(client, public_image, settings):
    """Not even with a session that is saved on every request."""
    settings.SESSION_SAVE_EVERY_REQUEST = True
    response = finished(client.get(thumb(public_image)))
    assert response.cookies == {}
    assert "Vary" not in response.headers


@pytest.mark.parametrize(
    ("max_age", "expected"),
    [(0, "private, no-cache"), (60, "private, max-age=60, immutable")],
)
def test_cache_control__is_the_presets_and_the_settings(mine, image, settings, max_age, expected):
    changed = {"fit": "cover", "width": 99, "height": 99, "formats": ["jpeg"], "max_age": max_age}
    settings.IMAGES_APP = {"ORIGINAL_MAX_AGE": max_age, "PRESETS": {"thumb": changed}}
    for url in (thumb(image), original(image)):
        assert finished(mine.get(url))["Cache-Control"] == expected


def test_etag__is_strong_for_originals_and_weak_for_renditions(mine, image):
    assert finished(mine.get(original(image)))["ETag"] == '"1-original"'
    etag = finished(mine.get(thumb(image)))["ETag"]
    assert etag.startswith('W/"1-')
    assert image.checksum not in etag


def test_etag__changes_with_the_version(mine, image):
    before = finished(mine.get(original(image)))["ETag"]
    image.focal_x = 0.1
    image.save()
    response = finished(mine.get(original(image), headers={"If-None-Match": before}))
    assert (response.status_code, response["ETag"]) == (200, '"2-original"')


# --- type and name ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["evil.html", "evil.svg", "noextension", "a.php", "x.js"])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "WEBP", "AVIF"])
def test_type__comes_from_the_record_never_from_the_name(
    mine, make_image, owner, name, image_format
):
    image = make_image(name=name, image_format=image_format, owner=owner)
    response = mine.get(original(image))
    assert response["Content-Type"] == f"image/{image_format.lower()}"
    assert opened(body(response)).format == image_format


@pytest.mark.parametrize("image_format", ["avif", "webp", "jpeg"])
def test_type__of_renditions_is_that_of_their_bytes(mine, image, image_format):
    response = mine.get(rendition_url(image, "ladder", image_format=image_format))
    assert response["Content-Type"] == f"image/{image_format}"
    assert opened(body(response)).format == image_format.upper()


@pytest.mark.parametrize(
    ("query", "disposition"),
    [
        ("", 'inline; filename="cat.jpg"'),
        ("?download", 'attachment; filename="cat.jpg"'),
        ("?download=1", 'attachment; filename="cat.jpg"'),
        ("?other", 'inline; filename="cat.jpg"'),
    ],
)
def test_download__is_an_attachment(mine, image, query, disposition):
    response = finished(mine.get(original(image) + query))
    assert response["Content-Disposition"] == disposition


def test_download__has_a_name_even_without_one(mine, image):
    Image.objects.update(file_name="")
    response = finished(mine.get(original(image) + "?download"))
    assert response["Content-Disposition"] == 'attachment; filename="1.jpg"'


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Müller.jpg", "filename*=utf-8''M%C3%BCller.jpg"),
        ('a"b.jpg', 'filename="a\\"b.jpg"'),
        ("a\r\nSet-Cookie: x=y.jpg", 'filename="a_Set-Cookie_ x=y.jpg"'),
    ],
)
def test_download__names_are_encoded(mine, make_image, owner, name, expected):
    image = make_image(owner=owner)
    Image.objects.filter(pk=image.pk).update(file_name=name)
    response = finished(mine.get(original(image) + "?download"))
    assert response["Content-Disposition"] == f"attachment; {expected}"


@pytest.mark.parametrize(("title", "expected"), [("A cat", "A cat.jpg"), ("", "{}.jpg")])
def test_rendition__is_named_by_its_title(mine, image, title, expected):
    Image.objects.update(title=title)
    response = finished(mine.get(thumb(image) + "?download"))
    name = expected.format(image.public_id)
    assert response["Content-Disposition"] == f'inline; filename="{name}"'


# --- addresses and viewers --------------------------------------------------------------------


def test_address__of_another_version_or_format_is_absent_to_the_owner_too(mine, image):
    right_ones = [thumb(image), original(image)]
    image.focal_x = 0.1
    image.save()
    wrong = original(image).replace("2.jpg", "2.png"), original(image).replace("2.", "3.")
    for url in (*right_ones, *wrong):
        response = mine.get(url)
        assert (response.status_code, response["Cache-Control"]) == (404, "no-store"), url
    for url in (thumb(image), original(image)):
        assert finished(mine.get(url)).status_code == 200


@pytest.mark.parametrize("version", ["01", "1.0", "+1", "1e0", "-1", "٣"])
def test_address__has_one_spelling(mine, image, version):
    assert mine.get(original(image).replace("/1.", f"/{version}.")).status_code == 404


@pytest.mark.parametrize("version", ["01", "1.0", "+1", "-1", "٣"])
def test_address__of_a_rendition_has_one_spelling(mine, image, version):
    response = mine.get(thumb(image).replace("/1/", f"/{version}/"))
    assert (response.status_code, response["Cache-Control"]) == (404, "no-store")


def test_user__known_without_a_session_is_served_privately(rf, image, owner):
    """By a client certificate, say, or a header that a proxy sets."""
    request = rf.get(original(image))
    request.user = owner
    name = original(image).rsplit("/", 1)[1]
    response = files.original(request, public_id=image.public_id, file_name=name)
    assert response.status_code == 200
    assert response["Cache-Control"].startswith("private")
    finished(response)


# --- 304 and cost -----------------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize("tag", ["{etag}", "W/{strong}", '"other", {etag}', "*"])
def test_304__touches_no_storage_and_makes_nothing(mine, image, no_work, url_of, tag):
    url = url_of(image)
    etag = finished(mine.get(url))["ETag"]
    Rendition.objects.all()._raw_delete("default")
    no_work()
    tag = tag.format(etag=etag, strong=etag.removeprefix("W/"))
    response = mine.get(url, headers={"If-None-Match": tag})
    assert (response.status_code, body(response)) == (304, b"")
    assert "Content-Length" not in response.headers
    assert not Rendition.objects.exists()


@each_kind
def test_304__is_only_for_those_who_may_see(client, image, mine, make_user, url_of):
    etag = finished(mine.get(url_of(image)))["ETag"]
    client.force_login(make_user("stranger"))
    response = client.get(url_of(image), headers={"If-None-Match": etag})
    assert response.status_code == 404
    assert "ETag" not in response.headers


@each_kind
def test_404__touches_no_storage_and_makes_nothing(client, image, no_work, url_of):
    no_work()
    for method in (client.get, client.head):
        response = method(url_of(image))
        assert (response.status_code, response["Cache-Control"]) == (404, "no-store")


@each_kind
@pytest.mark.parametrize(("engine", "expected"), [("db", 3), ("cache", 2)])
def test_queries__are_session_user_and_image(
    client_of, make_user, image, settings, url_of, engine, expected, django_assert_num_queries
):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    user = make_user("friend")
    Grant.objects.create(user=user, image=image, level=30)
    client = client_of(user)
    finished(client.get(url_of(image)))  # made by now
    with django_assert_num_queries(expected):
        finished(client.get(url_of(image)))
    with django_assert_num_queries(expected):
        client.get(url_of(image), headers={"If-None-Match": "*"})


def test_queries__are_one_for_a_public_rendition(client, public_image, django_assert_num_queries):
    finished(client.get(thumb(public_image)))
    with django_assert_num_queries(1):
        finished(client.get(thumb(public_image)))
    with django_assert_num_queries(1):
        client.get(thumb(public_image), headers={"If-None-Match": "*"})


def test_queries__are_none_for_what_no_preset_makes(client, image, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.get(f"/renditions/{image.public_id}/1/0123456789abcdef.jpg")


# --- bytes that are not there -----------------------------------------------------------------


def take_away(image):
    for rendition in image.renditions.all():
        storages[RENDITIONS].delete(rendition.storage_name)
    storages[ORIGINALS].delete(image.storage_name)


@each_kind
@pytest.mark.parametrize("was_made", [True, False])
@pytest.mark.parametrize("method", ["get", "head"])
def test_410__is_for_a_record_without_bytes(mine, image, caplog, url_of, was_made, method):
    if was_made:
        finished(mine.get(url_of(image)))
    take_away(image)
    response = getattr(mine, method)(url_of(image))
    assert (response.status_code, response["Cache-Control"]) == (410, "no-store")
    assert "Retry-After" not in response.headers
    assert "ETag" not in response.headers
    assert f"bytes_gone: The file of this image is gone. image={image.public_id}" in caplog.text
    assert image.storage_name not in caplog.text
    assert {r.levelname for r in caplog.records if r.name == "images_app.views"} == {"ERROR"}


@each_kind
@pytest.mark.parametrize("error", [OSError("/secret"), RuntimeError("bucket")], ids=repr)
def test_503__is_for_a_storage_that_cannot_be_asked(
    mine, image, monkeypatch, caplog, url_of, error
):
    finished(mine.get(url_of(image)))

    def fail(*args, **kwargs):
        raise error

    for alias in (ORIGINALS, RENDITIONS):
        monkeypatch.setattr(storages[alias], "open", fail)
    response = mine.get(url_of(image))
    assert (response.status_code, response["Cache-Control"]) == (503, "no-store")
    assert response["Retry-After"] == "5"
    assert b"secret" not in response.content
    assert "code=storage_unavailable" in caplog.text


def test_503__is_for_an_original_that_cannot_be_decoded_any_more(mine, image, caplog):
    with storages[ORIGINALS].open(image.storage_name) as file:
        content = file.read()
    storages[ORIGINALS].delete(image.storage_name)
    storages[ORIGINALS].save(image.storage_name, upload(content=content[:500]))
    response = mine.get(thumb(image))
    assert (response.status_code, response["Cache-Control"]) == (503, "no-store")
    assert response["Retry-After"] == "60"
    assert "render_failed" in caplog.text
    assert not Rendition.objects.exists()


@each_kind
def test_errors__of_bytes_are_404_to_those_who_may_not_see(client, image, url_of):
    take_away(image)
    assert client.get(url_of(image)).status_code == 404


def cut(alias, name, length):
    """Leave so many bytes of a stored file; more than it has adds some."""
    with storages[alias].open(name) as file:
        content = file.read()
    storages[alias].delete(name)
    file = ContentFile((content + b"more")[:length] if length else b"")
    assert storages[alias].save(name, file) == name


@pytest.mark.parametrize("length", [0, 1, 100, 2**20], ids=["empty", "one", "cut", "longer"])
@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9"}, {"Range": "bytes=200-"}], ids=str)
@pytest.mark.parametrize("method", ["get", "head"])
def test_410__is_for_an_original_of_another_length(mine, image, caplog, length, headers, method):
    cut(ORIGINALS, image.storage_name, length)
    response = getattr(mine, method)(image.original_url, headers=headers)
    assert (response.status_code, response["Cache-Control"]) == (410, "no-store")
    assert "ETag" not in response.headers
    assert f"bytes_damaged: {length if length < 2**20 else image.byte_size + 4} of" in caplog.text
    assert f"image={image.public_id}" in caplog.text
    assert image.storage_name not in caplog.text


@pytest.mark.folder
@pytest.mark.parametrize("backend", ["NginxDelivery", "XSendfileDelivery"])
def test_410__is_for_an_original_of_another_length_that_a_server_would_send(
    mine, image, settings, backend
):
    settings.IMAGES_APP = {"DELIVERY": {"BACKEND": f"images_app.delivery.{backend}"}}
    assert mine.get(image.original_url).status_code == 200
    cut(ORIGINALS, image.storage_name, 100)
    assert mine.get(image.original_url).status_code == 410


@pytest.mark.parametrize("length", [0, 100])
def test_rendition__of_another_length_is_made_again(mine, image, length):
    content = body(mine.get(thumb(image)))
    cut(RENDITIONS, Rendition.objects.get().storage_name, length)
    assert body(mine.get(thumb(image))) == content


@pytest.mark.folder
def test_original__of_a_storage_that_stores_other_bytes_than_it_reads_is_sent(
    mine, image, monkeypatch
):
    """As one does that encrypts: the length on disk says nothing."""
    with storages[ORIGINALS].open(image.storage_name) as file:
        content = file.read()
    cut(ORIGINALS, image.storage_name, 10)

    class Decrypted(File):
        def read(self, size=-1):
            return plain.read(size)

    plain = io.BytesIO(content)
    path = Path(storages[ORIGINALS].path(image.storage_name))
    monkeypatch.setattr(storages[ORIGINALS], "open", lambda name, mode: Decrypted(path.open("rb")))
    assert b"".join(mine.get(image.original_url)) == content


def test_rendition__whose_file_is_gone_is_made_again(mine, image):
    content = body(mine.get(thumb(image)))
    storages[RENDITIONS].delete(Rendition.objects.get().storage_name)
    assert body(mine.get(thumb(image))) == content


# --- what the picture does not tell -----------------------------------------------------------

SECRETS = (b"SECRET", b"Exif", b"http://ns.adobe.com/xap", b"xmpmeta", b"GPS", b"ICC_PROFILE")
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRET http://ns.adobe.com/xap/1.0/</x:xmpmeta>"


def with_metadata(image_format) -> bytes:
    """A picture that tells everything it could."""
    exif = PillowImage.Exif()
    exif[ExifTags.Base.Artist] = "SECRET"
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.UserComment: b"ASCII\0\0\0SECRET"}
    exif[ExifTags.IFD.GPSInfo] = {1: "N", 2: (48.0, 8.0, 24.0), 3: "E", 4: (11.0, 34.0, 12.0)}
    if image_format == "GIF":
        return picture("GIF", size=(640, 480), comment=b"SECRET")
    if image_format == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", "SECRET")
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        return picture("PNG", size=(640, 480), exif=exif, pnginfo=text)
    comment = {"comment": b"SECRET"} if image_format == "JPEG" else {}
    return picture(image_format, size=(640, 480), exif=exif, xmp=XMP, **comment)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "WEBP", "AVIF"])
def test_metadata__is_in_no_rendition(mine, make_image, owner, image_format):
    content = with_metadata(image_format)
    assert b"SECRET" in content
    image = make_image(owner=owner, content=content)
    served = 0
    for preset in get_settings().presets.values():
        for source in sources(image, preset):
            made = body(mine.get(source.url))
            assert not [secret for secret in SECRETS if secret in made], source
            shown = PillowImage.open(io.BytesIO(made))
            assert not shown.getexif()
            assert not {"exif", "xmp", "comment", "XML:com.adobe.xmp"} & shown.info.keys()
            served += 1
    assert served == 1 + 3 * 2


def test_original__tells_everything_and_only_to_those_who_may_have_it(mine, make_image, owner):
    content = with_metadata("JPEG")
    image = make_image(owner=owner, content=content)
    assert body(mine.get(original(image))) == content


def test_original__is_sent_in_ranges_that_join_to_the_whole(mine, make_image, owner):
    content = noise((900, 700))
    image = make_image(owner=owner, content=content)
    parts = [
        body(mine.get(original(image), headers={"Range": f"bytes={start}-{start + 49_999}"}))
        for start in range(0, len(content), 50_000)
    ]
    assert b"".join(parts) == content


def test_original__is_never_saved_under_another_type(client_of, make_user, make_image):
    """A JPEG that was uploaded as a page does not come back as one."""
    owner = make_user()
    image = make_image(name="invoice.html", owner=owner)
    response = client_of(owner).get(image.original_url + "?download")
    response.close()
    assert response["Content-Disposition"] == 'attachment; filename="invoice.jpg"'


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PROPFIND"])
def test_other_methods__are_405_with_csrf_checks_on(make_gallery, method):
    client = Client(enforce_csrf_checks=True)
    gallery = make_gallery(visibility="public", images=1)
    image = gallery.images.get()
    urls = [image.original_url, rendition_url(image, "thumb")]
    for url in [*urls, image.get_absolute_url(), gallery.get_absolute_url()]:
        response = client.generic(method, url)
        assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")
        assert response["Cache-Control"] == "no-store"


# --- negotiated, animated, foreign ------------------------------------------------------------

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


@pytest.fixture
def automatic(settings):
    settings.IMAGES_APP = {
        "PRESETS": {"auto": {"widths": [64, 128], "format": "auto", "level": "preview"}}
    }


@pytest.mark.usefixtures("automatic")
@pytest.mark.parametrize(
    ("accept", "content_type", "pillow_name"),
    [
        (CHROME, "image/avif", "AVIF"),
        ("image/webp,*/*", "image/webp", "WEBP"),
        ("*/*", "image/jpeg", "JPEG"),
        ("", "image/jpeg", "JPEG"),
    ],
)
def test_auto__one_url_in_the_format_that_is_accepted(
    mine, image, accept, content_type, pillow_name
):
    url = rendition_url(image, "auto", width=128)
    assert url.endswith(".auto")
    answer = mine.get(url, headers={"Accept": accept})
    assert (answer.status_code, answer["Content-Type"]) == (200, content_type)
    assert answer["Vary"] == "Accept, Cookie"
    assert answer["Content-Disposition"].endswith(
        {"JPEG": '.jpg"'}.get(pillow_name, f'.{pillow_name.lower()}"')
    )
    shown = opened(body(answer))
    assert (shown.format, shown.size) == (pillow_name, (128, 96))
    unchanged = mine.get(url, headers={"Accept": accept, "If-None-Match": answer["ETag"]})
    assert (unchanged.status_code, unchanged["Vary"]) == (304, "Accept, Cookie")


@pytest.mark.usefixtures("automatic")
def test_auto__the_tag_of_one_format_does_not_stand_for_another(mine, image):
    url = rendition_url(image, "auto")
    answer = mine.get(url, headers={"Accept": CHROME})
    body(answer)
    other = mine.get(url, headers={"Accept": "*/*", "If-None-Match": answer["ETag"]})
    assert other.status_code == 200
    body(other)


@pytest.mark.usefixtures("automatic")
def test_auto__its_formats_have_no_addresses_of_their_own(mine, image):
    url = rendition_url(image, "auto")
    for extension in ("avif", "webp", "jpg"):
        assert mine.get(url.replace(".auto", f".{extension}")).status_code == 404
    assert Client().get(url, headers={"Accept": CHROME}).status_code == 404


@pytest.fixture
def animation(make_image, owner):
    frames = [PillowImage.new("RGB", (400, 300), color) for color in ("red", "blue", "green")]
    target = io.BytesIO()
    frames[0].save(target, "GIF", save_all=True, append_images=frames[1:], duration=100, loop=0)
    return make_image(owner=owner, content=target.getvalue())


def test_animation__every_source_of_its_picture_moves(mine, animation):
    found = sources(animation, get_settings().presets["ladder"])
    assert [(source.format, source.width) for source in found] == [
        ("webp", 320),
        ("webp", 400),
        ("gif", 320),
        ("gif", 400),
    ]
    for source in found:
        answer = mine.get(source.url)
        assert answer["Content-Type"] == source.content_type
        shown = opened(body(answer))
        assert (shown.n_frames, shown.size) == (3, (source.width, source.height))


def test_animation__has_no_still_address_in_a_preset_that_moves(mine, animation, image):
    still, moving = (sources(each, get_settings().presets["ladder"]) for each in (image, animation))
    for mixed in (still[0].url.replace(str(image.public_id), str(animation.public_id)),):
        assert mine.get(mixed).status_code == 404
    swapped = moving[0].url.replace(str(animation.public_id), str(image.public_id))
    assert mine.get(swapped).status_code == 404


def test_animation__its_thumbnail_is_the_first_frame(mine, animation):
    shown = opened(body(mine.get(rendition_url(animation, "thumb"))))
    assert shown.format == "JPEG"
    red, green, blue = shown.getpixel((9, 9))
    assert red > 200
    assert max(green, blue) < 60


def test_animation__asked_for_in_a_still_format_answers_in_its_last_one(animation):
    assert rendition_url(animation, "ladder", image_format="avif").endswith(".gif")
    assert rendition_url(animation, "ladder", image_format="webp").endswith(".webp")
    with pytest.raises(KeyError):
        rendition_url(animation, "ladder", image_format="png")


@pytest.mark.usefixtures("automatic")
def test_animation__negotiates_between_its_two_formats(mine, animation):
    url = rendition_url(animation, "auto")
    for accept, name in ((CHROME, "WEBP"), ("*/*", "GIF")):
        shown = opened(body(mine.get(url, headers={"Accept": accept})))
        assert (shown.format, shown.n_frames) == (name, 3)


@pytest.mark.parametrize(
    ("image_format", "content_type"), [("BMP", "image/bmp"), ("TIFF", "image/tiff")]
)
def test_foreign__is_shown_converted_and_only_saved_as_it_is(
    mine, make_image, owner, settings, image_format, content_type
):
    settings.IMAGES_APP = {"FORMATS": ["jpeg", "bmp", "tiff"]}
    content = picture(image_format, (400, 300))
    image = make_image(owner=owner, content=content)
    original = mine.get(image.original_url)
    assert original["Content-Type"] == content_type
    assert original["Content-Disposition"].startswith("attachment")
    assert body(original) == content
    for source in sources(image, get_settings().presets["ladder"]):
        shown = opened(body(mine.get(source.url)))
        assert shown.format.lower() == source.format


@pytest.mark.parametrize("title", [".", "..", " . ", "...", "\u202e", "\n", "/"])
def test_title__that_is_no_name_is_offered_as_the_id(make_image, make_user, client_of, title):
    owner = make_user("owner-of-it")
    image = make_image(owner=owner, fields={"title": title})
    for url, extension in ((rendition_url(image, "thumb"), "jpg"), (image.original_url, "jpg")):
        response = client_of(owner).get(url)
        response.close()
        offered = response["Content-Disposition"].partition("filename=")[2].strip('"')
        assert offered not in {extension, f".{extension}", f"_.{extension}x"}
        assert PurePosixPath(offered).stem.strip(". ")


@pytest.mark.parametrize("file_name", [".jpg", "..jpg", "...jpg", "..", ""])
def test_file_name__that_is_no_name_is_offered_as_the_version(
    make_image, make_user, client_of, file_name
):
    owner = make_user("owner-of-it")
    image = make_image(owner=owner)
    Image.objects.update(file_name=file_name)
    response = client_of(owner).get(f"{image.original_url}?download")
    response.close()
    offered = response["Content-Disposition"].partition("filename=")[2].strip('"')
    assert offered in {"1.jpg", "jpg.jpg"}
