"""What is forbidden takes as long as what is absent, however much is granted in a site.

A coarse check of all that a request does; the plans are tested in policies/test_plans.py.
"""

from __future__ import annotations

import random
import statistics
import time
import uuid
from importlib.util import find_spec

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client

from images_app.access import Level, UnlockedLink, Viewer
from images_app.models import Gallery, GalleryItem, Grant, Image, ShareLink, find_visible
from images_app.models import prepared as prepared_module
from tests.test_properties import image_row

pytestmark = pytest.mark.django_db
N = 2_000  # of each of five kinds
GROUPS = 50
ROUNDS = 40
TRIES = 3  # a machine that is busy with something else gets another chance
MOST = 3.0  # times as long
MOST_OF_ANSWERS = 1.4
POLICIES = {
    "default": "images_app.policies.DefaultPolicy",
    "owner only": "images_app.policies.owner_only.OwnerOnlyPolicy",
    "guardian": "images_app.contrib.guardian.GuardianPolicy",
}
# The processor's time of this thread: SQLite works in it, and others count for nothing.
clock = time.thread_time if connection.vendor == "sqlite" else time.perf_counter


@pytest.fixture(params=POLICIES)
def policy(request, settings):
    if request.param == "guardian" and not find_spec("guardian"):
        pytest.skip("guardian is not installed")
    settings.IMAGES_APP = {"POLICY": {"BACKEND": POLICIES[request.param]}}
    prepared_module._prepared.clear()
    return request.param


@pytest.fixture
def site(policy):
    """Thousands of grants: on one gallery, to one user, to one group; and an image in that gallery.

    Answers with the forbidden image, and with viewers that hold nothing on it.
    """
    model = get_user_model()
    owner, stranger, holder, joiner = (
        model.objects.create(username=name) for name in ("owner", "stranger", "holder", "joiner")
    )
    crowd = model.objects.bulk_create(model(username=f"{n}", password="!") for n in range(N))
    groups = Group.objects.bulk_create(Group(name=f"{n}") for n in range(GROUPS))
    big = Group.objects.create(name="big")
    joiner.groups.set([*groups, big])
    images = Image.objects.bulk_create(image_row(n, owner) for n in range(N))
    gallery = Gallery.objects.create(title="Much granted", owner=owner)
    secret = Image.objects.bulk_create([image_row(N, owner)])[0]
    GalleryItem.objects.create(gallery=gallery, image=secret)
    others = Group.objects.bulk_create(Group(name=f"other {n}") for n in range(GROUPS))
    give = give_by_guardian if policy == "guardian" else give_by_grants
    give("user", ((user, gallery) for user in crowd))
    give("user", ((user, secret) for user in crowd))
    give("group", ((group, gallery) for group in others))
    give("user", ((holder, image) for image in images))
    give("group", ((big, image) for image in images))
    link = ShareLink.objects.create(image=images[0], token_hash="0", created_by=owner)
    unlocked = (UnlockedLink(id=link.pk, password_version=1),)
    return secret, {
        "stranger": Viewer(user=stranger),
        "holder of much": Viewer(user=holder),
        "member of many groups": Viewer(user=joiner),
        "anonymous": Viewer(user=AnonymousUser()),
        "anonymous with a link": Viewer(user=AnonymousUser(), links=unlocked),
    }


def give_by_grants(kind, pairs):
    Grant.objects.bulk_create(
        Grant(**{kind: holder, subject._meta.model_name: subject}, level=Level.VIEW)
        for holder, subject in pairs
    )


def give_by_guardian(kind, pairs):
    from guardian.models import GroupObjectPermission, UserObjectPermission

    table = UserObjectPermission if kind == "user" else GroupObjectPermission
    types = {model: ContentType.objects.get_for_model(model) for model in (Image, Gallery)}
    view = {
        model: Permission.objects.get(codename=f"view_{model._meta.model_name}") for model in types
    }
    table.objects.bulk_create(
        table(
            **{kind: holder},
            permission=view[type(subject)],
            content_type=types[type(subject)],
            object_pk=str(subject.pk),
        )
        for holder, subject in pairs
    )


def ratio(forbidden, absent) -> float:
    """How many times as long the first takes: medians of calls in turns, whose order is drawn."""
    draw, taken = random.Random(1), {forbidden: [], absent: []}
    for _ in range(ROUNDS):
        for call in draw.sample([forbidden, absent], 2):
            started = clock()
            call()
            taken[call].append(clock() - started)
    return statistics.median(taken[forbidden]) / statistics.median(taken[absent])


def assert_alike(forbidden, absent, most: float, who: str) -> None:
    found = []
    for _ in range(TRIES):
        found.append(ratio(forbidden, absent))
        if found[-1] < most:
            return
    pytest.fail(f"{who}: what is forbidden takes {min(found):.1f} times as long as what is absent")


def test_forbidden__takes_as_long_as_absent(site):
    secret, viewers = site
    for who, viewer in viewers.items():
        assert find_visible(viewer, secret.public_id, Level.PREVIEW) is None
        assert_alike(*lookups(viewer, secret), MOST, who)
        if not viewer.links:
            assert_alike(*answers(viewer, secret), MOST_OF_ANSWERS, f"{who}, the whole answer")


def lookups(viewer, secret):
    def forbidden():
        find_visible(viewer, secret.public_id, Level.PREVIEW)

    def absent():
        find_visible(viewer, uuid.uuid4(), Level.PREVIEW)

    return forbidden, absent


def answers(viewer, secret):
    client = Client()
    if viewer.is_authenticated:
        client.force_login(viewer.user)

    def forbidden():
        assert client.get(secret.original_url).status_code == 404

    def absent():
        url = secret.original_url.replace(str(secret.public_id), str(uuid.uuid4()))
        assert client.get(url).status_code == 404

    return forbidden, absent
