"""The access log in the admin: read by those who have its permission, changed by nobody."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from images_app.access import Viewer
from images_app.models import AccessEntry, ShareLink
from images_app.sharing import create_link
from tests.databases import connection

pytestmark = pytest.mark.django_db
LIST = "admin:images_app_accessentry_changelist"


@pytest.fixture
def reader(client_of, make_user):
    return client_of(make_user("reader", permissions=["view_accessentry"], is_staff=True))


@pytest.fixture
def owner(make_user):
    return make_user("proprietor")


@pytest.fixture
def link(owner, make_gallery):
    gallery = make_gallery("Secret gallery", owner=owner)
    return create_link(Viewer(user=owner), gallery, note="for my doctor")[0]


def make_entry(**values):
    defaults = {
        "at": timezone.now(),
        "kind": "rendition",
        "public_id": uuid.uuid4(),
        "level": 20,
        "is_allowed": True,
    }
    return AccessEntry.objects.create(**{**defaults, **values})


def change_url(entry, view="change"):
    return reverse(f"admin:images_app_accessentry_{view}", args=[entry.pk])


def test_log__tells_who_what_and_through_which_link_but_no_title(reader, owner, link):
    entry = make_entry(user=owner, link=link, public_id=link.gallery.public_id)
    denied = make_entry(is_allowed=False, reason="forbidden", level=None)
    for url in (reverse(LIST), change_url(entry)):
        text = reader.get(url).content.decode()
        for said in ("proprietor", str(entry.public_id), "view (all sizes)", str(link.public_id)):
            assert said in text
        for hidden in ("Secret gallery", "for my doctor", link.token_hash):
            assert hidden not in text
    text = reader.get(reverse(LIST)).content.decode()
    assert str(denied.public_id) in text
    assert "not shown to this viewer" in text


EVERYTHING_ELSE = [
    f"{action}_{model}"
    for model in ("image", "gallery", "galleryitem", "grant", "sharelink")
    for action in ("add", "change", "delete", "view")
    if not (model == "sharelink" and action == "add")
]


def test_log__needs_its_own_permission(client_of, make_user):
    entry = make_entry()
    client = client_of(make_user("editor", permissions=EVERYTHING_ELSE, is_staff=True))
    for url in (reverse(LIST), change_url(entry), change_url(entry, "history")):
        assert client.get(url).status_code == 403
    assert "accessentry" not in client.get(reverse("admin:index")).content.decode()


def test_log__is_listed_for_readers(reader):
    assert reverse(LIST) in reader.get(reverse("admin:index")).content.decode()


def test_log__there_is_no_other_permission():
    found = Permission.objects.filter(content_type__model="accessentry")
    assert [permission.codename for permission in found] == ["view_accessentry"]


@pytest.mark.parametrize("is_superuser", [False, True])
def test_log__nobody_adds_changes_or_deletes(reader, client_of, make_user, is_superuser):
    entry = make_entry()
    client = reader
    if is_superuser:
        client = client_of(make_user("admin", is_staff=True, is_superuser=True))
    assert client.get(reverse("admin:images_app_accessentry_add")).status_code == 403
    assert client.get(change_url(entry, "delete")).status_code == 403
    assert client.post(change_url(entry, "delete"), {"post": "yes"}).status_code == 403
    assert client.post(change_url(entry), {"kind": "page"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"}
    client.post(reverse(LIST), action)
    text = client.get(reverse(LIST)).content.decode()
    assert "delete_selected" not in text
    assert AccessEntry.objects.get().kind == "rendition"


def test_log__costs_the_same_for_many(reader, make_user, owner, link):
    counts = []
    for number in (1, 12):
        for each in range(number):
            make_entry(user=make_user(f"user {number} {each}"), link=link)
        with CaptureQueriesContext(connection) as queries:
            assert reader.get(reverse(LIST)).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {"old", "denied", "linked"}),
        ({"is_allowed__exact": "0"}, {"denied"}),
        ({"kind__exact": "gallery"}, {"linked"}),
        ({"reason__exact": "level"}, {"denied"}),
        ({"reason__exact": "absent"}, set()),
        ({"q": "DENIED"}, {"denied"}),
        ({"q": "LINK"}, {"linked"}),
        ({"q": "nonsense %"}, set()),
        ({"q": ""}, {"old", "denied", "linked"}),
    ],
)
def test_log__filters_and_searches_ids(reader, link, query, expected):
    entries = {
        "old": make_entry(at=timezone.now() - timedelta(days=20)),
        "denied": make_entry(is_allowed=False, reason="level"),
        "linked": make_entry(kind="gallery", link=link),
    }
    ids = {"DENIED": entries["denied"].public_id, "LINK": link.public_id}
    query = {name: str(ids.get(value, value)) for name, value in query.items()}
    response = reader.get(reverse(LIST), query)
    assert response.status_code == 200
    found = set(response.context["cl"].queryset)
    assert found == {entries[name] for name in expected}


def test_log__filters_by_time(reader):
    make_entry(at=timezone.now() - timedelta(days=20))
    young = make_entry()
    since = (timezone.now() - timedelta(days=7)).isoformat(sep=" ")
    response = reader.get(reverse(LIST), {"at__gte": since})
    assert list(response.context["cl"].queryset) == [young]


def test_log__shows_entries_whose_user_and_link_are_gone(reader, owner, link):
    entry = make_entry(user=owner, link=link)
    ShareLink.objects.all().delete()
    owner.delete()
    for url in (reverse(LIST), change_url(entry)):
        assert str(entry.public_id) in reader.get(url).content.decode()
