"""The page on which editors add images, as it works without its script."""

from __future__ import annotations

import uuid

import pytest
from django.urls import reverse

from images_app.models import Grant
from tests.pictures import upload


@pytest.fixture
def owner(make_user):
    return make_user("owner")


@pytest.fixture
def gallery(make_gallery, owner):
    return make_gallery(owner=owner)


def page_of(gallery):
    return reverse("images_app:add_images", args=[gallery.public_id])


def test_page__takes_several_files_without_a_script(client_of, owner, gallery):
    client = client_of(owner)
    page = client.get(page_of(gallery))
    assert page["Cache-Control"] == "no-store"
    assert b'name="gallery"' not in page.content
    assert b" multiple" in page.content
    files = [upload("b.jpg"), upload("a.jpg", color=(1, 2, 3))]
    response = client.post(page_of(gallery), {"images": files}, follow=True)
    assert b"2 images were added." in response.content
    assert [item.image.title for item in gallery.items.all()] == ["b", "a"]
    assert {image.owner for image in gallery.images.all()} == {owner}


def test_page__names_what_was_refused_and_keeps_the_rest(client_of, owner, gallery):
    files = [upload("good.jpg"), upload("<b>.jpg", b"text")]
    response = client_of(owner).post(page_of(gallery), {"images": files})
    assert response.status_code == 400
    text = response.content.decode()
    assert "1 image was added." in text
    assert "&lt;b&gt;.jpg: This is not an image" in text
    assert [image.title for image in gallery.images.all()] == ["good"]


def test_page__needs_a_file(client_of, owner, gallery):
    response = client_of(owner).post(page_of(gallery))
    assert response.status_code == 400
    assert b"This field is required." in response.content


def test_page__is_as_absent_for_those_who_may_not_add(client_of, gallery, make_user, client):
    Grant.objects.create(gallery=gallery, user=make_user("reader"), level=30)
    make_user("stranger")
    absent = reverse("images_app:add_images", args=[uuid.uuid4()])
    for name in ("reader", "stranger"):
        client.force_login(type(gallery.owner).objects.get(username=name))
        for method in ("get", "head", "post"):
            answers = [getattr(client, method)(url) for url in (page_of(gallery), absent)]
            assert [answer.status_code for answer in answers] == [404, 404]
            assert answers[0].content == answers[1].content or method == "get"
    client.logout()
    for url in (page_of(gallery), absent):
        assert client.get(url)["Location"].startswith("/login/")
        assert client.post(url, {"images": [upload()]}).status_code == 302
    assert not gallery.images.exists()


def test_page__post_needs_a_csrf_token(client_of, owner, gallery):
    client = client_of(owner)
    client.handler.enforce_csrf_checks = True
    assert client.post(page_of(gallery), {"images": [upload()]}).status_code == 403
    assert client.put(page_of(gallery)).status_code in {403, 405}


def test_page__tells_its_script_where_to_send(client_of, owner, gallery):
    text = client_of(owner).get(page_of(gallery)).content.decode()
    for name in ("upload", "upload_place", "resumable", "edit_images"):
        assert f'"{reverse(f"images_app:{name}")}"' in text
    assert reverse("images_app:order_images", args=[gallery.public_id]) in text
    assert f'data-gallery="{gallery.public_id}"' in text
    assert 'data-max-bytes="104857600"' in text
    assert "larger than the allowed 100.0" in text


def test_page__in_another_language_has_no_broken_attribute(client_of, owner, gallery, settings):
    settings.LANGUAGE_CODE = "de"
    text = client_of(owner).get(page_of(gallery)).content.decode()
    assert 'data-max-bytes="104857600"' in text


def test_admin__offers_the_galleries_by_their_public_ids(client_of, gallery, make_user):
    staff = make_user("staff", is_staff=True, is_superuser=True)
    response = client_of(staff).get(reverse("admin:images_app_image_add"))
    assert response.context["uploader"].galleries == {str(gallery.pk): str(gallery.public_id)}
    assert str(gallery.public_id) in response.content.decode()
    change = reverse("admin:images_app_gallery_change", args=[gallery.pk])
    assert reverse("images_app:arrange", args=[gallery.public_id]) in (
        client_of(staff).get(change).content.decode()
    )


@pytest.mark.parametrize(
    ("setting", "header"),
    [
        ("HTTP_X_CSRFTOKEN", "X-Csrftoken"),
        ("HTTP_X_XSRF_TOKEN", "X-Xsrf-Token"),
        ("nonsense", "X-CSRFToken"),
    ],
)
def test_page__tells_its_script_the_header_for_the_csrf_token(
    client_of, owner, gallery, settings, setting, header
):
    settings.CSRF_HEADER_NAME = setting
    page = client_of(owner).get(page_of(gallery)).content.decode()
    assert f'data-csrf-header="{header}"' in page
    assert 'name="csrfmiddlewaretoken"' in page
