"""The pages on which share links are made, listed and ended."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from images_app.access import Level, Viewer
from images_app.models import Grant, ShareLink
from images_app.sharing import create_link, revoke_link

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
TERMS = {"level": "20", "days": "30"}


@pytest.fixture
def owner(make_user):
    return make_user("owner")


@pytest.fixture
def gallery(make_gallery, owner):
    return make_gallery(owner=owner, images=1)


@pytest.fixture
def link(gallery, owner):
    return create_link(Viewer(user=owner), gallery, note="for Aunt Mary")[0]


def pages_of(gallery) -> list[str]:
    image = gallery.images.get()
    return [
        reverse("images_app:gallery_links", args=[gallery.public_id]),
        reverse("images_app:image_links", args=[image.public_id]),
    ]


def actions_of(link) -> list[str]:
    return [
        reverse(f"images_app:{name}", args=[link.public_id])
        for name in ("revoke_link", "link_password")
    ]


def new_url(response) -> str:
    return re.search(r'value="http://testserver(/shared/[^"]+)"', response.content.decode())[1]


def test_links__made_on_the_page_open(client_of, owner, gallery):
    client = client_of(owner)
    for page in pages_of(gallery):
        made = client.post(page, {**TERMS, "note": "Friends", "password": "pw", "max_views": "3"})
        assert made.status_code == 200
        assert made["Cache-Control"] == "no-store"
        # No secret is in this address; with "no-referrer" browsers say "Origin: null" to POST.
        assert made["Referrer-Policy"] == "same-origin"
        url = new_url(made)
        assert url not in client.get(page).content.decode()  # shown once
        link = ShareLink.objects.latest("pk")
        assert (link.note, link.level, link.max_views, link.views) == ("Friends", 20, 3, 0)
        assert link.created_by == owner
        assert client.post(url, {"password": "pw"})["Location"] == link.subject.get_absolute_url()


def test_links__nobody_finds_a_way_in_without_the_right(
    client, client_of, gallery, link, make_user
):
    """Whoever may see it, even the original, or change it: as if there were none."""
    image = gallery.images.get()
    create_link(Viewer(user=gallery.owner), image)
    make = {"downloader": {"level": 30}, "changer": {"right": "change"}}
    for name, values in make.items():
        Grant.objects.create(gallery=gallery, user=make_user(name), **values)
    make_user("stranger")
    for name in ("stranger", *make):
        client.force_login(type(link.created_by).objects.get(username=name))
        never = [
            url.replace(str(gallery.public_id), str(uuid.uuid4())) for url in pages_of(gallery)
        ]
        for url, absent in zip(pages_of(gallery), never, strict=True):
            for method in ("get", "head", "post"):
                answers = [getattr(client, method)(each, TERMS) for each in (url, absent)]
                assert [answer.status_code for answer in answers] == [404, 404]
                assert answers[0].content == answers[1].content or method == "get"
        for url in actions_of(link):
            assert client.post(url, {"password": "x"}).status_code == 404
        assert b"Aunt" not in client.get(reverse("images_app:links")).content
    client.logout()
    for url in [*pages_of(gallery), reverse("images_app:links")]:
        assert client.get(url)["Location"].startswith("/login/")
    for url in actions_of(link):
        assert client.post(url).status_code == 302
    link.refresh_from_db()
    assert (link.revoked_at, link.has_password) == (None, False)
    assert ShareLink.objects.count() == 2


def test_links__revoke(client_of, owner, link):
    client = client_of(owner)
    revoke, _password = actions_of(link)
    assert client.get(revoke).status_code == 405
    response = client.post(revoke, follow=True)
    assert b"revoked" in response.content
    assert b"Aunt Mary" not in response.content
    assert not ShareLink.objects.live().exists()
    assert client.post(revoke).status_code == 404


def test_links__change_the_password(client_of, owner, link):
    client = client_of(owner)
    _revoke, password = actions_of(link)
    assert client.post(password, {"password": "new"}).status_code == 302
    link.refresh_from_db()
    assert (link.has_password, link.password_version) == (True, 2)
    for refused in ("x" * 129, ""):
        assert client.post(password, {"password": refused}, follow=True).status_code == 200
        link.refresh_from_db()
        assert (link.has_password, link.password_version) == (True, 2)
    assert b"asks for no password" in client.post(password, {"remove": "yes"}, follow=True).content
    link.refresh_from_db()
    assert (link.has_password, link.password_version) == (False, 3)


def test_links__all_of_mine(client_of, owner, gallery, link):
    image = gallery.images.get()
    create_link(Viewer(user=owner), image, note="to one image")
    revoke_link(create_link(Viewer(user=owner), image, note="ended")[0])
    page = client_of(owner).get(reverse("images_app:links")).content.decode()
    assert "for Aunt Mary" in page
    assert "to one image" in page
    assert "ended" not in page


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"level": "40"}, "level"),
        ({"level": ""}, "level"),
        ({"days": "9999"}, "days"),
        ({"max_views": "0"}, "max_views"),
        ({"password": "x" * 129}, "password"),
        ({"note": "x" * 201}, "note"),
    ],
)
def test_links__terms_that_make_no_sense_are_named(client_of, owner, gallery, change, field):
    response = client_of(owner).post(pages_of(gallery)[0], {**TERMS, **change})
    assert response.status_code == 400
    assert list(response.context["form"].errors) == [field]
    assert not ShareLink.objects.exists()


def test_links__no_more_than_one_has(client_of, gallery, make_user, make_image):
    """Who shares a gallery gives nothing of an image that they do not see themselves."""
    staff = make_user("staff", is_staff=True, permissions=["change_gallery"])
    response = client_of(staff).post(pages_of(gallery)[0], TERMS)
    assert response.status_code == 400
    assert response.context["form"].non_field_errors()
    assert not ShareLink.objects.exists()


def test_links__too_many_are_refused_in_words(client_of, owner, gallery, link, settings):
    settings.IMAGES_APP = {"MAX_SHARE_LINKS": 1}
    response = client_of(owner).post(pages_of(gallery)[0], TERMS)
    assert response.status_code == 409
    assert "You have 1 share links to this already." in response.content.decode()
    assert "new-url" not in response.content.decode()
    assert list(ShareLink.objects.all()) == [link]


def test_links__watermarks_are_offered_where_there_are_any(client_of, owner, gallery, settings):
    client, page = client_of(owner), pages_of(gallery)[0]
    assert b"watermark" not in client.get(page).content
    settings.IMAGES_APP = {"WATERMARKS": {"proof": {"text": "PROOF"}}}
    response = client.post(page, {**TERMS, "level": "30", "watermark": "proof"})
    assert list(response.context["form"].errors) == ["watermark"]
    client.post(page, {**TERMS, "watermark": "proof"})
    assert ShareLink.objects.get().watermark == "proof"


def test_links__days_are_those_of_the_settings_by_default(client_of, owner, gallery, settings):
    settings.IMAGES_APP = {"SHARE_LINK_DAYS": 5}
    form = client_of(owner).get(pages_of(gallery)[0]).context["form"]
    assert form.fields["days"].initial == 5
    assert [value for value, _label in form.fields["days"].choices] == [1, 5, 7, 30, 90, 365, 0]
    client_of(owner).post(pages_of(gallery)[0], {**TERMS, "days": "0"})
    assert ShareLink.objects.get().ends_at is None


@pytest.mark.parametrize("level", Level)
def test_buttons__are_for_those_who_may_share(client_of, gallery, make_user, level):
    user = make_user("member")
    Grant.objects.create(gallery=gallery, user=user, level=level)
    urls = [gallery.get_absolute_url(), gallery.images.get().get_absolute_url()]
    for url, button in zip(urls, pages_of(gallery), strict=True):
        assert button not in client_of(user).get(url).content.decode()
        assert button in client_of(gallery.owner).get(url).content.decode()


def test_links__post_needs_a_csrf_token(client_of, owner, gallery, link):
    client = client_of(owner)
    client.handler.enforce_csrf_checks = True
    for url in [*pages_of(gallery), *actions_of(link)]:
        assert client.post(url, TERMS).status_code == 403


def test_links__are_not_offered_where_the_policy_shows_none(client_of, owner, gallery, settings):
    path = "images_app.policies.owner_only.OwnerOnlyPolicy"
    settings.IMAGES_APP = {"POLICY": {"BACKEND": path}}
    client = client_of(owner)
    urls = [gallery.get_absolute_url(), gallery.images.get().get_absolute_url()]
    for url, button in zip(urls, pages_of(gallery), strict=True):
        assert button not in client.get(url).content.decode()
        assert client.get(button).status_code == 404
        assert client.post(button, TERMS).status_code == 404
    assert not ShareLink.objects.exists()


def test_links__the_password_of_anothers_link_is_not_for_who_has_less(client_of, link, make_user):
    """By it, they would open the link for themselves."""
    staff = make_user("staff", is_staff=True, permissions=["change_gallery"])
    sharer, lasting = make_user("sharer"), make_user("lasting")
    soon = timezone.now() + timedelta(hours=1)
    gallery = link.gallery
    Grant.objects.create(gallery=gallery, user=sharer, right="share", ends_at=soon)
    Grant.objects.create(gallery=gallery, user=lasting, right="share")
    _revoke, password = actions_of(link)
    for user, expected in ((staff, 404), (sharer, 404), (lasting, 302)):
        assert client_of(user).post(password, {"password": "mine"}).status_code == expected
        link.refresh_from_db()
        assert link.has_password is (expected == 302)


def test_links__end_where_the_host_has_no_messages(client_of, owner, link, settings):
    gone = "django.contrib.messages.middleware.MessageMiddleware"
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != gone]
    revoke, _password = actions_of(link)
    assert client_of(owner).post(revoke).status_code == 302
    assert not ShareLink.objects.live().exists()
