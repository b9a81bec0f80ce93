"""Galleries and the places of images in them."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from images_app.models import Gallery, GalleryItem, Image
from images_app.models.gallery import POSITION_STEP
from tests.databases import DATABASE

pytestmark = pytest.mark.django_db


def titles(gallery) -> list[str]:
    return [item.image.title for item in gallery.items.all()]


def test_append__puts_at_the_end(make_gallery, make_image):
    gallery = make_gallery()
    for name in ("b.jpg", "a.jpg", "c.jpg"):
        gallery.append(make_image(name=name))
    assert titles(gallery) == ["b", "a", "c"]
    positions = [item.position for item in gallery.items.all()]
    assert positions == [POSITION_STEP, 2 * POSITION_STEP, 3 * POSITION_STEP]


def test_append__twice_changes_nothing(make_gallery, make_image):
    gallery, first, second = make_gallery(), make_image(name="a.jpg"), make_image(name="b.jpg")
    hung = gallery.append(first)
    gallery.append(second)
    assert gallery.append(first) == hung
    assert titles(gallery) == ["a", "b"]


def test_append__goes_behind_what_was_moved(make_gallery, make_image):
    gallery = make_gallery(images=2)
    gallery.items.update(position=1000)
    assert gallery.append(make_image()).position == 1000 + POSITION_STEP


def test_append__leaves_other_galleries_alone(make_gallery, make_image):
    one, other, image = make_gallery("One", images=2), make_gallery("Other"), make_image()
    one.append(image)
    assert other.append(image).position == POSITION_STEP
    assert (one.items.count(), other.items.count()) == (3, 1)


def test_items__of_equal_position_keep_the_order_of_hanging(make_gallery):
    gallery = make_gallery(images=4)
    gallery.items.update(position=7)
    assert titles(gallery) == ["0", "1", "2", "3"]


def test_database__hangs_an_image_once(make_gallery):
    gallery = make_gallery(images=1)
    image = Image.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic(using=DATABASE):
        GalleryItem.objects.create(gallery=gallery, image=image, position=99)


def test_database__refuses_an_unknown_visibility(make_gallery):
    gallery = make_gallery()
    with pytest.raises(IntegrityError), transaction.atomic(using=DATABASE):
        Gallery.objects.filter(pk=gallery.pk).update(visibility="everybody")


def test_database__refuses_a_public_id_twice(make_gallery):
    one, other = make_gallery(), make_gallery()
    with pytest.raises(IntegrityError), transaction.atomic(using=DATABASE):
        Gallery.objects.filter(pk=one.pk).update(public_id=other.public_id)


def test_gallery__is_private_unless_told():
    assert Gallery().visibility == "private"
    assert Gallery.objects.create(title="New").visibility == "private"


def test_ordering__is_by_position_then_newest_first(make_gallery):
    for title, position in (("old", 0), ("new", 0), ("first", -1), ("last", 1)):
        gallery = make_gallery(title)
        Gallery.objects.filter(pk=gallery.pk).update(position=position)
    assert [gallery.title for gallery in Gallery.objects.all()] == ["first", "new", "old", "last"]


def test_str__is_the_title_and_where_it_hangs(make_gallery):
    gallery = make_gallery("Holidays", images=1)
    assert str(gallery) == "Holidays"
    assert str(gallery.items.get()) == "Holidays · 0"


def test_url__names_the_public_id_only(make_gallery):
    gallery = make_gallery()
    assert gallery.get_absolute_url() == f"/galleries/{gallery.public_id}/"


def test_owner__may_go_without_the_gallery(make_gallery, make_user):
    gallery = make_gallery(owner=make_user())
    gallery.owner.delete()
    gallery.refresh_from_db()
    assert gallery.owner is None


def test_cover__may_go_without_the_gallery(make_gallery):
    gallery = make_gallery(images=1)
    gallery.cover = Image.objects.get()
    gallery.save()
    gallery.cover.delete()
    gallery.refresh_from_db()
    assert gallery.cover is None
