"""Share links in the admin: those to what one may share, revoked at once, without their tokens."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from images_app.access import Viewer
from images_app.models import Grant, ShareLink
from images_app.sharing import create_link
from tests.databases import connection

pytestmark = pytest.mark.django_db
LIST = "admin:images_app_sharelink_changelist"


@pytest.fixture
def owner(make_user):
    return make_user("proprietor")


@pytest.fixture
def world(make_gallery, make_image, owner):
    """Links to a gallery and to an image in it, and to another gallery."""
    ours = make_gallery("Ours", owner=owner)
    image = make_image(name="lighthouse.jpg", owner=owner, gallery=ours)
    theirs = make_gallery("Theirs", owner=owner)
    return {
        name: create_link(Viewer(user=owner), subject, note=f"note {name}", **terms)
        for name, subject, terms in (
            ("gallery", ours, {"password": "sesame"}),
            ("image", image, {}),
            ("other", theirs, {}),
        )
    }


@pytest.fixture
def staff_with(client_of, make_user):
    """Staff with these permissions on links, who may share the gallery Ours."""

    def make(*permissions, shares=("Ours",)):
        user = make_user("staff", permissions=permissions, is_staff=True)
        for link in ShareLink.objects.filter(gallery__title__in=shares):
            Grant.objects.create(user=user, gallery=link.gallery, right="share")
        client = client_of(user)
        client.user = user
        return client

    return make


def link_of(world, name) -> ShareLink:
    return ShareLink.objects.get(pk=world[name][0].pk)


def url_of(link, view="change"):
    return reverse(f"admin:images_app_sharelink_{view}", args=[link.pk])


def listed(client, **query):
    response = client.get(reverse(LIST), query)
    assert response.status_code == 200
    return {link.note.removeprefix("note ") for link in response.context["cl"].queryset}


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        (("view_sharelink",), {"gallery"}),
        (("change_sharelink",), {"gallery"}),
        (("view_sharelink", "view_gallery", "view_image"), {"gallery"}),
        (("view_sharelink", "change_image"), {"gallery", "image"}),
        (("view_sharelink", "change_gallery"), {"gallery", "other"}),
    ],
)
def test_links__are_those_to_what_one_may_share(world, staff_with, permissions, expected):
    client = staff_with(*permissions)
    assert listed(client) == expected
    text = client.get(reverse(LIST)).content.decode()
    assert ("Theirs" in text) is ("other" in expected)
    assert ("lighthouse" in text) is ("image" in expected)
    for name in world:
        status = client.get(url_of(link_of(world, name))).status_code
        assert status == (200 if name in expected else 302)


def test_links__are_their_owners_too(world, client_of, owner):
    owner.is_staff = True
    owner.save()
    owner.user_permissions.add(Permission.objects.get(codename="view_sharelink"))
    assert listed(client_of(owner)) == {"gallery", "image", "other"}


def test_links__need_a_permission(world, staff_with):
    client = staff_with("view_gallery", "change_gallery")
    assert client.get(reverse(LIST)).status_code == 403
    assert client.get(url_of(link_of(world, "gallery"))).status_code == 403


def test_links__that_have_ended_are_there_and_told_apart(world, staff_with, owner):
    client = staff_with("view_sharelink", "change_gallery", "change_image")
    ShareLink.objects.filter(note="note image").update(revoked_at=timezone.now())
    past = timezone.now() - timedelta(seconds=1)
    ShareLink.objects.filter(note="note other").update(ends_at=past)
    assert listed(client) == {"gallery", "image", "other"}
    assert listed(client, live="yes") == {"gallery"}
    assert listed(client, live="no") == {"image", "other"}
    owner.is_active = False
    owner.save()
    assert listed(client, live="yes") == set()


def test_links__costs_the_same_for_many(world, staff_with, owner, make_gallery, make_user):
    client = staff_with("view_sharelink", "change_sharelink", "change_gallery")
    counts = []
    for number in (1, 9):
        for each in range(number):
            maker = make_user(f"maker {number} {each}")
            gallery = make_gallery(f"Gallery {each}", owner=maker)
            create_link(Viewer(user=maker), gallery)
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse(LIST))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_links__no_page_has_a_token_or_a_hash(world, staff_with):
    client = staff_with("view_sharelink", "change_sharelink", "delete_sharelink")
    link, token = link_of(world, "gallery"), world["gallery"][1]
    pages = [reverse(LIST), url_of(link), url_of(link, "history"), url_of(link, "delete")]
    pages.append(f"{reverse(LIST)}?q={token}")
    for page in pages:
        response = client.get(page)
        assert response.status_code == 200
        text = response.content.decode().replace(f'value="{token}"', "")  # what was searched for
        for secret in (link.token_hash, link.password, "md5$"):
            assert secret not in text
        assert token not in text or "?q=" in page
    assert listed(client, q=token) == listed(client, q=link.token_hash) == set()


@pytest.mark.parametrize("is_superuser", [False, True])
def test_links__nobody_adds_or_changes_them(world, staff_with, make_user, is_superuser):
    client = staff_with("view_sharelink", "change_sharelink")
    if is_superuser:
        client.force_login(make_user("admin", is_staff=True, is_superuser=True))
    link = link_of(world, "gallery")
    assert client.get(reverse("admin:images_app_sharelink_add")).status_code == 403
    assert client.post(url_of(link), {"note": "changed", "level": 30}).status_code == 403
    assert link_of(world, "gallery").note == "note gallery"


def revoke(client, *links):
    chosen = {"action": "revoke", "_selected_action": [link.pk for link in links]}
    return client.post(reverse(LIST), chosen, follow=True)


def test_revoke__works_at_once(world, staff_with):
    guest = Client()
    guest.get(reverse("images_app:shared", args=[world["other"][1]]))
    password = {"password": "sesame"}
    guest.post(reverse("images_app:shared", args=[world["gallery"][1]]), password)
    page = link_of(world, "gallery").gallery.get_absolute_url()
    assert guest.get(page).status_code == 200
    client = staff_with("change_sharelink")
    chosen = [link_of(world, name) for name in world]
    text = revoke(client, *chosen).content.decode()
    assert "1 link is revoked." in text
    assert guest.get(page).status_code == 302
    assert guest.get(link_of(world, "other").gallery.get_absolute_url()).status_code == 200
    assert link_of(world, "gallery").revoked_at is not None
    assert link_of(world, "image").revoked_at is None  # not hers to share, though it was chosen
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (client.user, str(chosen[0].pk))


def test_revoke__what_has_ended_keeps_its_time(world, staff_with):
    past = timezone.now() - timedelta(days=3)
    ShareLink.objects.update(revoked_at=past)
    text = revoke(staff_with("change_sharelink"), link_of(world, "gallery")).content.decode()
    assert "0 links are revoked." in text
    assert link_of(world, "gallery").revoked_at == past


def test_revoke__needs_the_permission_to_change(world, staff_with):
    client = staff_with("view_sharelink", "delete_sharelink")
    revoke(client, link_of(world, "gallery"))
    assert link_of(world, "gallery").revoked_at is None
    assert 'value="revoke"' not in client.get(reverse(LIST)).content.decode()


@pytest.mark.parametrize("way", ["page", "action"])
def test_delete__only_links_to_what_one_may_share(world, staff_with, way):
    client = staff_with("view_sharelink", "delete_sharelink")
    chosen = [link_of(world, name) for name in ("gallery", "other")]
    if way == "page":
        for link in chosen:
            client.post(url_of(link, "delete"), {"post": "yes"})
    else:
        action = {"action": "delete_selected", "_selected_action": [link.pk for link in chosen]}
        text = client.post(reverse(LIST), action).content.decode()
        assert "Theirs" not in text
        client.post(reverse(LIST), {**action, "post": "yes"})
    assert set(ShareLink.objects.values_list("note", flat=True)) == {"note image", "note other"}


def test_delete__needs_its_permission(world, staff_with):
    client = staff_with("view_sharelink", "change_sharelink")
    link = link_of(world, "gallery")
    assert client.post(url_of(link, "delete"), {"post": "yes"}).status_code == 403
    assert ShareLink.objects.count() == 3
