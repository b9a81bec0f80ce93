"""Housekeeping: bytes go when their records are gone for good, never before."""

from __future__ import annotations

import pytest
from django.core.files.storage import storages
from django.db import transaction
from django.db.models import ProtectedError
from django.test.utils import CaptureQueriesContext

from images_app import housekeeping
from images_app.conf import get_settings
from images_app.models import Gallery, Image, Rendition
from images_app.renditions import locate_rendition
from tests.databases import DATABASE, connection

pytestmark = pytest.mark.django_db(transaction=True)


def make_renditions(image) -> None:
    presets = get_settings().presets
    for preset in (presets["thumb"], presets["ladder"]):
        for image_format in preset.formats:
            for rung in preset.rungs(image.width):
                locate_rendition(image, preset.spec(rung, image_format))


@pytest.fixture
def image(make_image):
    """An image with all its renditions: one original, four files made."""
    made = make_image()
    make_renditions(made)
    return made


@pytest.mark.parametrize(
    "delete",
    [
        lambda image: image.delete(),
        lambda image: Image.objects.filter(pk=image.pk).delete(),
        lambda image: Image.objects.only("pk").get(pk=image.pk).delete(),
        lambda image: Image.objects.defer("public_id").filter(pk=image.pk).delete(),
    ],
)
def test_image__takes_its_bytes_along(image, make_image, files, delete):
    other = make_image()
    assert len(files()) == 6
    delete(image)
    assert files() == [f"images/{other.storage_name}"]
    assert not Rendition.objects.exists()


def test_image__keeps_its_bytes_until_the_commit(image, files):
    with transaction.atomic(using=DATABASE):
        image.delete()
        assert len(files()) == 5
    assert files() == []


def test_image__keeps_its_bytes_when_all_is_rolled_back(image, files):
    def delete_and_fail():
        with transaction.atomic(using=DATABASE):
            image.delete()
            raise RuntimeError

    before = files()
    with pytest.raises(RuntimeError):
        delete_and_fail()
    assert files() == before
    assert Image.objects.count() == 1
    assert Rendition.objects.count() == 4


def test_images__go_by_the_queryset(make_image, files):
    for _ in range(3):
        make_renditions(make_image())
    kept = make_image()
    Image.objects.exclude(pk=kept.pk).delete()
    assert files() == [f"images/{kept.storage_name}"]


def test_image__takes_the_renditions_of_old_versions_along(image, files):
    image.focal_x = 0.1
    image.save()
    make_renditions(image)
    # The former version's went when the version rose: their URLs answer 404.
    assert len(files()) == 5
    image.delete()
    assert files() == []


def test_image__with_many_renditions_costs_as_much_as_with_few(make_image):
    counts = []
    for number in (1, 4):
        image = make_image()
        make_renditions(image)
        Rendition.objects.filter(pk__in=image.renditions.values("pk")[number:]).delete()
        with CaptureQueriesContext(connection) as queries:
            image.delete()
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    "delete",
    [
        lambda rendition: rendition.delete(),
        lambda rendition: Rendition.objects.filter(pk=rendition.pk).delete(),
        lambda rendition: rendition.image.renditions.filter(pk=rendition.pk).delete(),
    ],
)
def test_rendition__that_goes_alone_takes_its_file_along(image, files, delete):
    before = files()
    rendition = Rendition.objects.first()
    delete(rendition)
    assert set(before) - set(files()) == {f"renditions/{rendition.storage_name}"}
    assert len(files()) == len(before) - 1


def test_rendition__keeps_its_file_when_all_is_rolled_back(image, files):
    def delete_and_fail():
        with transaction.atomic(using=DATABASE):
            Rendition.objects.all().delete()
            raise RuntimeError

    before = files()
    with pytest.raises(RuntimeError):
        delete_and_fail()
    assert files() == before


def test_renditions__can_all_be_cleared_and_made_again(image, files):
    before = files()
    Rendition.objects.all().delete()
    assert files() == [f"images/{image.storage_name}"]
    make_renditions(image)
    assert files() == before


def test_gallery__that_goes_leaves_its_images(make_gallery, files):
    gallery = make_gallery(images=2)
    before = files()
    gallery.delete()
    assert files() == before
    assert Image.objects.count() == 2


def test_owner__who_goes_leaves_images_and_galleries(make_user, make_gallery, files):
    owner = make_user()
    make_gallery(owner=owner, images=2)
    before = files()
    owner.delete()
    assert files() == before
    assert list(Image.objects.values_list("owner", flat=True)) == [None, None]
    assert Gallery.objects.get().owner is None


def test_trash__keeps_the_bytes(image, files):
    before = files()
    Image.objects.update(trashed_at=image.created_at)
    assert files() == before


@pytest.mark.parametrize("error", [OSError("/secret/path"), RuntimeError("bucket")], ids=repr)
def test_storage__that_fails_is_logged_and_others_still_go(
    image, files, monkeypatch, caplog, error
):
    storage = storages["image_renditions"]
    delete, refused = storage.delete, []

    def fail_once(name):
        if not refused:
            refused.append(name)
            raise error
        delete(name)

    monkeypatch.setattr(storage, "delete", fail_once)
    image.delete()
    assert files() == []  # the second look, for what no record knew of, found it
    assert not Image.objects.exists()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert caplog.records[0].getMessage() == "code=not_deleted storage=image_renditions"


def test_bytes__that_are_gone_already_are_no_failure(image, files, caplog):
    storages["images"].delete(image.storage_name)
    image.delete()
    assert files() == []
    assert caplog.records == []


def test_storage__that_is_no_longer_configured_is_logged(image, files, caplog):
    Rendition.objects.filter(format="jpeg").update(storage_alias="moved-away")
    image.delete()
    assert files() == []
    # twice by name, and once the folder
    assert caplog.text.count("code=not_deleted storage=moved-away") == 3


def test_connect__twice_deletes_once(image, monkeypatch):
    deleted = []
    monkeypatch.setattr(housekeeping, "delete_stored", deleted.append)
    housekeeping.connect()
    image.delete()
    assert len(deleted) == 1


def test_delete__is_refused_by_others_before_bytes_go(image, files, monkeypatch):
    """A host may protect an image from its own models; then nothing goes."""

    def refuse(sender, **kwargs):
        raise ProtectedError("protected", {image})

    before = files()
    housekeeping.post_delete.connect(refuse, sender=Rendition)
    try:
        with pytest.raises(ProtectedError):
            image.delete()
    finally:
        housekeeping.post_delete.disconnect(refuse, sender=Rendition)
    assert files() == before
