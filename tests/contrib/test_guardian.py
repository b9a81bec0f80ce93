"""The policy by django-guardian's object permissions: who is let in by which, and who is not."""

from __future__ import annotations

from types import SimpleNamespace
from uuid import uuid4

import pytest

pytest.importorskip("guardian")

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.models import Exists
from django.test import Client
from guardian.conf import settings as guardian_settings
from guardian.models import GroupObjectPermission, UserObjectPermission
from guardian.shortcuts import assign_perm

from images_app.access import Level, Right, Viewer
from images_app.conf import get_policy
from images_app.contrib.guardian import GuardianPolicy, _on_row
from images_app.models import Gallery, Grant, Image, find_visible
from images_app.testing import PolicyContract, assert_no_leaks

pytestmark = pytest.mark.django_db
PREVIEW, VIEW, ORIGINAL = Level
CHANGE, SHARE, DELETE = Right
ALL, NONE = {CHANGE, SHARE, DELETE}, set()
BACKEND = {"BACKEND": "images_app.contrib.guardian.GuardianPolicy"}


@pytest.fixture(autouse=True)
def in_use(settings):
    settings.IMAGES_APP = {"POLICY": BACKEND}


@pytest.fixture
def anonymous_user(monkeypatch, make_user):
    """What guardian makes after migrations, unless it is told not to."""
    monkeypatch.setattr(guardian_settings, "ANONYMOUS_USER_NAME", "AnonymousUser")
    return make_user("AnonymousUser")


@pytest.fixture
def hung(make_gallery, make_image):
    """A public gallery of nobody's with an image of nobody's: guardian alone decides."""
    gallery = make_gallery(visibility="public")
    return SimpleNamespace(gallery=gallery, image=make_image(gallery=gallery))


def best(user, model) -> Level | None:
    """The level on the only row of a model."""
    found = [level for level in Level if model.objects.visible_to(Viewer(user=user), level)]
    return max(found, default=None)


def rights(user, model) -> set[Right]:
    """The rights on the only row of a model."""
    return {right for right in Right if model.objects.visible_to(Viewer(user=user), right)}


# --- by what ----------------------------------------------------------------------------------

# The permission, and what it gives on the gallery and on the image: level and rights.
GIVEN = {
    "view_image": ((None, NONE), (VIEW, NONE)),
    "change_image": ((None, NONE), (ORIGINAL, {CHANGE, SHARE})),
    "delete_image": ((None, NONE), (ORIGINAL, {DELETE})),
    "add_image": ((None, NONE), (None, NONE)),
    "view_gallery": ((VIEW, NONE), (VIEW, NONE)),
    "change_gallery": ((ORIGINAL, {CHANGE, SHARE}), (ORIGINAL, NONE)),
    "delete_gallery": ((ORIGINAL, {DELETE}), (ORIGINAL, NONE)),
    "add_gallery": ((None, NONE), (None, NONE)),
}


@pytest.mark.parametrize("by_group", [False, True])
@pytest.mark.parametrize("permission", GIVEN)
def test_permission__gives_what_the_table_says(make_user, hung, permission, by_group):
    holder = user = make_user()
    if by_group:
        holder = Group.objects.create(name="friends")
        user.groups.add(holder)
    subject = hung.image if permission.endswith("image") else hung.gallery
    assign_perm(permission, holder, subject)
    on_gallery, on_image = GIVEN[permission]
    assert (best(user, Gallery), rights(user, Gallery)) == on_gallery
    assert (best(user, Image), rights(user, Image)) == on_image
    other = make_user("other")
    assert best(other, Gallery) is best(other, Image) is None
    assert get_policy().may_add(Viewer(user=user), hung.gallery) is (permission == "change_gallery")


def test_options__name_other_actions(make_user, hung, settings):
    settings.IMAGES_APP = {"POLICY": {**BACKEND, "OPTIONS": {"original": "download"}}}
    Permission.objects.create(
        codename="download_image", content_type=ContentType.objects.get_for_model(Image)
    )
    user = make_user()
    assign_perm("view_image", user, hung.image)
    assert best(user, Image) == VIEW
    assign_perm("download_image", user, hung.image)
    assert (best(user, Image), rights(user, Image)) == (ORIGINAL, NONE)


def test_options__refuse_an_access_that_does_not_exist(settings):
    settings.IMAGES_APP = {"POLICY": {**BACKEND, "OPTIONS": {"dwonload": "view"}}}
    with pytest.raises(ImproperlyConfigured, match="no access 'dwonload', only preview, view"):
        get_policy()


@pytest.mark.parametrize(
    ("owns", "on_gallery", "on_image"),
    [
        ("image", (None, NONE), (ORIGINAL, ALL)),
        ("gallery", (ORIGINAL, ALL), (ORIGINAL, NONE)),
    ],
)
def test_owner__has_everything(make_user, hung, owns, on_gallery, on_image):
    user = make_user()
    type(getattr(hung, owns)).objects.update(owner=user)
    assert (best(user, Gallery), rights(user, Gallery)) == on_gallery
    assert (best(user, Image), rights(user, Image)) == on_image


STAFF = {
    "staff who may view": ({"is_staff": True}, ["view_image"], (ORIGINAL, NONE)),
    "staff who may change": ({"is_staff": True}, ["change_image"], (ORIGINAL, {CHANGE, SHARE})),
    "staff who may delete": (
        {"is_staff": True},
        ["view_image", "delete_image"],
        (ORIGINAL, {DELETE}),
    ),
    "staff who may delete what they may not see": (
        {"is_staff": True},
        ["delete_image"],
        (None, NONE),
    ),
    "plain staff": ({"is_staff": True}, [], (None, NONE)),
    "no staff": ({}, ["view_image", "change_image"], (None, NONE)),
    "superuser": ({"is_staff": True, "is_superuser": True}, [], (ORIGINAL, ALL)),
    "superuser without staff": ({"is_superuser": True}, [], (None, NONE)),
}


@pytest.mark.parametrize("who", STAFF)
def test_staff__has_what_djangos_own_permissions_say(make_user, hung, who):
    flags, permissions, expected = STAFF[who]
    user = make_user(permissions=permissions, **flags)
    assert (best(user, Image), rights(user, Image)) == expected


# --- and by what not --------------------------------------------------------------------------


def test_visibility_and_grants__say_nothing(make_user, hung):
    user = make_user()
    Grant.objects.create(user=user, image=hung.image, level=ORIGINAL)
    assert best(user, Image) is best(user, Gallery) is best(AnonymousUser(), Image) is None


def test_permission__on_a_row_of_another_model_with_the_same_key_does_not_count(make_user, hung):
    user = make_user()
    hung.gallery.items.all().delete()
    Gallery.objects.update(id=hung.image.pk)
    assign_perm("view_gallery", user, Gallery.objects.get())
    assert (best(user, Gallery), best(user, Image)) == (VIEW, None)


@pytest.mark.parametrize("wrong", ["content type of the row", "content type of the permission"])
def test_permission__of_another_model_with_the_same_codename_does_not_count(make_user, hung, wrong):
    user = make_user()
    group = ContentType.objects.get_for_model(Group)
    image = ContentType.objects.get_for_model(Image)
    permission = Permission.objects.get(codename="view_image", content_type=image)
    is_row = wrong == "content type of the row"
    if not is_row:
        permission = Permission.objects.create(codename="view_image", content_type=group)
    UserObjectPermission.objects.bulk_create(
        [
            UserObjectPermission(
                user=user,
                permission=permission,
                content_type=group if is_row else image,
                object_pk=str(hung.image.pk),
            )
        ]
    )
    assert best(user, Image) is None


def test_key__that_is_no_number_breaks_nothing(make_user, hung):
    """Rows of other models have keys of other kinds in the same column."""
    user = make_user()
    assign_perm("view_image", user, hung.image)
    assign_perm("accounts.view_user", user, user)
    assert best(user, Image) == VIEW


def test_key__is_no_prefix(make_user, make_image):
    user, images = make_user(), [make_image() for _ in range(3)]
    Image.objects.filter(pk=images[0].pk).update(id=11)
    Image.objects.filter(pk=images[1].pk).update(id=1)
    assign_perm("view_image", user, Image.objects.get(pk=11))
    assert [image.pk for image in Image.objects.visible_to(Viewer(user=user))] == [11]


def test_key__that_is_a_uuid_is_found_as_guardian_writes_it(make_user):
    """The users of these tests have such keys."""
    user, other = make_user(), make_user("other")
    assign_perm("accounts.view_user", user, other)
    users = get_user_model().objects.all()
    given = UserObjectPermission.objects.filter(user=user)
    found = users.filter(Exists(_on_row(given, get_user_model(), "pk", ["view_user"])))
    assert list(found) == [other]
    assert not users.filter(Exists(_on_row(given, get_user_model(), "pk", ["change_user"])))


def test_inactive__has_nothing(make_user, hung):
    user = make_user(is_active=False, is_staff=True, is_superuser=True)
    assign_perm("change_image", user, hung.image)
    Gallery.objects.update(owner=user)
    assert (best(user, Image), rights(user, Image)) == (None, NONE)


# --- anonymous --------------------------------------------------------------------------------


@pytest.mark.usefixtures("anonymous_user")
def test_anonymous__has_nothing_by_being_a_row(make_user, hung):
    for user in (AnonymousUser(), make_user("other"), make_user("former", is_active=False)):
        assert best(user, Image) is best(user, Gallery) is None


def test_anonymous__has_what_it_was_given_and_so_has_anyone(make_user, hung, anonymous_user):
    assign_perm("view_image", anonymous_user, hung.image)
    for user in (AnonymousUser(), make_user("other"), make_user("former", is_active=False)):
        assert best(user, Image) == VIEW
    [seen] = Image.objects.visible_to(Viewer(user=make_user("another")))
    assert (seen.anyone, seen.viewer_level) == (True, VIEW)


def test_anonymous__has_levels_and_never_a_right(make_user, hung, anonymous_user):
    assign_perm("change_image", anonymous_user, hung.image)
    assign_perm("change_gallery", anonymous_user, hung.gallery)
    for user in (AnonymousUser(), make_user("other")):
        assert (best(user, Image), rights(user, Image)) == (ORIGINAL, NONE)
        assert not get_policy().may_add(Viewer(user=user), hung.gallery)


def test_anonymous__opens_nothing_while_it_is_deactivated(make_user, hung, anonymous_user):
    for permission, subject in (("view_image", hung.image), ("view_gallery", hung.gallery)):
        assign_perm(permission, anonymous_user, subject)
    viewers = (AnonymousUser(), make_user("other"))
    for is_active, expected in ((True, VIEW), (False, None), (True, VIEW)):
        get_user_model().objects.filter(pk=anonymous_user.pk).update(is_active=is_active)
        for user in viewers:
            assert best(user, Image) == best(user, Gallery) == expected
            found = find_visible(Viewer(user=user), hung.image.public_id, VIEW)
            assert found == (hung.image if is_active else None)


def test_anonymous__is_nobody_where_guardian_has_none(make_user, hung):
    assert guardian_settings.ANONYMOUS_USER_NAME is None
    assign_perm("view_image", make_user("AnonymousUser"), hung.image)
    assert best(AnonymousUser(), Image) is None


# --- the shape of the answer ------------------------------------------------------------------


@pytest.mark.parametrize("access", [*Level, *Right])
def test_queries__are_one_for_an_ordinary_user(make_user, hung, access, django_assert_num_queries):
    user = make_user()
    user.groups.add(Group.objects.create(name="friends"))
    assign_perm("change_image", user, hung.image)
    ContentType.objects.clear_cache()
    for model in (Image, Gallery):
        with django_assert_num_queries(1):
            list(model.objects.visible_to(Viewer(user=user), access))


def test_single_image__is_found_by_a_prepared_query(make_user, hung, monkeypatch):
    first, second = make_user("first"), make_user("second")
    assign_perm("view_image", second, hung.image)
    assert find_visible(Viewer(user=first), hung.image.public_id, VIEW) is None
    monkeypatch.setattr(GuardianPolicy, "images", lambda *args, **kwargs: pytest.fail("asked"))
    assert find_visible(Viewer(user=second), hung.image.public_id, VIEW) == hung.image


def test_kinds__are_those_of_the_default_policy(make_user):
    kind = GuardianPolicy().viewer_kind
    assert kind(Viewer(user=AnonymousUser())) == "anonymous"
    assert kind(Viewer(user=make_user("a", is_active=False))) == "anonymous"
    assert kind(Viewer(user=make_user("b"))) == "grouped"
    assert kind(Viewer(user=make_user("c", is_staff=True))) is None


class TestContract(PolicyContract):
    """With permissions on top of the usual world."""

    def make_policy(self):
        return GuardianPolicy()

    def make_world(self):
        guardian_settings.ANONYMOUS_USER_NAME = "AnonymousUser"
        world = super().make_world()
        users = {name: viewer.user for name, viewer in world.viewers.items()}
        images, galleries = world.images, world.galleries
        assign_perm("view_gallery", users["member"], galleries["private gallery"])
        assign_perm("change_image", users["member"], images["loose image"])
        friends = users["member of a group"].groups.get()
        assign_perm("change_gallery", friends, galleries["members gallery"])
        assign_perm("delete_image", friends, images["image in every gallery"])
        anyone = get_user_model().objects.create(username="AnonymousUser")
        assign_perm("view_gallery", anyone, galleries["public gallery"])
        return world

    @pytest.fixture(autouse=True)
    def _guardians_anonymous_user(self, monkeypatch):
        monkeypatch.setattr(guardian_settings, "ANONYMOUS_USER_NAME", None)  # and back again


def test_urls__have_no_leaks(make_user, hung):
    owner, friend = make_user("owner"), make_user("friend")
    Image.objects.update(owner=owner)
    assign_perm("view_gallery", friend, hung.gallery)

    def client_for(user):
        client = Client()
        if user is not None:
            client.force_login(user)
        return client

    assert_no_leaks(client_for, viewers=[None, owner, friend, make_user("other")])


def test_tables__are_guardians(make_user, hung):
    """What the policy reads is what guardian writes."""
    friends = Group.objects.create(name="friends")
    assign_perm("view_image", make_user(), hung.image)
    assign_perm("view_image", friends, hung.image)
    assert UserObjectPermission.objects.get().object_pk == str(hung.image.pk)
    assert GroupObjectPermission.objects.get().object_pk == str(hung.image.pk)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads the plans of SQLite")
@pytest.mark.usefixtures("anonymous_user")
@pytest.mark.parametrize("access", [*Level, *Right])
def test_plan__looks_up_holder_and_row_and_reads_no_table(make_user, access):
    """However many permissions there are in the site, and however many somebody holds."""
    viewer = Viewer(user=make_user())
    image = Image.objects.visible_to(viewer, access, annotate=False).filter(public_id=uuid4())
    plan = image.explain().splitlines()
    assert not [step for step in plan if "SCAN" in step and "CONSTANT ROW" not in step]
    with connection.cursor() as cursor:
        for table, holder in ((UserObjectPermission, "user"), (GroupObjectPermission, "group")):
            indexes = connection.introspection.get_constraints(cursor, table._meta.db_table)
            steps = [step for step in plan if any(f" {name} " in step for name in indexes)]
            assert steps
            for step in steps:
                assert f"{holder}_id=?" in step, step
                assert "object_pk=?" in step, step
