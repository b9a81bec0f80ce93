"""Resumed uploads on every kind of storage: the same parts, the same ends, nothing left."""

from __future__ import annotations

import copy
import tempfile

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.utils import timezone

from images_app.access import Viewer
from images_app.exceptions import UploadRefused
from images_app.models import Image
from images_app.uploads import Target, expire, orphaned_parts
from images_app.uploads.resuming import append, begin, drop, finish
from tests.pictures import noise
from tests.storages.s3server import s3_server

pytestmark = pytest.mark.django_db(transaction=True)
DATABASE = "images_app.contrib.dbstorage.storage.DatabaseStorage"
NOWHERE = Target(gallery=None)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    pytest.importorskip("storages.backends.s3")
    with s3_server(tmp_path_factory.mktemp("s3") / "data") as endpoint:
        yield endpoint


@pytest.fixture(params=["filesystem", "database", "s3"])
def storage(request, settings):
    """The storage of originals, of one kind or another."""
    changed = copy.deepcopy(settings.STORAGES)
    if request.param == "database":
        changed["images"] = {"BACKEND": DATABASE, "OPTIONS": {"location": "images"}}
    if request.param == "s3":
        options = request.getfixturevalue("endpoint").options
        backend = "images_app.storages.s3.PrivateS3Storage"
        changed["images"] = {"BACKEND": backend, "OPTIONS": options}
    settings.STORAGES = changed
    return storages["images"]


@pytest.fixture
def viewer(make_user):
    return Viewer(user=make_user("owner"))


def arrived(viewer, content, step):
    upload = begin(viewer, NOWHERE, length=len(content))
    for start in range(0, len(content), step):
        with tempfile.TemporaryFile() as part:  # as the view has it
            length = part.write(content[start : start + step])
            append(upload, start, part, length)
    return upload


def test_parts__become_an_image(storage, viewer):
    content = noise()
    upload = arrived(viewer, content, 50_000)
    names = list(upload.parts)
    assert all(storage.exists(name) for name in names)
    image = finish(upload, viewer, NOWHERE, file_name="a.jpg").image
    with storage.open(image.storage_name) as kept:
        assert kept.read() == content
    assert not any(storage.exists(name) for name in names)
    assert Image.objects.get() == image


def test_parts__of_what_is_refused_go(storage, viewer):
    upload = arrived(viewer, b"no image" * 100, 300)
    names = list(upload.parts)
    with pytest.raises(UploadRefused):
        finish(upload, viewer, NOWHERE, file_name="a.jpg")
    assert not any(storage.exists(name) for name in names)


def test_orphans__are_found_and_go(storage, viewer):
    upload = arrived(viewer, b"x" * 200, 100)
    name = storage.save("partial/00000000-0000-4000-8000-000000000000/0", ContentFile(b"lost"))
    assert list(orphaned_parts()) == [("images", name)]
    expire(timezone.now())
    assert not storage.exists(name)
    assert all(storage.exists(name) for name in upload.parts)
    drop(upload)
    assert not any(storage.exists(name) for name in upload.parts)
