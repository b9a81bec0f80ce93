"""Admin and link pages at a size that hurts: each stays small, and what it is for still works."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from images_app.access import Level, Viewer
from images_app.models import Gallery, GalleryItem, Grant, Image, ShareLink
from images_app.views.authorise import is_reachable

pytestmark = pytest.mark.django_db
MOST_BYTES, MOST_QUERIES = 200_000, 140
GRANTS, LINKS, GALLERIES, ITEMS = 5_000, 10_000, 3_000, 5_000


class World:
    """One gallery with too much of everything, among too many galleries."""

    def __init__(self) -> None:
        users = get_user_model().objects
        self.root = users.create_superuser("root", password="secret")
        self.gallery = Gallery.objects.create(title="Full", owner=self.root)
        people = users.bulk_create(users.model(username=f"person-{n}") for n in range(GRANTS))
        Grant.objects.bulk_create(
            Grant(user=person, gallery=self.gallery, level=20) for person in people
        )
        owners = people[: GALLERIES // 2]
        Gallery.objects.bulk_create(
            Gallery(title=f"Gallery {n}", owner=owners[n % len(owners)]) for n in range(GALLERIES)
        )
        images = Image.objects.bulk_create(image(f"image-{n}", self.root) for n in range(ITEMS))
        self.image = images[0]
        GalleryItem.objects.bulk_create(
            GalleryItem(gallery=self.gallery, image=each, position=n)
            for n, each in enumerate(images)
        )
        GalleryItem.objects.bulk_create(
            GalleryItem(gallery=each, image=self.image)
            for each in Gallery.objects.exclude(pk=self.gallery.pk)
        )
        ShareLink.objects.bulk_create(
            ShareLink(
                gallery=self.gallery, note=f"link {n}", token_hash=f"{n:064}", created_by=self.root
            )
            for n in range(LINKS)
        )
        self.client = Client()
        self.client.force_login(self.root)


def image(title, owner):
    return Image(
        title=title,
        owner=owner,
        storage_alias="images",
        storage_name=uuid.uuid4().hex,
        file_name=f"{title}.jpg",
        format="jpeg",
        width=48,
        height=48,
        byte_size=1,
        checksum="0" * 64,
    )


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker):
    """One world for all tests; each undoes what it did to it."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield World()
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def world_first(world, db):
    """The world is around the test's transaction, not in it."""


def small(client, url, data=None, *, status=200, method="get"):
    """Ask, and judge the answer by its bytes and queries."""
    with CaptureQueriesContext(connection) as queries:
        response = getattr(client, method)(url, data or {})
    assert response.status_code == status, url
    assert len(response.content) < MOST_BYTES, (url, len(response.content))
    assert len(queries) < MOST_QUERIES, (url, len(queries))
    return response


def admin(name, *args):
    return reverse(f"admin:images_app_{name}", args=args)


def test_pages__stay_small(world):
    full, image = world.gallery.pk, world.image.pk
    link, grant = ShareLink.objects.first(), Grant.objects.first()
    for url in (
        admin("gallery_changelist"),
        admin("gallery_add"),
        admin("gallery_change", full),
        admin("gallery_why", full),
        admin("gallery_delete", full),
        admin("gallery_history", full),
        admin("image_changelist"),
        admin("image_add"),
        f"{admin('image_add')}?gallery={full}",
        admin("image_change", image),
        admin("image_why", image),
        admin("image_delete", image),
        admin("image_trash"),
        admin("galleryitem_changelist"),
        f"{admin('galleryitem_changelist')}?gallery__id__exact={full}",
        admin("galleryitem_add"),
        admin("grant_changelist"),
        f"{admin('grant_changelist')}?gallery__id__exact={full}&_facets=True",
        f"{admin('grant_changelist')}?q=person-4999",
        admin("grant_add"),
        admin("grant_change", grant.pk),
        admin("grant_delete", grant.pk),
        admin("sharelink_changelist"),
        admin("sharelink_change", link.pk),
        reverse("admin:images_app_remote_remotesource_add"),
        reverse("images_app:links"),
        reverse("images_app:gallery_links", args=[world.gallery.public_id]),
        reverse("images_app:gallery_list"),
        reverse("images_app:add_images", args=[world.gallery.public_id]),
        world.image.get_absolute_url(),
    ):
        small(world.client, url)


@pytest.mark.parametrize("model", ["gallery", "galleryitem", "grant", "sharelink"])
def test_confirmation__is_asked_of_no_more_than_a_page_can_hold(world, model):
    chosen = {"action": "delete_selected", "select_across": "1", "_selected_action": ["1"]}
    rows = {
        "gallery": Gallery,
        "galleryitem": GalleryItem,
        "grant": Grant,
        "sharelink": ShareLink,
    }[model].objects
    number = rows.count()
    url = admin(f"{model}_changelist")
    small(world.client, url, chosen, status=302, method="post")
    world.client.post(url, {**chosen, "post": "yes"})
    assert rows.count() == number
    assert "Choose at most 200 at a time." in world.client.get(url).content.decode()
    few = list(rows.order_by("-pk").values_list("pk", flat=True)[:3])
    done = {"action": "delete_selected", "_selected_action": few, "post": "yes"}
    world.client.post(url, done)
    assert rows.count() == number - 3


def test_visibility__of_all_is_not_asked_at_once(world):
    chosen = {"action": "change_visibility", "select_across": "1", "_selected_action": ["1"]}
    small(world.client, admin("gallery_changelist"), chosen, status=302, method="post")


def form_of(response) -> dict[str, str]:
    """What a browser would send back of the page."""
    page = response.context["adminform"].form
    data = {name: page[name].value() for name in page.fields}
    for inline in response.context["inline_admin_formsets"]:
        for part in (inline.formset.management_form, *inline.formset.forms):
            data |= {part.add_prefix(name): part[name].value() for name in part.fields}
    return {name: "" if value is None else value for name, value in data.items()}


def test_gallery__with_too_many_grants_is_saved(world):
    url = admin("gallery_change", world.gallery.pk)
    page = world.client.get(url)
    assert "The newest 20 of 5000 grants are shown." in page.content.decode().replace(",", "")
    data = {**form_of(page), "title": "Fuller"}
    assert int(data["grants-TOTAL_FORMS"]) == 20
    newest = Grant.objects.order_by("-pk")[0]
    assert data["grants-0-id"] == newest.pk
    # Others give more meanwhile, so that these are no longer the newest.
    group = Group.objects.create(name="Latecomers")
    late = Grant.objects.create(gallery=world.gallery, group=group, level=20)
    data |= {"grants-0-level": "10", "grants-1-DELETE": "on", "grants-20-level": "30"}
    data |= {"grants-20-user": world.root.pk, "grants-TOTAL_FORMS": "21"}
    response = world.client.post(url, data)
    assert response.status_code == 302, response.context["errors"]
    world.gallery.refresh_from_db()
    newest.refresh_from_db()
    assert (world.gallery.title, newest.level) == ("Fuller", 10)
    assert not Grant.objects.filter(pk=data["grants-1-id"]).exists()
    assert Grant.objects.get(user=world.root).level == 30
    assert Grant.objects.filter(pk=late.pk, level=20).exists()
    assert Grant.objects.count() == GRANTS + 1


def test_gallery__takes_no_more_grants_than_its_page_has_room_for(world):
    url = admin("gallery_change", world.gallery.pk)
    data = form_of(world.client.get(url)) | {"grants-TOTAL_FORMS": "41"}
    response = world.client.post(url, data)
    assert response.status_code == 200
    assert "Please submit at most 40 forms." in response.content.decode()


def test_grants__are_ended_all_at_once(world):
    url = f"{admin('grant_changelist')}?gallery__id__exact={world.gallery.pk}"
    other = Grant.objects.create(gallery=Gallery.objects.first(), user=world.root, level=20)
    past = timezone.now() - timedelta(days=9)
    Grant.objects.filter(pk=Grant.objects.first().pk).update(ends_at=past)
    someone = Grant.objects.filter(gallery=world.gallery).last().user
    assert is_reachable(world.gallery, Viewer(user=someone), Level.VIEW)
    chosen = {"action": "end_now", "select_across": "1", "_selected_action": [other.pk]}
    small(world.client, url, chosen, status=302, method="post")
    text = world.client.get(url).content.decode()
    assert "4999 grants are ended." in text, re.findall(r"(?s)<ul class=.messagelist.*?</ul>", text)
    assert not is_reachable(world.gallery, Viewer(user=someone), Level.PREVIEW)
    assert Grant.objects.get(ends_at=None) == other
    assert Grant.objects.filter(ends_at=past).count() == 1
    assert world.client.get(f"{url}&in_force=yes").context["cl"].result_count == 0
    assert world.client.get(f"{url}&in_force=no").context["cl"].result_count == GRANTS


def test_links__are_all_reached_a_page_at_a_time(world):
    """Forwards through a few pages, and back; the last one by its cursor."""
    url = reverse("images_app:gallery_links", args=[world.gallery.public_id])
    seen, query = [], ""
    for _page in range(3):
        text = small(world.client, url + query).content.decode()
        seen += re.findall(r"link \d+(?=</h2>)", text)
        query = re.search(r'href="(\?after=[^"]+)"', text)[1]
    newest = ShareLink.objects.values_list("note", flat=True)[:150]
    assert seen == list(newest)
    text = small(world.client, url + query).content.decode()
    back = re.search(r'href="(\?before=[^"]+)"', text)[1]
    assert (
        re.findall(r"link \d+(?=</h2>)", small(world.client, url + back).content.decode())
        == (seen[100:])
    )
    first = ShareLink.objects.order_by("created_at", "id")[1]
    text = small(world.client, f"{url}?after={first.public_id}").content.decode()
    assert "?after=" not in text


def test_why__answers_for_a_link_that_is_not_offered(world):
    last = ShareLink.objects.last()
    url = admin("gallery_why", world.gallery.pk)
    response = small(world.client, url, {"user": "", "link": last.public_id})
    assert len(re.findall(r"<option", response.content.decode())) == 52
    assert f'value="{last.public_id}" selected' in response.content.decode()
    assert "Only the newest 50 are offered." in response.content.decode()
    page = small(world.client, admin("sharelink_change", last.pk)).content.decode()
    assert f"{url}?user=&amp;link={last.public_id}" in page


def test_adding__takes_a_gallery_that_is_not_offered(world):
    last = Gallery.objects.last()
    response = small(world.client, f"{admin('image_add')}?gallery={last.pk}")
    text = response.content.decode()
    assert f'<option value="{last.pk}" selected>' in text
    assert text.partition("</select>")[0].count("<option") == 52
    assert "Only the first 50 are offered." in text
    known = response.context["uploader"].galleries
    assert known[str(last.pk)] == str(last.public_id)
    assert len(known) == 51


def test_filter__takes_a_gallery_that_is_not_offered(world):
    offered = {key for key, _ in galleries_filter(small(world.client, admin("image_changelist")))}
    assert len(offered) == 20
    other = Gallery.objects.exclude(pk__in=offered)[30]
    url = f"{admin('image_changelist')}?galleries__id__exact={other.pk}"
    response = small(world.client, url)
    assert [row.pk for row in response.context["cl"].queryset] == [world.image.pk]
    assert (other.pk, other.title) in galleries_filter(response)
    assert "Only the first 20 are offered." in response.content.decode()


def galleries_filter(response):
    specs = response.context["cl"].filter_specs
    return next(spec.lookup_choices for spec in specs if hasattr(spec, "has_more"))


def test_deleting__a_full_gallery_asks_no_more_than_an_empty_one(world):
    empty, counts = Gallery.objects.create(title="Empty"), []
    for gallery in (empty, world.gallery):
        with CaptureQueriesContext(connection) as queries:
            text = world.client.get(admin("gallery_delete", gallery.pk)).content.decode()
        counts.append(len(queries))
    assert "Images in galleries: 5000" in text
    assert "Grants: 5000" in text
    # SQLite takes some hundred keys in one query.
    assert counts[1] < counts[0] + 40
