"""Several admin sites: none has to know every model, and the pages of each lead on within it."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.urls import include, path

from images_app.admin import GalleryAdmin, ImageAdmin
from images_app.models import Gallery, Image
from tests.pictures import upload

galleries_only = admin.AdminSite(name="galleries_only")
galleries_only.register(Gallery, GalleryAdmin)
images_only = admin.AdminSite(name="images_only")
images_only.register(Image, ImageAdmin)
both = admin.AdminSite(name="both")
both.register(Gallery, GalleryAdmin)
both.register(Image, ImageAdmin)
# Mounted as "admin" by nobody, as where a site has replaced Django's.
urlpatterns = [
    path("galleries-only/", galleries_only.urls),
    path("images-only/", images_only.urls),
    path("both/", both.urls),
    path("", include("images_app.urls")),
]


@pytest.fixture
def staff(client_of, make_user, settings):
    settings.ROOT_URLCONF = __name__
    return client_of(make_user("boss", is_staff=True, is_superuser=True))


def links(response) -> set[str]:
    assert response.status_code == 200
    return set(re.findall(r'(?:href|action)="(/[^"]*)"', response.content.decode()))


def test_gallery__offers_what_its_site_has(staff, make_gallery):
    gallery = make_gallery(images=1)
    page = staff.get(f"/galleries-only/images_app/gallery/{gallery.pk}/change/")
    assert "Add images" not in page.content.decode()
    assert "Order and remove" not in page.content.decode()
    assert gallery.get_absolute_url() in links(page)
    page = staff.get(f"/both/images_app/gallery/{gallery.pk}/change/")
    assert f"/both/images_app/image/add/?gallery={gallery.pk}" in links(page)


def test_image__is_added_where_the_site_has_no_galleries(staff, make_gallery):
    gallery = make_gallery()
    for site, target in (
        ("images-only", "/images-only/images_app/image/"),
        ("both", f"/both/images_app/gallery/{gallery.pk}/change/"),
    ):
        form = {"images": [upload(color=(1, 2, len(site)))], "gallery": gallery.pk}
        response = staff.post(f"/{site}/images_app/image/add/", form)
        assert response["Location"] == target


@pytest.mark.parametrize("page", ["add/", "trash/", "{}/change/", "{}/why/", "{}/replace/"])
@pytest.mark.parametrize("site", ["images-only", "both"])
def test_pages_of_images__lead_on_within_their_site(staff, make_image, site, page):
    page = page.format(make_image().pk)
    found = links(staff.get(f"/{site}/images_app/image/{page}"))
    elsewhere = {"galleries-only", "images-only", "both"} - {site}
    assert f"/{site}/images_app/image/" in found
    assert not {link for link in found if link.split("/")[1] in elsewhere}


def test_pages_of_galleries__lead_on_within_their_site(staff, make_gallery):
    data = {"action": "change_visibility", "_selected_action": [make_gallery().pk]}
    found = links(staff.post("/both/images_app/gallery/", data))
    assert "/both/images_app/gallery/" in found
    assert not {link for link in found if link.startswith("/galleries-only/")}
