"""Where images were taken: recorded apart, and told only where a gallery says so."""

from __future__ import annotations

import json
import re

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test.utils import CaptureQueriesContext
from PIL import Image as PillowImage

from images_app.access import Level, Viewer
from images_app.models import Gallery, GalleryItem, Grant, Image
from images_app.models.location import Location, with_locations
from images_app.replacing import replace_original
from images_app.views.authorise import visible_galleries, visible_images
from tests.databases import DATABASE, connection
from tests.pictures import upload

pytestmark = pytest.mark.django_db
TOLD = "48.14000, 11.57000"
GPS = {1: "N", 2: (48.0, 8.0, 24.0), 3: "E", 4: (11.0, 34.0, 12.0), 5: b"\x00", 6: 519.0}
PLACE = re.compile(r"48\.1[34]|11\.5[67]|48°")


def exif_of(gps):
    exif = PillowImage.Exif()
    exif[0x010F] = "Canon"
    exif.get_ifd(0x8825).update(gps)
    return exif


@pytest.fixture
def owner(make_user):
    return make_user("owner")


@pytest.fixture
def placed(make_image, owner, make_gallery):
    """An image with a place, in a gallery for members."""
    gallery = make_gallery(visibility="members", owner=owner)
    return make_image(owner=owner, gallery=gallery, exif=exif_of(GPS))


def tell(image, *, shows=True):
    image.galleries.update(shows_locations=shows)


def location_of(image):
    return Location.objects.filter(image=image.pk).first()


def test_ingest__records_the_place(placed):
    location = location_of(placed)
    assert (location.latitude, location.longitude, location.altitude) == (48.14, 11.57, 519)
    assert str(location) == TOLD


@pytest.mark.parametrize(
    "gps",
    [
        {},
        {**GPS, 1: "X"},
        {**GPS, 2: (91.0, 0.0, 0.0)},
        {**GPS, 4: (181.0, 0.0, 0.0)},
        {1: "N", 2: (48.0, 8.0, 24.0)},
    ],
)
def test_ingest__records_no_impossible_place(make_image, gps):
    image = make_image(exif=exif_of(gps))
    assert location_of(image) is None
    assert image.camera_data.make == "Canon"


def test_replaced__original_takes_its_place_along(placed):
    other = {**GPS, 1: "S"}
    replace_original(placed, upload(color=(1, 2, 3), exif=exif_of(other)))
    assert location_of(placed).latitude == -48.14
    replace_original(placed, upload(color=(3, 2, 1)))
    assert location_of(placed) is None


def test_deleted__image_takes_its_place_along(placed):
    placed.delete()
    assert not Location.objects.exists()


@pytest.mark.parametrize(("latitude", "longitude"), [(90.1, 0), (-91, 0), (0, 181), (0, -180.5)])
def test_record__is_on_earth(make_image, latitude, longitude):
    image = make_image()
    with pytest.raises(IntegrityError), transaction.atomic(using=DATABASE):
        Location.objects.create(image_id=image.pk, latitude=latitude, longitude=longitude)


# --- who is told ------------------------------------------------------------------------------


def told(user, image):
    """Whether the policy's galleries tell the user of the place."""
    viewer = Viewer(user=user)
    galleries = visible_galleries(viewer, Level.VIEW, annotate=False)
    found = with_locations(visible_images(viewer), galleries).filter(pk=image.pk).first()
    return None if found is None else found.shows_location


def test_gallery__tells_nobody_by_default(placed, owner, make_user):
    assert Gallery.objects.get().shows_locations is False
    assert told(owner, placed) is False
    assert told(make_user("other"), placed) is False
    assert told(make_user("root", is_staff=True, is_superuser=True), placed) is False


def test_gallery__that_shows_locations_tells_whoever_sees_it(placed, owner, make_user):
    tell(placed)
    assert told(owner, placed) is True
    assert told(make_user("other"), placed) is True


def test_gallery__tells_at_view_and_not_at_preview(placed, make_user):
    friend = make_user("friend")
    placed.galleries.update(visibility="private", shows_locations=True)
    grant = Grant.objects.create(gallery=Gallery.objects.get(), user=friend, level=Level.PREVIEW)
    assert told(friend, placed) is False
    grant.level = Level.VIEW
    grant.save()
    assert told(friend, placed) is True


def test_gallery__tells_only_those_who_see_it(placed, owner, make_user, make_gallery):
    """Others see the image in another gallery, which does not tell."""
    closed = make_gallery("Closed", visibility="private", owner=owner)
    closed.append(placed)
    Gallery.objects.filter(pk=closed.pk).update(shows_locations=True)
    assert told(owner, placed) is True
    assert told(make_user("other"), placed) is False


def test_gallery__tells_of_what_hangs_in_it_only(placed, make_user, make_gallery):
    make_gallery("Telling", visibility="public", images=1)
    Gallery.objects.filter(title="Telling").update(shows_locations=True)
    assert told(make_user("other"), placed) is False
    GalleryItem.objects.create(gallery=Gallery.objects.get(title="Telling"), image=placed)
    assert told(make_user("another"), placed) is True


def test_gallery__tells_nothing_by_a_grant_on_the_image(placed, make_user):
    friend = make_user("friend")
    placed.galleries.update(visibility="private", shows_locations=True)
    Grant.objects.create(image=placed, user=friend, level=Level.VIEW)
    assert told(friend, placed) is False


# --- what is shown ----------------------------------------------------------------------------


def page_of(client, image):
    return client.get(image.get_absolute_url()).content.decode()


def test_page__shows_the_place_where_a_gallery_says_so(placed, client_of, make_user):
    client = client_of(make_user("other"))
    assert not PLACE.search(page_of(client, placed))
    tell(placed)
    assert TOLD in page_of(client, placed)
    tell(placed, shows=False)
    assert not PLACE.search(page_of(client, placed))


def test_page__shows_no_place_to_who_may_only_preview_the_gallery(placed, client_of, make_user):
    friend = make_user("friend")
    placed.galleries.update(visibility="private", shows_locations=True)
    grant = Grant.objects.create(gallery=Gallery.objects.get(), user=friend, level=Level.PREVIEW)
    client = client_of(friend)
    assert not PLACE.search(page_of(client, placed))
    grant.level = Level.VIEW
    grant.save()
    assert TOLD in page_of(client, placed)


def test_page__of_an_image_without_a_place_shows_none(client_of, owner, make_image, make_gallery):
    image = make_image(owner=owner, gallery=make_gallery(owner=owner))
    tell(image)
    assert "Location" not in page_of(client_of(owner), image)


def test_page__costs_as_much_with_a_place_as_without(placed, client_of, owner):
    client, counts = client_of(owner), []
    for shows in (False, True):
        tell(placed, shows=shows)
        with CaptureQueriesContext(connection) as queries:
            page_of(client, placed)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_place__is_on_no_other_page(placed, client_of, make_user):
    tell(placed)
    root = make_user("root", is_staff=True, is_superuser=True)
    client = client_of(root)
    for url in (
        Gallery.objects.get().get_absolute_url(),
        f"/admin/images_app/image/{placed.pk}/change/",
        "/admin/images_app/image/",
        f"/admin/images_app/gallery/{Gallery.objects.get().pk}/change/",
        "/images/",
    ):
        assert not PLACE.search(client.get(url).content.decode()), url


def test_admin__sets_whether_a_gallery_tells(placed, client_of, make_user):
    client = client_of(make_user("root", is_staff=True, is_superuser=True))
    url = f"/admin/images_app/gallery/{Gallery.objects.get().pk}/change/"
    assert 'name="shows_locations"' in client.get(url).content.decode()


def test_admin__who_may_not_open_a_gallery_cannot_make_it_tell(placed, client_of, make_user):
    permissions = ("view_gallery", "change_gallery")
    client = client_of(make_user("staff", is_staff=True, permissions=permissions))
    url = f"/admin/images_app/gallery/{Gallery.objects.get().pk}/change/"
    page = client.get(url).content.decode()
    assert 'name="title"' in page
    assert 'name="shows_locations"' not in page
    client.post(url, {"title": "Mine", "position": 0, "shows_locations": "on"})
    assert Gallery.objects.get().shows_locations is False


# --- people -----------------------------------------------------------------------------------


def test_export__has_the_places_of_a_persons_own_images(placed, owner, make_image, tmp_path):
    make_image(owner=owner, color=(1, 2, 3))
    call_command("images_export", "owner", str(tmp_path / "export"), verbosity=0)
    document = json.loads((tmp_path / "export" / "export.json").read_text())
    assert [image["location"] for image in document["images"]] == [
        {"latitude": 48.14, "longitude": 11.57, "altitude": 519.0},
        None,
    ]
    assert document["images"][0]["camera"]["utc_offset"] is None
    assert document["galleries"][0]["shows_locations"] is False


def test_deleted__person_takes_the_places_along(placed, owner):
    call_command("images_delete_user", "owner", delete_images=True, no_input=True, verbosity=0)
    assert not Image.objects.exists()
    assert not Location.objects.exists()
