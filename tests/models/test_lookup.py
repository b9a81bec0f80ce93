"""One image by the policy's query, compiled once: never another answer than the queryset's."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from images_app.access import Level, Right, UnlockedLink, Viewer
from images_app.conf import get_engine, get_settings
from images_app.models import Grant, Image, find_visible
from images_app.models import prepared as prepared_module
from images_app.policies import DefaultPolicy
from images_app.renditions import locate_rendition
from images_app.sharing import create_link
from tests.world import VIEWERS, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_prepared():
    """Each test prepares its own queries."""
    prepared_module._prepared.clear()


@pytest.fixture
def world():
    return make_world()


def identity() -> tuple[str, str]:
    spec = get_settings().presets["thumb"].spec(320, "jpeg")
    return spec.fingerprint(get_engine().output_version), "jpeg"


def test_answer__is_that_of_the_queryset_for_everybody(world):
    """Twice, so that each viewer also meets what was compiled for others."""
    for _ in range(2):
        for name in VIEWERS:
            viewer = Viewer(user=world.users[name])
            for access in (*Level, *Right):
                for rendition in (None, identity()):
                    images = Image.objects.visible_to(viewer, access, annotate=False)
                    expected = set(images.values_list("public_id", flat=True))
                    found = {
                        image.public_id
                        for image in world.images.values()
                        if find_visible(viewer, image.public_id, access, rendition)
                    }
                    assert found == expected, (name, access, rendition)


def test_nobody_sees__what_is_not_there(world):
    for name in VIEWERS:
        assert find_visible(Viewer(user=world.users[name]), uuid.uuid4(), Level.PREVIEW) is None


def test_policy__is_asked_once_for_a_kind_of_viewers(world, monkeypatch):
    image = world.images["private"]
    for name in ("gallery owner", "anonymous", "inactive"):
        find_visible(Viewer(user=world.users[name]), image.public_id, Level.VIEW)
    monkeypatch.setattr(DefaultPolicy, "images", lambda *args, **kwargs: pytest.fail("asked"))
    seen = {
        name: find_visible(Viewer(user=world.users[name]), image.public_id, Level.VIEW) is not None
        for name in VIEWERS
        if not getattr(world.users[name], "is_staff", False)
    }
    assert {name for name, is_seen in seen.items() if is_seen} == {
        "member",
        "group member",
        "downloader",
        "changer",
        "image grantee",
        "gallery owner",
        "image owner",
    }


@pytest.mark.parametrize(("access", "number"), [(Level.VIEW, 6), (Right.CHANGE, 3)])
def test_key__finds_each_of_its_places(world, access, number):
    """Owner, own grants and those of groups, on the image and on where it hangs."""
    find_visible(Viewer(user=world.users["group member"]), uuid.uuid4(), access)
    [plan] = prepared_module._prepared.values()
    assert plan.places.count("pk") == number


def test_image__has_what_the_bytes_need_and_loads_the_rest(world, django_assert_num_queries, files):
    image, viewer = world.images["private"], Viewer(user=world.users["gallery owner"])
    spec = get_settings().presets["thumb"].spec(320, "jpeg")
    found = find_visible(viewer, image.public_id, Level.VIEW, identity())
    with django_assert_num_queries(0):
        for name in ("title", "version", "storage_name", "byte_size", "format", "width", "frames"):
            assert getattr(found, name) == getattr(image, name)
        assert found == image
        assert found.rendition_alias is None
    assert found.checksum == image.checksum
    locate_rendition(found, spec)
    again = find_visible(viewer, image.public_id, Level.VIEW, identity())
    with django_assert_num_queries(0):
        assert locate_rendition(again, spec).length == again.rendition_size


def test_moment__is_that_of_each_request(world):
    image, user = world.images["loose"], world.users["stranger"]
    end = timezone.now() + timedelta(hours=1)
    Grant.objects.create(image=image, user=user, level=Level.VIEW, ends_at=end)
    early, late = (Viewer(user=user, at=end + timedelta(seconds=s)) for s in (-1, 1))
    for viewer, is_seen in ((early, True), (late, False), (early, True), (Viewer(user=user), True)):
        assert (find_visible(viewer, image.public_id, Level.VIEW) is not None) is is_seen


class Narrower(DefaultPolicy):
    """Another rule than its base class, which names the kinds."""

    def images(self, viewer, queryset, access, *, annotate=True):
        found = super().images(viewer, queryset, access, annotate=annotate)
        return found.filter(title=viewer.user.username)


class Unrepeatable(DefaultPolicy):
    """Depends on the key in another way than by its value."""

    def images(self, viewer, queryset, access, *, annotate=True):
        return queryset.filter(title=f"for {viewer.user.pk}")

    def viewer_kind(self, viewer):
        return "all"


class Failing(Unrepeatable):
    """Cannot be asked for a viewer that is made up."""

    def images(self, viewer, queryset, access, *, annotate=True):
        viewer.user.groups.model.objects.get(user=viewer.user.pk)
        return queryset.filter(owner=viewer.user.pk)

    def viewer_kind(self, viewer):
        return "all"


@pytest.mark.parametrize("policy", [Narrower, Unrepeatable])
def test_policy__that_cannot_be_prepared_is_asked_each_time(world, settings, policy):
    settings.IMAGES_APP = {"POLICY": {"BACKEND": f"{__name__}.{policy.__name__}"}}
    first, second = world.users["gallery owner"], world.users["downloader"]
    image = world.images["private"]
    for user in (first, second):
        Image.objects.update(title="nobody's")
        assert find_visible(Viewer(user=user), image.public_id, Level.VIEW) is None
        name = user.username if policy is Narrower else f"for {user.pk}"
        Image.objects.update(title=name)
        assert find_visible(Viewer(user=user), image.public_id, Level.VIEW) == image
    assert find_visible(Viewer(user=first), image.public_id, Level.VIEW) is None


def test_policy__that_fails_for_a_stand_in_still_answers(world, settings):
    settings.IMAGES_APP = {"POLICY": {"BACKEND": f"{__name__}.Failing"}}
    member = world.users["group member"]
    image = world.images["private"]
    assert find_visible(Viewer(user=member), image.public_id, Level.VIEW) is None
    Image.objects.update(owner=member)
    assert find_visible(Viewer(user=member), image.public_id, Level.VIEW) == image


def test_kinds__of_the_default_policy(make_user):
    kind = DefaultPolicy().viewer_kind
    assert kind(Viewer(user=AnonymousUser())) == "anonymous"
    assert kind(Viewer(user=make_user("a", is_active=False))) == "anonymous"
    assert kind(Viewer(user=make_user("b"))) == "grouped"
    assert kind(Viewer(user=make_user("c", is_staff=True))) is None


def test_user__without_a_key_is_no_stranger_and_no_stranger_is_one(world, django_user_model):
    """A service's user, say, that was never saved: logged in, and of no kind."""
    service = SimpleLazyObject(lambda: django_user_model(username="service", pk=None))
    nobody = SimpleLazyObject(AnonymousUser)
    image = world.images["members"]
    for _ in range(2):
        assert find_visible(Viewer(user=service), image.public_id, Level.VIEW) == image
        assert find_visible(Viewer(user=nobody), image.public_id, Level.VIEW) is None


class OfMyGroups(DefaultPolicy):
    """Reads what somebody may have fetched along with the user."""

    def images(self, viewer, queryset, access, *, annotate=True):
        groups = [group.pk for group in viewer.user.groups.all()]
        return queryset.filter(gallery_items__gallery__grants__group__in=groups).distinct()

    def viewer_kind(self, viewer):
        return "all"


def test_user__is_no_stand_in_for_others_with_what_was_fetched_along(
    world, settings, django_user_model
):
    settings.IMAGES_APP = {"POLICY": {"BACKEND": f"{__name__}.OfMyGroups"}}
    image, users = world.images["private"], django_user_model.objects.prefetch_related("groups")
    member, stranger = (users.get(username=name) for name in ("group-member", "stranger"))
    assert find_visible(Viewer(user=member), image.public_id, Level.VIEW) == image
    assert find_visible(Viewer(user=stranger), image.public_id, Level.VIEW) is None


@dataclass
class Unhashable(DefaultPolicy):
    """Compares by value, so that it cannot be hashed."""

    colour: str = "blue"


class SetLate(DefaultPolicy):
    """Gets its rule when it is made."""

    def __init__(self):
        plain = super().images
        self.images = lambda viewer, queryset, *args, **kwargs: plain(
            viewer, queryset.filter(title=viewer.user.username), *args, **kwargs
        )


def test_policy__that_cannot_be_hashed(world, settings):
    settings.IMAGES_APP = {"POLICY": {"BACKEND": f"{__name__}.Unhashable"}}
    image, owner = world.images["private"], world.users["gallery owner"]
    assert find_visible(Viewer(user=owner), image.public_id, Level.VIEW) == image


def test_policy__whose_rule_is_set_on_the_instance(world, settings):
    settings.IMAGES_APP = {"POLICY": {"BACKEND": f"{__name__}.SetLate"}}
    image = world.images["private"]
    Image.objects.filter(pk=image.pk).update(title="gallery-owner")
    for name, is_seen in (("gallery owner", True), ("downloader", False)):
        found = find_visible(Viewer(user=world.users[name]), image.public_id, Level.VIEW)
        assert (found is not None) is is_seen


class Light:
    """A user of a stateless token: a key and two flags, no model."""

    is_authenticated = is_active = True
    is_staff = False
    pk = 7


def test_user__without_a_model_is_asked_of_the_policy(world):
    image = world.images["members"]
    assert find_visible(Viewer(user=Light()), image.public_id, Level.VIEW) == image
    private = world.images["private"].public_id
    assert find_visible(Viewer(user=Light()), private, Level.VIEW) is None


def test_prepared__are_bounded(world, monkeypatch):
    monkeypatch.setattr(prepared_module, "_MOST", 3)
    for level in (*Level, *Right):
        find_visible(Viewer(user=AnonymousUser()), uuid.uuid4(), level)
        assert len(prepared_module._prepared) <= 3


# --- share links ------------------------------------------------------------------------------

MARKS = {
    "WATERMARKS": {"proof": {"text": "PROOF"}, "client": {"text": "CLIENT"}},
    "WATERMARK_LEVELS": {"view": "proof"},
}


def link_to(subject, owner, **terms) -> UnlockedLink:
    """A link as somebody who has unlocked it carries it."""
    link, _token = create_link(Viewer(user=owner), subject, **terms)
    known = {"password_version": link.password_version, "watermark": link.watermark}
    return UnlockedLink(id=link.pk, **known)


@pytest.fixture
def holders(world, settings):
    """Viewers with links of every kind, none twice, and one to nothing at all."""
    settings.IMAGES_APP = MARKS
    admin = world.users["admin"]
    private, public = world.galleries["private"], world.galleries["public"]
    loose = world.images["loose"]
    links = [
        link_to(private, admin, level=Level.PREVIEW),
        link_to(private, admin, level=Level.ORIGINAL),
        link_to(loose, admin),
        link_to(loose, admin, watermark="client"),
        link_to(private, admin, watermark="proof"),
        link_to(public, admin, watermark="client"),
        UnlockedLink(id=999, password_version=1),
        UnlockedLink(id=1, password_version=9),
    ]
    sets = [(), *((link,) for link in links), *pairwise(links), tuple(links[:5]), tuple(links)]
    users = [world.users[name] for name in ("anonymous", "stranger", "previewer", "editor")]
    return [Viewer(user=user, links=held) for held in sets for user in users]


@pytest.mark.parametrize("watermark", [None, "", "proof", "client"])
def test_answer__is_that_of_the_queryset_for_holders_of_links(world, holders, watermark):
    seen = set()
    for viewer in holders:
        for level in Level:
            images = Image.objects.visible_to(viewer, level, annotate=False, watermark=watermark)
            expected = set(images.values_list("public_id", flat=True))
            found = {
                image.public_id
                for image in world.images.values()
                if find_visible(viewer, image.public_id, level, None, watermark)
            }
            assert found == expected, (viewer, level)
            seen.add(len(found))
    assert len(seen) > 2


def test_link__is_asked_about_by_a_query_that_others_have_used(world, holders, monkeypatch):
    """One for each number of links, whoever holds which; four at most."""
    asked = []
    original = DefaultPolicy.images

    def images(self, viewer, *args, **kwargs):
        asked.append(viewer)
        return original(self, viewer, *args, **kwargs)

    monkeypatch.setattr(DefaultPolicy, "images", images)
    anonymous = [viewer for viewer in holders if not viewer.user.is_authenticated]
    for viewer in anonymous:
        if len(viewer.links) <= 4 and not viewer.watermarks:
            find_visible(viewer, world.images["private"].public_id, Level.VIEW)
    assert len(asked) == 2 * 3  # each is compiled with two pairs of values: none, one, two links
    asked.clear()
    find_visible(anonymous[-1], world.images["private"].public_id, Level.VIEW)
    assert len(asked) == 1


def test_link__finds_its_place_whatever_key_its_viewer_has(world, holders):
    """A place that is not found would silently leave the link out."""
    for viewer in holders:
        if 0 < len(viewer.links) <= 4:
            find_visible(viewer, world.images["private"].public_id, Level.VIEW)
    plans = [plan for plan in prepared_module._prepared.values() if plan is not None]
    numbers = [
        sum(name is not None and name.startswith("link") for name in p.places) for p in plans
    ]
    assert 0 not in numbers
