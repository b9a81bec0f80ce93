"""The default policy's own corners; the authorisation table stands in test_authorisation.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.utils import timezone

from images_app.access import Level, Right, UnlockedLink, Viewer
from images_app.conf import get_policy
from images_app.models import Gallery, GalleryItem, Grant, Image
from images_app.policies import DefaultPolicy
from images_app.sharing import create_link
from tests.world import VIEWERS, make_world

pytestmark = pytest.mark.django_db
CHANGE, SHARE, DELETE = Right.CHANGE, Right.SHARE, Right.DELETE
ALL, NONE = {CHANGE, SHARE, DELETE}, set()
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def rights(user, model) -> set[Right]:
    """The rights that a user has on the only row of a model."""
    viewer = Viewer(user=user)
    return {right for right in Right if model.objects.visible_to(viewer, right).exists()}


def best_level(user, model) -> int | None:
    """The level that a user has on the only row of a model; level by level, it agrees."""
    viewer = Viewer(user=user)
    answers = [model.objects.visible_to(viewer, level).first() for level in Level]
    annotated = {found.viewer_level for found in answers if found is not None}
    assert len(annotated) <= 1, "the annotation depends on the level that was asked for"
    reached = [level for level, found in zip(Level, answers, strict=True) if found is not None]
    assert annotated == {max(reached)} if reached else annotated == set()
    return max(reached) if reached else None


@pytest.fixture
def hung(make_gallery, make_image):
    """A private gallery of nobody's with an image of nobody's."""
    gallery = make_gallery()
    return SimpleNamespace(gallery=gallery, image=make_image(gallery=gallery))


# --- rights -----------------------------------------------------------------------------------

# What someone is, and their rights on the gallery and on the image that hangs in it.
RIGHTS = {
    "stranger": ({}, NONE, NONE),
    "gallery owner": ({"owns": "gallery"}, ALL, NONE),
    "image owner": ({"owns": "image"}, NONE, ALL),
    "grant to change the gallery": ({"grants": [("gallery", "change")]}, {CHANGE}, NONE),
    "grant to share the gallery": ({"grants": [("gallery", "share")]}, {SHARE}, NONE),
    "grant to delete the gallery": ({"grants": [("gallery", "delete")]}, {DELETE}, NONE),
    "grant to change the image": ({"grants": [("image", "change")]}, NONE, {CHANGE}),
    "grant to share the image": ({"grants": [("image", "share")]}, NONE, {SHARE}),
    "grant to delete the image": ({"grants": [("image", "delete")]}, NONE, {DELETE}),
    "two grants": (
        {"grants": [("image", "change"), ("image", "delete")]},
        NONE,
        {CHANGE, DELETE},
    ),
    "grant of a level": ({"grants": [("gallery", 30), ("image", 30)]}, NONE, NONE),
    "plain staff": ({"is_staff": True}, NONE, NONE),
    "staff who may view": ({"is_staff": True, "may": ["view_image", "view_gallery"]}, NONE, NONE),
    "staff who may add": ({"is_staff": True, "may": ["add_image", "add_gallery"]}, NONE, NONE),
    "staff who may change images": (
        {"is_staff": True, "may": ["change_image"]},
        NONE,
        {CHANGE, SHARE},
    ),
    "staff who may delete images": (
        {"is_staff": True, "may": ["view_image", "delete_image"]},
        NONE,
        {DELETE},
    ),
    "staff who may delete what they may not see": (
        {"is_staff": True, "may": ["delete_image", "delete_gallery"]},
        NONE,
        NONE,
    ),
    "staff who may change galleries": (
        {"is_staff": True, "may": ["change_gallery"]},
        {CHANGE, SHARE},
        NONE,
    ),
    "staff who may delete galleries": (
        {"is_staff": True, "may": ["view_gallery", "delete_gallery"]},
        {DELETE},
        NONE,
    ),
    "no staff, whatever they may": (
        {"may": ["change_image", "delete_image", "change_gallery", "delete_gallery"]},
        NONE,
        NONE,
    ),
    "superuser": ({"is_staff": True, "is_superuser": True}, ALL, ALL),
    "superuser without staff": ({"is_superuser": True}, NONE, NONE),
    "inactive superuser": (
        {"is_staff": True, "is_superuser": True, "is_active": False},
        NONE,
        NONE,
    ),
    "inactive owner": ({"owns": "gallery", "is_active": False}, NONE, NONE),
}


@pytest.fixture
def make_person(make_user, hung):
    def make(*, owns=None, grants=(), may=(), by_group=False, ends_at=None, **fields):
        user = make_user(permissions=may, **fields)
        holder = {"user": user}
        if by_group:
            holder = {"group": Group.objects.create(name="friends")}
            user.groups.add(holder["group"])
        if owns:
            type(getattr(hung, owns)).objects.update(owner=user)
        for subject, given in grants:
            kind = "right" if isinstance(given, str) else "level"
            values = {**holder, subject: getattr(hung, subject), kind: given}
            Grant.objects.create(**values, ends_at=ends_at)
        return user

    return make


@pytest.mark.parametrize("who", RIGHTS)
def test_rights__are_as_the_table_says(make_person, who):
    facts, on_gallery, on_image = RIGHTS[who]
    user = make_person(**facts)
    assert (rights(user, Gallery), rights(user, Image)) == (on_gallery, on_image)


WITH_GRANTS = [who for who, (facts, *_) in RIGHTS.items() if "grants" in facts]


@pytest.mark.parametrize("who", WITH_GRANTS)
def test_rights__come_by_groups_as_by_users(make_person, who):
    facts, on_gallery, on_image = RIGHTS[who]
    user = make_person(**facts, by_group=True)
    assert (rights(user, Gallery), rights(user, Image)) == (on_gallery, on_image)


@pytest.mark.parametrize("who", WITH_GRANTS)
@pytest.mark.parametrize("by_group", [False, True])
def test_rights__end_with_the_grant(make_person, who, by_group):
    ended = timezone.now() - timedelta(seconds=1)
    user = make_person(**RIGHTS[who][0], by_group=by_group, ends_at=ended)
    assert (rights(user, Gallery), rights(user, Image)) == (NONE, NONE)


def test_rights__anonymous_has_none(hung):
    Gallery.objects.update(visibility="public")
    assert rights(AnonymousUser(), Gallery) == rights(AnonymousUser(), Image) == NONE


@pytest.mark.parametrize("right", ["change", "share", "delete"])
def test_right__on_a_gallery_gives_original_but_no_right_on_its_images(make_person, right):
    user = make_person(grants=[("gallery", right)])
    assert best_level(user, Gallery) == best_level(user, Image) == Level.ORIGINAL
    assert rights(user, Image) == NONE


def test_right__on_an_image_gives_nothing_on_its_gallery(make_person):
    user = make_person(grants=[("image", "change")])
    assert (best_level(user, Image), best_level(user, Gallery)) == (Level.ORIGINAL, None)


def test_rights__on_what_is_in_the_trash_are_none(make_person, hung):
    user = make_person(owns="image")
    Image.objects.update(trashed_at=timezone.now())
    assert rights(user, Image) == NONE


# --- levels -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "level"),
    [
        ({"may": ["view_image"]}, Level.ORIGINAL),
        ({"may": ["change_image"]}, Level.ORIGINAL),
        ({"may": ["delete_image"]}, None),
        ({"may": ["add_image"]}, None),
        ({"may": ["view_gallery"]}, None),
        ({"may": ["view_image"], "is_staff": False}, None),
    ],
)
def test_staff__sees_by_the_permissions_on_images(make_person, facts, level):
    assert best_level(make_person(**{"is_staff": True, **facts}), Image) == level


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([10, 30], Level.ORIGINAL),
        ([10, 20], Level.VIEW),
        ([10], Level.PREVIEW),
        ([20, 10, 10], Level.VIEW),
    ],
)
def test_best__of_several_galleries_counts(make_user, make_image, make_gallery, levels, expected):
    user, image = make_user(), make_image()
    for level in levels:
        gallery = make_gallery()
        gallery.append(image)
        Grant.objects.create(user=user, gallery=gallery, level=level)
    assert best_level(user, Image) == expected


@pytest.mark.parametrize(
    ("visibility", "granted", "expected"),
    [
        ("public", 10, Level.VIEW),
        ("members", 10, Level.VIEW),
        ("public", 30, Level.ORIGINAL),
        ("private", 10, Level.PREVIEW),
    ],
)
def test_best__of_visibility_and_grant_counts(make_person, visibility, granted, expected):
    user = make_person(grants=[("gallery", granted)])
    Gallery.objects.update(visibility=visibility)
    assert best_level(user, Gallery) == best_level(user, Image) == expected


def test_best__of_own_grant_and_the_groups_counts(make_person, hung):
    user = make_person(grants=[("gallery", 20)], by_group=True)
    Grant.objects.create(user=user, gallery=hung.gallery, level=10)
    assert best_level(user, Image) == Level.VIEW


def test_grant__on_another_image_or_to_another_user_is_none(make_person, make_user, make_image):
    make_person(grants=[("gallery", 30), ("image", 30)])
    other = make_user("other")
    loose = make_image()
    Grant.objects.create(user=other, image=loose, level=30)
    assert list(Image.objects.visible_to(Viewer(user=other))) == [loose]
    assert not Gallery.objects.visible_to(Viewer(user=other)).exists()


def test_grant__to_a_group_is_for_its_members(make_person, make_user):
    member = make_person(grants=[("gallery", 20), ("image", "change")], by_group=True)
    stranger = make_user("stranger")
    assert (best_level(member, Image), best_level(member, Gallery)) == (Level.ORIGINAL, Level.VIEW)
    for groups in ([], [Group.objects.create(name="strangers")]):
        stranger.groups.set(groups)
        assert best_level(stranger, Image) is best_level(stranger, Gallery) is None
        assert rights(stranger, Image) == NONE


@pytest.mark.parametrize("by_group", [False, True])
def test_grant__on_a_gallery_is_on_what_hangs_in_that_one(  # whose key is not that of the place
    make_user, make_image, make_gallery, by_group
):
    empty, full = make_gallery("Empty"), make_gallery("Full")
    image = make_image(gallery=full)
    for gallery, level in ((full, Level.VIEW), (empty, None)):
        user, group = make_user(gallery.title), Group.objects.create(name=gallery.title)
        user.groups.add(group)
        holder = {"group": group} if by_group else {"user": user}
        Grant.objects.create(**holder, gallery=gallery, level=20)
        assert best_level(user, Image) == level
        assert list(Gallery.objects.visible_to(Viewer(user=user))) == [gallery]
    assert image.gallery_items.get().pk != full.pk


def test_image__leaves_with_its_gallery_item(make_person):
    user = make_person(grants=[("gallery", 20)])
    assert best_level(user, Image) == Level.VIEW
    GalleryItem.objects.all().delete()
    assert best_level(user, Image) is None


@pytest.mark.parametrize(
    ("ends_at", "is_seen"),
    [
        (NOW - timedelta(microseconds=1), False),
        (NOW, False),
        (NOW + timedelta(microseconds=1), True),
        (None, True),
    ],
)
def test_grant__has_ended_at_its_very_end(make_person, monkeypatch, ends_at, is_seen):
    user = make_person(grants=[("gallery", 20), ("image", 20)], ends_at=ends_at)
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    for model in (Gallery, Image):
        assert (best_level(user, model) is not None) is is_seen


def test_grant__ends_at_the_moment_of_the_viewer(make_person):
    end = timezone.now() + timedelta(hours=1)
    user = make_person(grants=[("gallery", "change"), ("image", 20)], ends_at=end)
    for moment, is_seen in ((end - timedelta(microseconds=1), True), (end, False)):
        viewer = Viewer(user=user, at=moment)
        for model in (Gallery, Image):
            assert model.objects.visible_to(viewer).exists() is is_seen
        assert Gallery.objects.visible_to(viewer, CHANGE).exists() is is_seen


@pytest.mark.parametrize("held", [(), (0,), (1,), (0, 1), (1, 0)])
def test_links__show_what_each_is_to_and_nothing_else(make_user, make_image, held):
    maker = Viewer(user=make_user("maker", is_staff=True, is_superuser=True))
    images = [make_image(name=f"{number}.jpg") for number in range(3)]
    links = [create_link(maker, image)[0] for image in images]
    unlocked = tuple(UnlockedLink(id=links[n].pk, password_version=1) for n in held)
    viewer = Viewer(user=AnonymousUser(), links=unlocked)
    assert set(Image.objects.visible_to(viewer)) == {images[n] for n in held}


# --- anyone -----------------------------------------------------------------------------------

# Who asks, for what, of a gallery with what visibility, and whether anyone would reach as much.
ANYONE = [
    ({"grants": [("gallery", 30), ("image", 30)]}, Level.PREVIEW, "public", True),
    ({"grants": [("gallery", 30), ("image", 30)]}, Level.VIEW, "public", True),
    ({"grants": [("gallery", 30), ("image", 30)]}, Level.ORIGINAL, "public", False),
    ({"grants": [("gallery", "change"), ("image", "change")]}, CHANGE, "public", False),
    ({"grants": [("gallery", 30), ("image", 30)]}, Level.PREVIEW, "members", False),
    ({"grants": [("gallery", 30), ("image", 30)]}, Level.PREVIEW, "private", False),
    ({"is_staff": True, "is_superuser": True}, Level.VIEW, "public", True),
    ({"is_staff": True, "is_superuser": True}, Level.ORIGINAL, "public", False),
    ({"is_staff": True, "is_superuser": True}, Level.VIEW, "members", False),
    ({"is_staff": True, "is_superuser": True}, CHANGE, "public", False),
]


@pytest.mark.parametrize(("facts", "access", "visibility", "anyone"), ANYONE)
def test_anyone__is_what_the_access_that_was_asked_for_takes(
    make_person, facts, access, visibility, anyone
):
    viewer = Viewer(user=make_person(**facts))
    Gallery.objects.update(visibility=visibility)
    for model in (Gallery, Image):
        assert model.objects.visible_to(viewer, access).get().anyone is anyone


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize("facts", [{"owns": "image"}, {"is_staff": True, "is_superuser": True}])
def test_level__of_who_has_a_right_is_the_original(make_person, facts, right):
    viewer = Viewer(user=make_person(**facts))
    assert Image.objects.visible_to(viewer, right).get().viewer_level == Level.ORIGINAL


# --- the shape of the answer ------------------------------------------------------------------


@pytest.mark.parametrize("viewer", VIEWERS)
def test_annotate__changes_no_rows(viewer):
    world = make_world()
    asking = Viewer(user=world.users[viewer])
    for access in (*Level, *Right):
        for model in (Image, Gallery):
            with_values = model.objects.visible_to(asking, access)
            without = model.objects.visible_to(asking, access, annotate=False)
            assert [row.pk for row in with_values] == [row.pk for row in without]
            assert not any(hasattr(row, "viewer_level") for row in without)


def test_rows__never_appear_twice(make_user, make_image, make_gallery):
    user, image = make_user(), make_image()
    group = Group.objects.create(name="friends")
    user.groups.add(group)
    for number in range(3):
        gallery = make_gallery(f"{number}", visibility="public")
        gallery.append(image)
        for holder in ({"user": user}, {"group": group}):
            for given in ({"level": 20}, {"right": "change"}, {"right": "share"}):
                Grant.objects.create(gallery=gallery, **holder, **given)
    Grant.objects.create(image=image, user=user, level=20)
    Grant.objects.create(image=image, group=group, right="change")
    viewer = Viewer(user=user)
    for level in Level:
        assert Image.objects.visible_to(viewer, level).count() == 1
        assert len(Image.objects.visible_to(viewer, level)) == 1
        assert len(Gallery.objects.visible_to(viewer, level)) == 3


@pytest.mark.parametrize("annotate", [True, False])
@pytest.mark.parametrize("access", [*Level, *Right])
def test_queries__are_one_for_an_ordinary_user(
    make_person, django_assert_num_queries, access, annotate
):
    viewer = Viewer(user=make_person(grants=[("gallery", "change")], by_group=True))
    for model in (Image, Gallery):
        with django_assert_num_queries(1):
            list(model.objects.visible_to(viewer, access, annotate=annotate))


def test_queries__of_staff_are_for_permissions_once(make_person, django_assert_num_queries):
    viewer = Viewer(user=make_person(is_staff=True, may=["view_image"]))
    with django_assert_num_queries(3):  # the user's permissions, the groups', the images
        list(Image.objects.visible_to(viewer))
    with django_assert_num_queries(1):
        list(Image.objects.visible_to(viewer))


def test_queryset__keeps_what_it_was_narrowed_to(make_person, make_image, hung):
    user = make_person(is_staff=True, is_superuser=True)
    make_image()
    images = Image.objects.filter(pk=hung.image.pk).visible_to(Viewer(user=user))
    assert list(images) == [hung.image]


def test_answer__is_annotated_unless_told_otherwise(make_person):
    viewer = Viewer(user=make_person(is_staff=True, is_superuser=True))
    policy = DefaultPolicy()
    for ask, model in ((policy.images, Image), (policy.galleries, Gallery)):
        row = ask(viewer, model.objects.all(), Level.VIEW).get()
        assert (row.viewer_level, row.anyone) == (Level.ORIGINAL, False)


# --- users of other kinds ---------------------------------------------------------------------


def test_user__without_groups_is_a_user(make_user, hung):
    """A host's user model need not know groups or staff."""
    stored = make_user()
    user = SimpleNamespace(pk=stored.pk, is_authenticated=True, is_active=True)
    assert best_level(user, Image) is None
    Grant.objects.create(user=stored, gallery=hung.gallery, level=20)
    assert best_level(user, Image) == best_level(user, Gallery) == Level.VIEW


@pytest.mark.usefixtures("hung")
def test_user__without_a_key_owns_nothing():
    """The owner of the gallery and the image is NULL, which is nobody's key."""
    user = SimpleNamespace(pk=None, is_authenticated=True, is_active=True)
    assert best_level(user, Image) is None
    assert best_level(user, Gallery) is None
    Gallery.objects.update(visibility="members")
    assert best_level(user, Image) == Level.VIEW


def test_kinds__differ_where_the_queries_do(make_user):
    """What staff may do is up to permissions, and keys may be missing: there are no kinds."""
    bare = {"is_authenticated": True, "is_active": True}
    kinds = {
        "anonymous": AnonymousUser(),
        "inactive": make_user("inactive", is_active=False),
        "ordinary": make_user("ordinary"),
        "without groups": SimpleNamespace(pk=1, **bare),
        "staff": make_user("staff", is_staff=True),
        "keyless": SimpleNamespace(pk=None, **bare, groups=()),
    }
    kind = DefaultPolicy().viewer_kind
    found = {name: kind(Viewer(user=user)) for name, user in kinds.items()}
    assert found["staff"] is found["keyless"] is None
    assert found["anonymous"] == found["inactive"]
    assert len({found[name] for name in ("anonymous", "ordinary", "without groups")} - {None}) == 3


# --- adding -----------------------------------------------------------------------------------

MAY_ADD = {
    "stranger": ({}, False),
    "gallery owner": ({"owns": "gallery"}, True),
    "image owner": ({"owns": "image"}, False),
    "grant to change": ({"grants": [("gallery", "change")]}, True),
    "grant to share": ({"grants": [("gallery", "share")]}, False),
    "grant of the original": ({"grants": [("gallery", 30)]}, False),
    "staff who may change": ({"is_staff": True, "may": ["change_gallery"]}, True),
    "staff who may add images": ({"is_staff": True, "may": ["add_image"]}, False),
    "superuser": ({"is_staff": True, "is_superuser": True}, True),
}


@pytest.mark.parametrize("who", MAY_ADD)
@pytest.mark.parametrize("visibility", ["private", "public"])
def test_may_add__takes_the_right_to_change(make_person, hung, who, visibility):
    facts, expected = MAY_ADD[who]
    user = make_person(**facts)
    Gallery.objects.update(visibility=visibility)
    assert get_policy().may_add(Viewer(user=user), hung.gallery) is expected


def test_may_add__says_nothing_of_other_galleries(make_person, make_gallery):
    viewer = Viewer(user=make_person(owns="gallery"))
    assert not get_policy().may_add(viewer, make_gallery("Other"))


def test_may_add__is_never_for_anonymous(hung):
    Gallery.objects.update(visibility="public")
    assert not get_policy().may_add(Viewer(user=AnonymousUser()), hung.gallery)


# --- why --------------------------------------------------------------------------------------


def why(user, obj, *links) -> list[tuple]:
    """The reasons, short: (way, access, whether by a gallery, note or holder)."""
    found = DefaultPolicy().explain(Viewer(user=user, links=links), obj)
    return [(r.way, r.access, r.gallery is not None, r.through) for r in found]


def test_explain__names_every_way_in(hung, make_person, make_user):
    person = make_person(grants=[("gallery", 20), ("image", "change")], owns="gallery")
    group = Group.objects.create(name="friends")
    person.groups.add(group)
    by_group = Grant.objects.create(group=group, image=hung.image, level=10)
    Gallery.objects.update(visibility="members")
    of_gallery, of_image = Grant.objects.filter(user=person).order_by("pk")
    maker = make_user("maker", is_staff=True, is_superuser=True)
    link, _token = create_link(Viewer(user=maker), hung.gallery, level=Level.PREVIEW)
    known = UnlockedLink(id=link.pk, password_version=1)
    hung.gallery.refresh_from_db()
    assert why(person, hung.image, known) == [
        ("grant", Level.ORIGINAL, False, of_image),
        ("grant", CHANGE, False, of_image),
        ("grant", Level.PREVIEW, False, by_group),
        ("owner", Level.ORIGINAL, True, None),
        ("visibility", Level.VIEW, True, None),
        ("grant", Level.VIEW, True, of_gallery),
        ("link", Level.PREVIEW, True, link),
    ]
    assert why(person, hung.gallery) == [
        ("owner", Level.ORIGINAL, False, None),
        *(("owner", right, False, None) for right in Right),
        ("visibility", Level.VIEW, False, None),
        ("grant", Level.VIEW, False, of_gallery),
    ]


def test_explain__galleries_by_their_keys(make_user, make_image, make_gallery):
    user, image = make_user(), make_image()
    galleries = [make_gallery(title, owner=user) for title in "cab"]
    for gallery in reversed(galleries):
        gallery.append(image)
    assert [
        reason.gallery for reason in DefaultPolicy().explain(Viewer(user=user), image)
    ] == galleries


def test_explain__staff_first(hung, make_person):
    staff = make_person(is_staff=True, may=["change_image"])
    expected = [("staff", access, False, None) for access in (Level.ORIGINAL, CHANGE, SHARE)]
    assert why(staff, hung.image) == expected


def test_explain__no_way_in(hung, make_person):
    ended = timezone.now() - timedelta(seconds=1)
    person = make_person(grants=[("gallery", 30), ("image", "change")], ends_at=ended)
    for user in (person, AnonymousUser()):
        for obj in (hung.image, hung.gallery):
            assert why(user, obj, UnlockedLink(id=1, password_version=1)) == []
