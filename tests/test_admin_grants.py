"""The list of grants: on what one may share, and of no more than one has."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from images_app.models import Gallery, Grant, Image

pytestmark = pytest.mark.django_db
LIST = "admin:images_app_grant_changelist"
ADD = "admin:images_app_grant_add"
GRANTS = ("view_grant", "add_grant", "change_grant", "delete_grant")


@pytest.fixture
def owner(make_user):
    return make_user("proprietor")


@pytest.fixture
def grants(make_gallery, make_image, make_user, owner):
    """Grants of a friend on a gallery, on an image in it, and on another gallery and image."""
    ours, theirs = (make_gallery(title, owner=owner) for title in ("Ours", "Theirs"))
    make_image(name="lighthouse.jpg", owner=owner, gallery=ours)
    hidden = make_image(name="wreck.jpg", owner=owner, gallery=theirs)
    friend = make_user("friend")
    return {
        "ours": Grant.objects.create(user=friend, gallery=ours, level=20),
        "theirs": Grant.objects.create(user=friend, gallery=theirs, level=20),
        "hidden": Grant.objects.create(user=friend, image=hidden, level=20),
    }


@pytest.fixture
def staff_with(client_of, make_user):
    """Staff with these permissions, who may share the gallery Ours."""

    def make(*permissions, is_sharing=True):
        user = make_user("staff", permissions=permissions, is_staff=True)
        if is_sharing:
            gallery = Gallery.objects.get(title="Ours")
            Grant.objects.create(user=user, gallery=gallery, right="share")
        client = client_of(user)
        client.user = user
        return client

    return make


def url_of(grant, view="change"):
    return reverse(f"admin:images_app_grant_{view}", args=[grant.pk])


def listed(client, **query):
    response = client.get(reverse(LIST), query)
    assert response.status_code == 200
    return {grant.pk for grant in response.context["cl"].queryset}


def form(**values):
    names = ("user", "group", "gallery", "image", "level", "right", "ends_at_0", "ends_at_1")
    return {name: values.get(name, "") for name in names}


def test_list__is_of_what_one_may_share(staff_with, grants):
    client = staff_with(*GRANTS)
    own = Grant.objects.get(user=client.user)
    assert listed(client) == {grants["ours"].pk, own.pk}
    text = client.get(reverse(LIST)).content.decode()
    assert "Ours" in text
    assert "friend" in text
    for name in ("Theirs", "wreck"):
        assert name not in text
    for name in ("theirs", "hidden"):
        for view in ("change", "delete", "history"):
            assert client.get(url_of(grants[name], view)).status_code == 302  # as if absent
            client.post(url_of(grants[name], view), {"post": "yes", "level": "10"})
        grants[name].refresh_from_db()
        assert grants[name].level == 20


@pytest.mark.parametrize("permissions", [(), ("change_gallery", "change_image", "view_image")])
def test_list__needs_a_permission(staff_with, grants, permissions):
    client = staff_with(*permissions)
    for url in (reverse(LIST), reverse(ADD), url_of(grants["ours"])):
        assert client.get(url).status_code == 403


def test_list__no_filter_and_no_search_tells_of_what_is_hidden(staff_with, grants):
    client = staff_with(*GRANTS)
    theirs, hidden = grants["theirs"].gallery, grants["hidden"].image
    for query in (
        {"gallery__id__exact": theirs.pk},
        {"image__id__exact": hidden.pk},
        {"image__id__exact": "nonsense"},
        {"q": "Theirs"},
        {"q": "wreck"},
    ):
        assert listed(client, **query) == set()
        text = client.get(reverse(LIST), query).content.decode()
        for name in {"Theirs", "wreck"} - {query.get("q")}:
            assert name not in text
    for lookup in ("gallery__title__startswith", "user__password__startswith", "image__title"):
        assert client.get(reverse(LIST), {lookup: "T"}).status_code == 400
    assert listed(client, q="friend") == {grants["ours"].pk}


def test_list__groups_are_offered_to_who_may_read_them(staff_with, grants):
    group = Group.objects.create(name="Choir")
    Group.objects.create(name="Orchestra")
    Grant.objects.create(group=group, gallery=grants["ours"].gallery, level=20)
    client = staff_with(*GRANTS)
    assert "Orchestra" not in client.get(reverse(LIST)).content.decode()
    assert listed(client, group__id__exact=group.pk) == set()
    client.user.user_permissions.add(Permission.objects.get(codename="view_group"))
    assert "Orchestra" in client.get(reverse(LIST)).content.decode()
    assert len(listed(client, group__id__exact=group.pk)) == 1


def test_list__costs_the_same_for_many(staff_with, grants, make_user):
    client, counts = staff_with(*GRANTS), []
    for number in (1, 9):
        for each in range(number):
            user = make_user(f"friend {number} {each}")
            Grant.objects.create(user=user, gallery=grants["ours"].gallery, level=10)
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse(LIST))
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("permissions", "given", "is_given"),
    [
        (("change_gallery",), {"level": "10"}, False),  # the image in it is none of theirs
        (("view_image",), {"level": "30"}, True),
        (("view_image",), {"right": "share"}, True),
        (("view_image",), {"right": "delete"}, False),
    ],
)
def test_add__gives_no_more_than_the_giver_has(
    staff_with, grants, make_user, permissions, given, is_given
):
    is_sharing = "change_gallery" not in permissions
    client = staff_with(*GRANTS, *permissions, is_sharing=is_sharing)
    gallery, other = grants["ours"].gallery, make_user("other")
    response = client.post(reverse(ADD), form(user=other.pk, gallery=gallery.pk, **given))
    assert Grant.objects.filter(user=other).exists() is is_given
    if not is_given:
        assert "no more than you have yourself" in response.content.decode()


def test_add__gives_for_no_longer_than_the_giver_has(staff_with, grants, make_user):
    client = staff_with(*GRANTS, "view_image")
    tomorrow = timezone.localtime() + timedelta(days=1)
    Grant.objects.filter(user=client.user).update(ends_at=tomorrow)
    other, gallery = make_user("other"), grants["ours"].gallery
    data = form(user=other.pk, gallery=gallery.pk, level="20")
    assert "nor for longer" in client.post(reverse(ADD), data).content.decode()
    hour = tomorrow - timedelta(hours=1)
    data |= {"ends_at_0": f"{hour:%Y-%m-%d}", "ends_at_1": f"{hour:%H:%M:%S}"}
    assert client.post(reverse(ADD), data).status_code == 302
    assert Grant.objects.get(user=other).level == 20


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"level": "20", "right": "share"},
        {"level": "20", "gallery": ""},
        {"level": "20", "user": ""},
        {"level": "20", "gallery": "both"},
    ],
)
def test_add__an_unclear_one_is_refused(staff_with, grants, make_user, given):
    client = staff_with(*GRANTS, "view_image", "change_image", "change_gallery")
    gallery, other = grants["ours"].gallery, make_user("other")
    data = form(**{"user": other.pk, "gallery": gallery.pk, **given})
    if given.get("gallery") == "both":
        data |= {"gallery": gallery.pk, "image": gallery.items.get().image_id}
    assert client.post(reverse(ADD), data).status_code == 200
    assert not Grant.objects.filter(user=other).exists()


@pytest.mark.parametrize("kind", ["gallery", "image"])
def test_add__says_the_same_of_hidden_and_absent(staff_with, grants, kind):
    client, friend = staff_with(*GRANTS), grants["ours"].user
    hidden = {"gallery": grants["theirs"].gallery, "image": grants["hidden"].image}[kind]
    texts = []
    for key in (hidden.pk, 987654):
        for method in ("get", "post"):
            data = form(user=friend.pk, level="10", **{kind: key})
            response = getattr(client, method)(reverse(ADD), data)
            text = response.content.decode().replace(str(key), "KEY")
            assert "Theirs" not in text
            assert "wreck" not in text
            texts.append((response.status_code, response.context["adminform"].form.errors, method))
    assert texts[0] == texts[2]
    assert texts[1] == texts[3]
    assert Grant.objects.filter(user=friend).count() == 3


def test_change__keeps_whom_and_what_it_is_for(staff_with, grants, make_user):
    client = staff_with(*GRANTS, "view_image")
    grant, other = grants["ours"], make_user("other")
    data = form(level="10", user=other.pk, gallery=grants["theirs"].gallery.pk)
    assert client.post(url_of(grant), data).status_code == 302
    grant.refresh_from_db()
    assert (grant.level, grant.user.username, grant.gallery.title) == (10, "friend", "Ours")
    response = client.post(url_of(grant), form(right="delete"))
    assert "no more than you have yourself" in response.content.decode()


def test_change__leaves_alone_what_was_given_by_who_has_more(staff_with, grants):
    client = staff_with(*GRANTS, "change_gallery", is_sharing=False)  # who sees no image at all
    assert client.post(url_of(grants["ours"]), form(level="10")).status_code == 200
    assert client.post(url_of(grants["ours"]), form(level="20")).status_code == 302
    grants["ours"].refresh_from_db()
    assert grants["ours"].level == 20


@pytest.mark.parametrize("permissions", [("view_grant",), ("view_grant", "delete_grant")])
def test_end__needs_the_permission_to_change(staff_with, grants, permissions):
    client = staff_with(*permissions)
    assert 'value="end_now"' not in client.get(reverse(LIST)).content.decode()
    chosen = {"action": "end_now", "_selected_action": [grants["ours"].pk]}
    client.post(reverse(LIST), chosen)
    assert not Grant.objects.exclude(ends_at=None).exists()
    assert client.post(url_of(grants["ours"]), form(level="10")).status_code == 403


def test_end__is_for_what_one_may_share_and_is_logged(staff_with, grants):
    client = staff_with(*GRANTS)
    keys = [grant.pk for grant in grants.values()]
    client.post(reverse(LIST), {"action": "end_now", "_selected_action": keys})
    assert list(Grant.objects.exclude(ends_at=None)) == [grants["ours"]]
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id) == (client.user, str(grants["ours"].pk))


@pytest.mark.parametrize("way", ["page", "action"])
def test_delete__only_what_is_on_what_one_may_share(staff_with, grants, way):
    client = staff_with(*GRANTS)
    if way == "page":
        for grant in grants.values():
            client.post(url_of(grant, "delete"), {"post": "yes"})
    else:
        keys = [grant.pk for grant in grants.values()]
        action = {"action": "delete_selected", "_selected_action": keys, "post": "yes"}
        client.post(reverse(LIST), action)
    left = set(Grant.objects.exclude(user=client.user))
    assert left == {grants["theirs"], grants["hidden"]}


def test_delete__of_a_gallery_takes_no_permission_on_its_grants(staff_with, grants):
    client = staff_with("change_gallery", "delete_gallery", "delete_galleryitem")
    url = reverse("admin:images_app_gallery_delete", args=[grants["ours"].gallery_id])
    assert "Grants: 2" in client.get(url).content.decode()
    assert client.post(url, {"post": "yes"}).status_code == 302
    assert not Gallery.objects.filter(title="Ours").exists()


@pytest.mark.parametrize(
    ("permissions", "is_sharing", "is_led"),
    [(GRANTS, True, True), (GRANTS, False, False), (("add_grant",), True, False)],
)
def test_gallery_page__leads_to_the_list_who_may_read_it(
    staff_with, grants, permissions, is_sharing, is_led
):
    client = staff_with("view_gallery", *permissions, is_sharing=is_sharing)
    gallery = grants["ours"].gallery
    page = client.get(reverse("admin:images_app_gallery_change", args=[gallery.pk]))
    link = f"{reverse(LIST)}?gallery__id__exact={gallery.pk}"
    assert (link in page.content.decode()) is is_led
    if is_led:
        assert grants["ours"].pk in listed(client, gallery__id__exact=gallery.pk)


def test_image_page__leads_to_its_grants(staff_with, grants):
    client = staff_with("change_image", *GRANTS)
    grant = grants["hidden"]
    page = client.get(reverse("admin:images_app_image_change", args=[grant.image_id]))
    assert f"{reverse(LIST)}?image__id__exact={grant.image_id}" in page.content.decode()
    assert listed(client, image__id__exact=grant.image_id) == {grant.pk}
    Image.objects.filter(pk=grant.image_id).update(trashed_at=timezone.now())
    assert grant.pk not in listed(client)
