"""Quotas: what counts, for whom, and that those who come at once are counted, too."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import transaction
from django.utils import timezone

from images_app.access import Viewer
from images_app.exceptions import UploadRefused
from images_app.models import Gallery, Image, PartialUpload
from images_app.quotas import check_quota, used_bytes
from images_app.uploads import Target, take_in
from tests.databases import DATABASE, connection
from tests.pictures import upload

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(make_user):
    return make_user("owner")


def begun(owner, length, **fields):
    return PartialUpload.objects.create(
        owner=owner, length=length, storage_alias="images", **fields
    )


def refused(*args, **kwargs):
    with transaction.atomic(using=DATABASE):
        try:
            check_quota(*args, **kwargs)
        except UploadRefused as error:
            return error.code, error.status_code
    return None


def test_used__counts_the_trash_and_what_is_coming(owner, make_image, make_user):
    image, trashed = (make_image(owner=owner) for _ in range(2))
    Image.objects.filter(pk=trashed.pk).update(trashed_at=timezone.now())
    make_image(owner=make_user("other"))
    make_image()
    upload, _ = begun(owner, 500), begun(make_user("third"), 700)
    begun(owner, 900, image=image)  # that one has arrived
    assert used_bytes(owner) == image.byte_size + trashed.byte_size + 500
    assert used_bytes(owner, without=upload.public_id) == image.byte_size + trashed.byte_size


def test_user__may_fill_the_quota_and_no_more(settings, owner, make_image):
    used = make_image(owner=owner).byte_size
    settings.IMAGES_APP = {"MAX_USER_BYTES": used + 100}
    assert refused(owner, None, 100) is None
    assert refused(owner, None, 101) == ("quota_user", 409)
    assert refused(None, None, 10**9) is None
    settings.IMAGES_APP = {"MAX_USER_BYTES": used - 1}
    assert refused(owner, None, 0) is None
    assert refused(owner, None, -5) is None


def test_user__what_becomes_of_an_upload_is_counted_once(settings, owner):
    upload = begun(owner, 1000)
    settings.IMAGES_APP = {"MAX_USER_BYTES": 1000}
    assert refused(owner, None, 1000) == ("quota_user", 409)
    assert refused(owner, None, 1000, public_id=upload.public_id) is None


def test_gallery__has_so_many_images_at_most(settings, make_gallery, make_image):
    gallery = make_gallery(images=2)
    settings.IMAGES_APP = {"MAX_GALLERY_IMAGES": 3}
    assert refused(None, gallery, 5) is None
    make_image(gallery=gallery, color="red")
    assert refused(None, gallery, 5) == ("quota_gallery", 409)


def test_sentence__names_the_bound(settings, owner, make_gallery):
    settings.IMAGES_APP = {"MAX_USER_BYTES": 3 * 2**20, "MAX_GALLERY_IMAGES": 1}
    with transaction.atomic(using=DATABASE), pytest.raises(UploadRefused) as caught:
        check_quota(owner, None, 4 * 2**20)
    assert "3.0\xa0MB" in caught.value.public_message % caught.value.params
    with transaction.atomic(using=DATABASE), pytest.raises(UploadRefused) as caught:
        check_quota(None, make_gallery(images=1), 4)
    assert "may have 1 images" in caught.value.public_message % caught.value.params


def test_without_quotas__nothing_is_asked(owner, make_gallery, django_assert_num_queries):
    gallery = make_gallery()
    with django_assert_num_queries(0):
        check_quota(owner, gallery, 10**12)


@pytest.mark.django_db(transaction=True)
def test_user__several_at_once_do_not_exceed_it(settings, make_user):
    owner = make_user("owner")
    settings.IMAGES_APP = {"MAX_USER_BYTES": 500}

    def add(_number):
        try:
            with transaction.atomic(using=DATABASE):
                check_quota(owner, None, 100)
                begun(owner, 100)
        except UploadRefused:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(add, range(16)))
    assert sum(added) == 5
    assert used_bytes(owner) == 500


@pytest.mark.django_db(transaction=True)
def test_gallery__several_uploads_at_once_do_not_exceed_it(settings, make_user, files):
    viewer = Viewer(user=make_user("owner"))
    gallery = Gallery.objects.create(title="small", owner=viewer.user)
    settings.IMAGES_APP = {"MAX_GALLERY_IMAGES": 3}

    def add(number):
        try:
            file = upload(f"{number}.jpg", color=(number * 20, 0, 0))
            return take_in(file, viewer, Target(gallery=gallery)).is_new
        except UploadRefused:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        added = list(pool.map(add, range(9)))
    assert sum(added) == gallery.items.count() == len(files()) == 3
