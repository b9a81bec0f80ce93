"""Replacing an original: another version, other URLs, and nothing of the former one left."""

from __future__ import annotations

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.core.files.storage import storages
from django.db import DatabaseError
from django.db.models import F
from PIL import ExifTags

from images_app.conf import get_settings
from images_app.exceptions import BytesGone, StorageUnavailable, UploadRefused
from images_app.models import CameraData, Image, Rendition
from images_app.renditions import locate_rendition, make_renditions, rendition_url, specs_for
from images_app.replacing import replace_original
from images_app.signals import image_replaced
from tests.pictures import body, opened, picture, upload
from tests.test_ingest import exif

pytestmark = pytest.mark.django_db(transaction=True)
NEW = {"size": (90, 30), "color": (1, 200, 3)}


@pytest.fixture
def image(make_image, make_user):
    made = make_image(owner=make_user("owner"), fields={"title": "Harbour", "alt_text": "Boats"})
    make_renditions(made, specs_for(made, get_settings().presets.values()))
    return made


def statuses(client, urls):
    """What each address answers."""
    found = []
    for url in urls:
        response = client.get(url)
        response.close()
        found.append(response.status_code)
    return found


def test_replacing__changes_what_the_record_says_of_the_bytes(image):
    replace_original(image, upload("new.png", picture("PNG", **NEW)))
    found = Image.objects.get()
    assert (found.version, found.format, found.width, found.height) == (2, "png", 90, 30)
    assert (found.file_name, found.title, found.alt_text) == ("new.png", "Harbour", "Boats")
    assert found.storage_name != image.storage_name
    with storages[found.storage_alias].open(found.storage_name) as file:
        assert opened(file.read()).size == (90, 30)


def test_replacing__gives_new_urls_and_closes_the_former_ones(image, client):
    client.force_login(image.owner)
    former = [image.original_url, rendition_url(image, "thumb")]
    assert statuses(client, former) == [200, 200]
    found = replace_original(image, upload(**NEW))
    now = [found.original_url, rendition_url(found, "thumb")]
    assert not set(now) & set(former)
    assert statuses(client, former) == [404, 404]
    assert opened(body(client.get(now[0]))).size == (90, 30)


def test_replacing__deletes_the_former_bytes(image, files):
    replace_original(image, upload(**NEW))
    found = Image.objects.get()
    assert files() == [f"images/{found.storage_name}"]
    assert not Rendition.objects.exists()


def test_replacing__that_is_refused_changes_nothing(image, files):
    before, kept = Image.objects.values().get(), files()
    with pytest.raises(UploadRefused):
        replace_original(image, upload("new.jpg", b"no picture"))
    assert (Image.objects.values().get(), files()) == (before, kept)
    assert Rendition.objects.exists()


def test_replacing__that_cannot_be_recorded_changes_nothing(image, files, monkeypatch):
    def fail(*args, **kwargs):
        raise DatabaseError

    monkeypatch.setattr(Image, "full_clean", fail)
    before, kept = Image.objects.values().get(), files()
    with pytest.raises(StorageUnavailable):
        replace_original(image, upload(**NEW))
    assert (Image.objects.values().get(), files()) == (before, kept)


def test_replacing__what_was_deleted_meanwhile_keeps_nothing(image, files):
    Image.objects.all().delete()
    with pytest.raises(ObjectDoesNotExist):
        replace_original(image, upload(**NEW))
    assert files() == []


def test_replacing__a_stale_image_still_gets_a_new_version(image):
    Image.objects.update(version=F("version") + 5)
    assert replace_original(image, upload(**NEW)).version == 7


def test_replacing__reads_camera_and_time_anew(image):
    taken = {ExifTags.Base.DateTimeOriginal: "2024:05:06 07:08:09"}
    replace_original(image, upload(exif=exif(top={ExifTags.Base.Make: "Canon"}, exposure=taken)))
    found = Image.objects.get()
    assert (found.camera_data.make, found.taken_at.year) == ("Canon", 2024)
    replace_original(found, upload())
    assert not CameraData.objects.exists()
    assert Image.objects.get().taken_at.year == 2024  # the new one does not say


def test_replacing__is_announced_on_commit(image):
    heard = []

    def listen(sender, image, **_):
        heard.append((sender, image.version))

    image_replaced.connect(listen)
    try:
        replace_original(image, upload(**NEW))
    finally:
        image_replaced.disconnect(listen)
    assert heard == [(Image, 2)]


def test_replacing__while_a_rendition_is_made_leaves_none_of_the_former(image, files, monkeypatch):
    from images_app.engines.bounded import BoundedEngine

    Rendition.objects.all().delete()
    render = BoundedEngine.render

    def replaced_meanwhile(self, *args, **kwargs):
        sizes = render(self, *args, **kwargs)
        replace_original(image, upload(**NEW))
        return sizes

    monkeypatch.setattr(BoundedEngine, "render", replaced_meanwhile)
    spec = next(iter(specs_for(image, [get_settings().presets["thumb"]])))
    with pytest.raises(BytesGone):
        locate_rendition(image, spec)
    assert not Rendition.objects.exists()
    assert files() == [f"images/{Image.objects.get().storage_name}"]
