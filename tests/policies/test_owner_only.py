"""The policy of owners alone; its contract is in tests/testing."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, Permission
from django.test import Client

from images_app.access import Level, Right, Viewer
from images_app.conf import get_policy
from images_app.models import Gallery, Grant, Image, find_visible
from images_app.policies.owner_only import OwnerOnlyPolicy
from images_app.testing import assert_no_leaks

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def in_use(settings):
    settings.IMAGES_APP = {"POLICY": {"BACKEND": "images_app.policies.owner_only.OwnerOnlyPolicy"}}


@pytest.fixture
def people(make_user):
    boss = make_user("boss", is_staff=True, is_superuser=True)
    boss.user_permissions.set(Permission.objects.all())
    keyless = type(boss)(username="keyless")
    keyless.pk = None
    return {
        "owner": make_user("owner"),
        "member": make_user("member"),
        "boss": boss,
        "inactive": make_user("inactive", is_active=False),
        "keyless": keyless,
        "anonymous": AnonymousUser(),
    }


def accesses(user, model) -> set:
    viewer = Viewer(user=user)
    return {access for access in (*Level, *Right) if model.objects.visible_to(viewer, access)}


@pytest.mark.parametrize("owner", ["owner", "inactive", None])
def test_owner__has_everything_and_nobody_else_anything(people, make_gallery, make_image, owner):
    gallery = make_gallery(visibility="public", owner=people.get(owner))
    image = make_image(gallery=gallery, owner=people.get(owner))
    Grant.objects.create(user=people["member"], gallery=gallery, level=Level.ORIGINAL)
    Grant.objects.create(user=people["member"], image=image, right="change")
    for name, user in people.items():
        is_owner = name == owner == "owner"
        expected = {*Level, *Right} if is_owner else set()
        assert accesses(user, Gallery) == accesses(user, Image) == expected, name
        assert get_policy().may_add(Viewer(user=user), gallery) is is_owner
        found = find_visible(Viewer(user=user), image.public_id, Level.PREVIEW)
        assert (found is not None) is is_owner


def test_gallery__shows_its_owner_nothing_of_others(people, make_gallery, make_image):
    make_image(gallery=make_gallery(owner=people["owner"]), owner=people["member"])
    assert accesses(people["owner"], Image) == set()


def test_answer__is_annotated_unless_told_otherwise(people, make_gallery, make_image):
    make_image(gallery=make_gallery(owner=people["owner"]), owner=people["owner"])
    viewer, policy = Viewer(user=people["owner"]), OwnerOnlyPolicy()
    for ask, model in ((policy.images, Image), (policy.galleries, Gallery)):
        row = ask(viewer, model.objects.all(), Level.VIEW).get()
        assert (row.viewer_level, row.anyone) == (Level.ORIGINAL, False)


def test_kinds__are_those_who_may_own_and_the_others(people):
    kinds = {name: OwnerOnlyPolicy().viewer_kind(Viewer(user=people[name])) for name in people}
    owners = {kinds[name] for name in ("owner", "member", "boss")}
    others = {kinds[name] for name in ("anonymous", "inactive", "keyless")}
    assert len(owners) == len(others) == 1
    assert owners.isdisjoint(others)


def test_single_image__is_found_by_a_prepared_query(people, make_image, monkeypatch):
    image = make_image(owner=people["owner"])
    assert find_visible(Viewer(user=people["member"]), image.public_id, Level.VIEW) is None
    monkeypatch.setattr(OwnerOnlyPolicy, "images", lambda *args, **kwargs: pytest.fail("asked"))
    assert find_visible(Viewer(user=people["owner"]), image.public_id, Level.VIEW) == image


def test_urls__have_no_leaks(people, make_gallery, make_image):
    gallery = make_gallery(visibility="public", owner=people["owner"])
    make_image(gallery=gallery, owner=people["member"])
    viewers = [None, *(people[name] for name in ("owner", "member", "boss", "inactive"))]

    def client_for(user):
        client = Client()
        if user is not None:
            client.force_login(user)
        return client

    assert_no_leaks(client_for, viewers=viewers, render=False)
