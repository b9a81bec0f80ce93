"""Signed URLs of what has been taken away: each way to take it, by each signer."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.auth.models import AnonymousUser, Group
from django.core.cache import caches
from django.core.files.storage import storages
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from images_app import kept
from images_app.access import Level, Viewer
from images_app.conf import RENDITIONS
from images_app.models import Gallery, Grant, Image, ImageQuerySet, Rendition, ShareLink
from images_app.renditions import locating, rendition_url
from images_app.replacing import replace_original
from images_app.sharing import create_link, revoke_link, unlock, unlocked_links
from images_app.trash import restore, trash
from tests.pictures import body, upload

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "0123456789abcdef0123456789abcdef"
LIFETIME = 300
LOCMEM = "django.core.cache.backends.locmem.LocMemCache"


def everything():
    return ImageQuerySet(Image)


def key_file(folder: Path) -> str:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "key.pem").write_bytes(pem)
    return str(folder / "key.pem")


@pytest.fixture(params=["django", "secure link", "cloudfront"])
def signing(request, tmp_path_factory):
    """SIGNING, of each signer."""
    name = {
        "django": "images_app.signing.DjangoSigner",
        "secure link": "images_app.signing.SecureLinkSigner",
        "cloudfront": "images_app.signing.cloudfront.CloudFrontSigner",
    }[request.param]
    options = {"secret": SECRET} if request.param == "secure link" else {}
    if request.param == "cloudfront":
        options = {
            "base_url": "https://cdn.test",
            "key_id": "K1",
            "private_key": key_file(tmp_path_factory.mktemp("key")),
            "origin_secret": SECRET,
        }
    return {"BACKEND": name, "OPTIONS": options}


@pytest.fixture(params=["no cache", "cache", "cache of a storage far away"])
def site(request, settings, signing, monkeypatch):
    """A site that signs, with and without a cache of small renditions."""
    settings.CACHES = {"default": {"BACKEND": LOCMEM, "LOCATION": "taken away"}}
    caches["default"].clear()
    settings.IMAGES_APP = {"SIGNING": signing}
    if request.param != "no cache":
        settings.IMAGES_APP["RENDITION_CACHE"] = "default"
    if "far away" in request.param:
        monkeypatch.setattr(locating, "has_local_paths", lambda storage: False)
    return settings


@pytest.fixture
def viewer(make_user):
    return make_user("viewer")


@pytest.fixture
def image(make_image, make_gallery, make_user):
    owner = make_user("owner")
    return make_image(gallery=make_gallery(owner=owner), owner=owner, size=(640, 480))


def signed_url(image, viewer) -> str:
    [seen] = Image.objects.visible_to(viewer, Level.PREVIEW).filter(pk=image.pk)
    return rendition_url(seen, "ladder", image_format="jpeg", width=320, sign=True)


def asked(client, url: str) -> int:
    response = client.get(url)
    response.close()
    return response.status_code


def status(url: str) -> int:
    """What a stranger gets, through CloudFront where it is in front.

    CloudFront asks with a header, and only while the signature holds.
    """
    headers, path = {}, url
    if url.startswith("https://"):
        path, _, query = url.removeprefix("https://cdn.test").partition("?")
        if int(query.removeprefix("Expires=").partition("&")[0]) <= time.time():
            return 403
        headers = {"X-Images-Origin-Secret": SECRET}
    response = Client().get(path, headers=headers)
    if response.status_code == 200:
        assert body(response)
    response.close()
    return response.status_code


# --- the image is taken away: at once -----------------------------------------------------------

TAKEN = {
    "trashed": lambda image: trash(everything()),
    "trashed by key": lambda image: trash(everything().filter(pk__in=[image.pk])),
    "deleted": lambda image: image.delete(),
    "deleted by queryset": lambda image: everything().delete(),
    "replaced": lambda image: replace_original(image, upload("b.jpg", size=(640, 480))),
    "cropped elsewhere": lambda image: (setattr(image, "focal_x", 0.1), image.save()),
}


@pytest.mark.parametrize("way", list(TAKEN))
def test_image_taken_away__ends_its_signed_urls_at_once(site, image, viewer, way):
    Grant.objects.create(image=image, user=viewer, level=Level.VIEW)
    url = signed_url(image, Viewer(user=viewer))
    assert [status(url), status(url)] == [200, 200]  # made, then known to the cache
    TAKEN[way](image)
    assert status(url) == 404
    if way.startswith("trashed"):
        restore(everything())
        assert status(url) == 404  # of a former version for good
        assert status(signed_url(image, Viewer(user=viewer))) == 200


def test_trashed__loses_its_files_only_where_urls_are_signed(image, viewer, settings, files):
    Grant.objects.create(image=image, user=viewer, level=Level.VIEW)
    client = Client()
    client.force_login(viewer)
    url = rendition_url(image, "thumb")
    assert asked(client, url) == 200
    before = files()
    trash(everything())
    assert (files(), asked(client, url)) == (before, 404)
    restore(everything())
    assert asked(client, url) == 200
    settings.IMAGES_APP = {"SIGNING": {"BACKEND": "images_app.signing.DjangoSigner"}}
    trash(everything())
    assert files() == [f"images/{image.storage_name}"]
    assert not Rendition.objects.exists()


def test_trashed__many_by_few_queries(
    make_image, settings, django_assert_max_num_queries, monkeypatch
):
    settings.IMAGES_APP = {"SIGNING": {"BACKEND": "images_app.signing.DjangoSigner"}}
    monkeypatch.setattr("images_app.trash._AT_ONCE", 3)
    images = [make_image() for _ in range(6)]
    for number, image in enumerate(images):
        values = {"format": "jpeg", "width": 1, "height": 1, "byte_size": 1}
        Rendition.objects.create(
            image=image,
            version=1,
            fingerprint=f"{number:016}",
            storage_alias=RENDITIONS,
            **values,
        )
    with django_assert_max_num_queries(11):  # two batches, begun and committed
        assert trash(everything()) == 6
    assert not Rendition.objects.exists()


def test_trashed__that_is_being_made_is_not_recorded(site, image, viewer, monkeypatch, files):
    """Whoever is making it when it is trashed leaves nothing that a signature could lead to."""
    Grant.objects.create(image=image, user=viewer, level=Level.VIEW)
    url = signed_url(image, Viewer(user=viewer))
    save = storages[RENDITIONS].save

    def save_slowly(name, *args, **kwargs):
        saved = save(name, *args, **kwargs)
        trash(everything())
        return saved

    monkeypatch.setattr(storages[RENDITIONS], "save", save_slowly)
    assert status(url) in {404, 410, 503}
    assert status(url) == 404
    assert files() == [f"images/{image.storage_name}"]


def test_trashed__while_its_bytes_are_read_is_not_kept(site, image, viewer, monkeypatch):
    """Who opened the file a moment before may send it, but keeps it for nobody."""
    Grant.objects.create(image=image, user=viewer, level=Level.VIEW)
    url = signed_url(image, Viewer(user=viewer))
    assert status(url) == 200
    caches["default"].clear()
    open_range, is_first = locating.open_stored_range, [True]

    def open_and_trash(*args):
        file = open_range(*args)
        if is_first.pop() if is_first else False:
            trash(everything())
        return file

    monkeypatch.setattr(locating, "open_stored_range", open_and_trash)
    assert status(url) == 200
    assert status(url) == 404


def test_trashed__whose_files_cannot_be_deleted_is_closed_and_found(
    image, viewer, settings, monkeypatch, caplog, files
):
    """The decision comes first; one failure hinders no other file, and reconciling finds it."""
    settings.IMAGES_APP = {"SIGNING": {"BACKEND": "images_app.signing.DjangoSigner"}}
    Grant.objects.create(image=image, user=viewer, level=Level.VIEW)
    client = Client()
    client.force_login(viewer)
    urls = [
        rendition_url(image, "ladder", image_format="jpeg", width=320),
        rendition_url(image, "thumb"),
    ]
    assert [asked(client, url) for url in urls] == [200, 200]
    delete, failed = storages[RENDITIONS].delete, []

    def fail_once(name):
        if not failed:
            failed.append(name)
            raise OSError("away")
        delete(name)

    monkeypatch.setattr(storages[RENDITIONS], "delete", fail_once)
    assert trash(everything()) == 1
    assert "code=not_deleted" in caplog.text
    assert [asked(client, url) for url in urls] == [404, 404]
    assert files() == [f"images/{image.storage_name}", f"renditions/{failed[0]}"]
    call_command("images_reconcile", "--fix", "--grace", "0", verbosity=0)
    assert files() == [f"images/{image.storage_name}"]


def test_cache_that_is_away__hinders_no_trash(image, settings, monkeypatch, caplog):
    settings.CACHES = {"default": {"BACKEND": LOCMEM}}
    settings.IMAGES_APP = {
        "SIGNING": {"BACKEND": "images_app.signing.DjangoSigner"},
        "RENDITION_CACHE": "default",
    }

    def fail(*args, **kwargs):
        raise ConnectionError("redis")

    monkeypatch.setattr(type(caches["default"]), "set_many", fail)
    assert trash(everything()) == 1
    assert "code=cache_unavailable" in caplog.text
    assert kept.read_kept("absent") is None


# --- a right is taken away: until the URL expires, as the docs say --------------------------------


def by_link(image):
    owner = Viewer(user=image.owner)
    link, _token = create_link(owner, Gallery.objects.get())
    session = Client().session
    assert unlock(session, link)
    return Viewer(user=AnonymousUser(), links=unlocked_links(session))


def by_group(viewer):
    viewer.groups.add(Group.objects.create(name="family"))
    Grant.objects.create(gallery=Gallery.objects.get(), group=viewer.groups.get(), level=Level.VIEW)


def demand_watermark(settings):
    settings.IMAGES_APP = {
        **settings.IMAGES_APP,
        "WATERMARKS": {"proof": {"text": "PROOF"}},
        "WATERMARK_LEVELS": {"view": "proof"},
    }


def grant(viewer):
    Grant.objects.create(gallery=Gallery.objects.get(), user=viewer, level=Level.VIEW)


# What gives the right, and what takes it or lowers it.
LOWERED = {
    "out of the gallery": (grant, lambda image, viewer: image.gallery_items.all().delete()),
    "gallery deleted": (grant, lambda image, viewer: Gallery.objects.get().delete()),
    "grant removed": (grant, lambda image, viewer: Grant.objects.all().delete()),
    "grant ended": (
        grant,
        lambda image, viewer: Grant.objects.update(ends_at=timezone.now() - timedelta(seconds=1)),
    ),
    "grant lowered": (grant, lambda image, viewer: Grant.objects.update(level=Level.PREVIEW)),
    "out of the group": (by_group, lambda image, viewer: viewer.groups.clear()),
    "visibility": (
        lambda viewer: Gallery.objects.update(visibility="members"),
        lambda image, viewer: Gallery.objects.update(visibility="private"),
    ),
    "user deactivated": (
        grant,
        lambda image, viewer: type(viewer).objects.filter(pk=viewer.pk).update(is_active=False),
    ),
    "link revoked": (None, lambda image, viewer: revoke_link(ShareLink.objects.get())),
    "watermark": (grant, None),
}


@pytest.mark.parametrize("way", list(LOWERED))
def test_right_taken_away__ends_its_signed_urls_when_they_expire(
    site, image, viewer, monkeypatch, way
):
    give, take = LOWERED[way]
    if give is not None:
        give(viewer)
    url = signed_url(image, Viewer(user=viewer) if give else by_link(image))
    assert status(url) == 200
    demand_watermark(site) if take is None else take(image, viewer)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + LIFETIME)
    assert status(url) in {403, 404}
