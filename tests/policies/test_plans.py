"""How policies ask the database: by indexes, however much is granted in a site.

Without statistics, SQLite plans by the indexes alone: a plan is the same for few rows and many.
"""

from __future__ import annotations

import re
import uuid

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.db import connection

from images_app.access import Level, Right, UnlockedLink, Viewer
from images_app.models import Gallery, GalleryQuerySet, Grant, Image, ImageQuerySet

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="reads the plans of SQLite"),
]
POLICIES = {
    "default": "images_app.policies.DefaultPolicy",
    "owner only": "images_app.policies.owner_only.OwnerOnlyPolicy",
}


@pytest.fixture(params=POLICIES)
def policy(request, settings):
    settings.IMAGES_APP = {"POLICY": {"BACKEND": POLICIES[request.param]}}
    return request.param


@pytest.fixture
def viewers(make_user):
    """One of each kind whose queries differ."""
    member = make_user("member")
    member.groups.add(Group.objects.create(name="friends"))
    link = UnlockedLink(id=7, password_version=1)
    return {
        "member": Viewer(user=member),
        "member with a link": Viewer(user=member, links=(link,)),
        "anonymous": Viewer(user=AnonymousUser()),
        "anonymous with a link": Viewer(user=AnonymousUser(), links=(link,)),
    }


def steps(queryset) -> list[str]:
    """What the plan does with each table, in turn."""
    return [line for line in queryset.explain().splitlines() if re.search(r"SCAN|SEARCH", line)]


def by_index_of(model, plan) -> list[str]:
    """The columns that each step looks up in a table's indexes."""
    with connection.cursor() as cursor:
        indexes = set(connection.introspection.get_constraints(cursor, model._meta.db_table))
    found = [re.search(r"INDEX (\w+) \((.*)\)", step) for step in plan]
    return [match[2] for match in found if match and match[1] in indexes]


def without_right(columns: str) -> str:
    """A right is the third column of an index that has the other two."""
    return columns.removesuffix(" AND right=?")


def asked(viewer, access):
    """What is asked for one image, and for the list of galleries."""
    images = ImageQuerySet(Image).visible_to(viewer, access, annotate=False)
    return (
        images.filter(public_id=uuid.uuid4()),
        GalleryQuerySet(Gallery).visible_to(viewer, access, annotate=False),
    )


@pytest.mark.parametrize("access", [*Level, *Right])
def test_grants__are_found_by_holder_and_subject(viewers, access):
    """By one of the two alone, whoever holds much or is granted much would have it all read."""
    image, galleries = asked(viewers["member"], access)
    ways = {image: {"image", "gallery"} if isinstance(access, Level) else {"image"}}
    for queryset, subjects in {**ways, galleries: {"gallery"}}.items():
        looked_up = by_index_of(Grant, steps(queryset))
        assert sorted(map(without_right, looked_up)) == sorted(
            f"{holder}_id=? AND {subject}_id=?"
            for holder in ("user", "group")
            for subject in subjects
        )


@pytest.mark.parametrize("access", [*Level, *Right])
def test_one_image__takes_no_step_that_reads_a_whole_table(policy, viewers, access):
    for name, viewer in viewers.items():
        if not viewer.is_authenticated and (policy == "owner only" or isinstance(access, Right)):
            continue  # the database is not even asked
        image, _galleries = asked(viewer, access)
        assert steps(image)
        assert not [step for step in steps(image) if "SCAN" in step], name
