"""The trash: absent for all, kept whole, restored or gone for good."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from images_app.access import Viewer
from images_app.models import Image, ImageQuerySet
from images_app.renditions import rendition_url
from images_app.trash import delete_trashed, expired, restore, trash

pytestmark = pytest.mark.django_db(transaction=True)


def everything():
    return ImageQuerySet(Image)


def statuses(client, urls):
    """What each address answers."""
    found = []
    for url in urls:
        response = client.get(url)
        response.close()
        found.append(response.status_code)
    return found


def test_trash__hides_and_restore_brings_back(make_image, make_gallery, make_user, client):
    owner = make_user("owner")
    image = make_image(owner=owner, gallery=make_gallery(owner=owner))
    client.force_login(owner)
    urls = [image.get_absolute_url(), image.original_url, rendition_url(image, "thumb")]
    assert statuses(client, urls) == [200] * 3
    assert trash(everything()) == 1
    assert statuses(client, urls) == [404] * 3
    assert restore(everything()) == 1
    assert statuses(client, urls) == [200] * 3


def test_trash__twice_keeps_the_first_time(make_image):
    make_image()
    trash(everything())
    first = Image.objects.get().trashed_at
    assert trash(everything()) == 0
    assert Image.objects.get().trashed_at == first


def test_trash__is_shown_to_those_who_may_delete(make_image, make_user):
    owner, admin = make_user("owner"), make_user("admin", is_superuser=True, is_staff=True)
    make_image(owner=owner)
    kept = make_image(owner=owner)
    trash(everything().exclude(pk=kept.pk))
    for user, number in ((owner, 1), (admin, 1), (make_user("stranger"), 0)):
        assert everything().trashed_for(Viewer(user=user)).count() == number


@pytest.mark.parametrize(("days", "number"), [(29.9, 0), (30.1, 1)])
def test_expired__after_the_days_of_the_settings(make_image, days, number):
    make_image()
    trash(everything())
    assert expired(timezone.now() + timedelta(days=days)).count() == number


def test_delete__takes_record_and_bytes(make_image, files):
    make_image()
    trash(everything())
    assert delete_trashed(Image.objects.get())
    assert files() == []
    assert not Image.objects.exists()


def test_delete__leaves_what_was_restored_meanwhile(make_image, files):
    make_image()
    trash(everything())
    image = Image.objects.get()
    restore(everything())
    assert not delete_trashed(image)
    assert Image.objects.get().trashed_at is None
    assert len(files()) == 1
