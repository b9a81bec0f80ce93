"""Dates: the same with USE_TZ on and off, on every database."""

from __future__ import annotations

import datetime as dt
from io import StringIO
from uuid import uuid4

import pytest
from django.core.files.storage import InMemoryStorage
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from PIL import ExifTags

from images_app.access import Level, Viewer
from images_app.database import stored_time
from images_app.ingest import ingest_image
from images_app.models import Grant, Image, find_visible, prepared
from images_app.reconciling.strays import _saved_at
from images_app.replacing import replace_original
from images_app.sharing import create_link, find_link, may_give, unlock
from images_app.trash import expired, trash
from tests.pictures import upload
from tests.test_ingest import exif

BASE = ExifTags.Base
pytestmark = pytest.mark.django_db
PLAIN = {BASE.DateTimeOriginal: "2026:05:04 12:30:00"}
OFFSET = {**PLAIN, BASE.OffsetTimeOriginal: "+05:30"}


@pytest.fixture(params=[True, False], ids=["USE_TZ", "without USE_TZ"], autouse=True)
def use_tz(request, settings):
    settings.USE_TZ = request.param
    settings.TIME_ZONE = "Europe/Berlin"
    prepared._prepared.clear()
    return request.param


def moment(*parts):
    berlin = timezone.get_default_timezone()
    return stored_time(dt.datetime(*parts, tzinfo=berlin))


@pytest.mark.parametrize(
    ("exposure", "parts"), [(PLAIN, (2026, 5, 4, 12, 30)), (OFFSET, (2026, 5, 4, 9, 0))]
)
def test_taken_at__is_stored(exposure, parts, use_tz):
    image = Image.objects.get(pk=_taken_in(exposure).pk)
    assert image.taken_at == moment(*parts)
    assert timezone.is_aware(image.taken_at) is use_tz


def _taken_in(exposure):
    return ingest_image(upload(exif=exif(exposure=exposure)))


def test_taken_at__of_another_original_is_stored(make_image):
    image = replace_original(make_image(), upload(exif=exif(exposure=OFFSET), color=(1, 2, 3)))
    assert Image.objects.get(pk=image.pk).taken_at == moment(2026, 5, 4, 9, 0)


@pytest.mark.parametrize("text", ["0001:01:01 00:00:00", "9999:12:31 23:59:59"])
def test_taken_at__at_the_ends_of_the_calendar_is_unknown(text):
    exposure = {BASE.DateTimeOriginal: text, BASE.OffsetTimeOriginal: "+14:00"}
    assert _taken_in(exposure).taken_at is None


def test_taken_at__in_a_distant_year_is_stored():
    # MySQL promises years from 1000 on; a camera without a battery says anything.
    image = _taken_in({BASE.DateTimeOriginal: "0002:03:04 05:06:07"})
    assert Image.objects.get(pk=image.pk).taken_at.year == 2


def test_grant__ends(make_user, make_gallery):
    gallery, user = make_gallery(images=1), make_user()
    image = gallery.images.get()
    grant = Grant.objects.create(
        user=user, gallery=gallery, level=Level.VIEW, ends_at=timezone.now() + dt.timedelta(hours=1)
    )
    viewer = Viewer(user=user)
    assert find_visible(viewer, image.public_id, Level.VIEW) == image
    assert may_give(viewer, gallery, Level.VIEW, None) is False
    Grant.objects.filter(pk=grant.pk).update(ends_at=timezone.now() - dt.timedelta(seconds=1))
    assert find_visible(viewer, image.public_id, Level.VIEW) is None


def test_lookup__is_prepared(make_user):
    find_visible(Viewer(user=make_user()), uuid4(), Level.VIEW)
    assert [value for value in prepared._prepared.values() if value is not None]


def test_link__ends(make_user, make_gallery, rf, client):
    owner = make_user()
    gallery = make_gallery(owner=owner)
    link, token = create_link(Viewer(user=owner), gallery, password="a word")
    assert find_link(token) == link
    assert unlock(client.session, link, "a word")
    type(link).objects.update(ends_at=timezone.now() - dt.timedelta(seconds=1))
    assert find_link(token) is None


def test_trash__expires(make_image, settings):
    make_image()
    trash(Image.objects.all())
    assert not expired(timezone.now())
    assert expired(timezone.now() + dt.timedelta(days=400))


def test_saved_at__can_be_compared():
    class Naive(InMemoryStorage):
        def get_modified_time(self, name):
            return dt.datetime(2026, 5, 4, 12, 30)  # noqa: DTZ001

    class Aware(InMemoryStorage):
        def get_modified_time(self, name):
            return dt.datetime(2026, 5, 4, 10, 30, tzinfo=dt.UTC)

    for storage in (Naive(), Aware()):
        assert _saved_at(storage, "x") == moment(2026, 5, 4, 12, 30)
        assert _saved_at(storage, "x") < timezone.now() + dt.timedelta(days=9999)


@pytest.mark.parametrize(
    "command", [["images_clean"], ["images_reconcile"], ["images_audit", "--since", "2026-01-01"]]
)
def test_command__runs(make_image, command):
    make_image(exif=exif(exposure=PLAIN))
    call_command(*command, stdout=StringIO(), stderr=StringIO())


@pytest.mark.parametrize("exposure", [PLAIN, OFFSET])
def test_pages__show_it(client_of, make_user, make_gallery, exposure):
    user = make_user(is_staff=True, is_superuser=True)
    gallery = make_gallery(owner=user)
    client = client_of(user)
    file = upload(exif=exif(exposure=exposure))
    to = reverse("images_app:upload", query={"gallery": str(gallery.public_id)})
    assert client.post(to, {"file": file}).status_code == 201
    image = Image.objects.get()
    change = reverse("admin:images_app_image_change", args=[image.pk])
    trash_list = reverse("admin:images_app_gallery_change", args=[gallery.pk])
    links = reverse("images_app:gallery_links", args=[gallery.public_id])
    assert client.post(links, {"level": "20", "days": "7"}).status_code == 200
    for url in (image.get_absolute_url(), gallery.get_absolute_url(), change, trash_list, links):
        assert client.get(url).status_code == 200, url
