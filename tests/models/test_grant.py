"""Grants: one holder, one object, one kind; the database refuses everything else."""

from __future__ import annotations

from itertools import product

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from images_app.access import Level, Right
from images_app.models import Grant
from tests.databases import DATABASE

pytestmark = pytest.mark.django_db
PAIRS = (("user", "group"), ("gallery", "image"), ("level", "right"))
# Of each pair: none, the first, the second, both.
SHARES = ((), (0,), (1,), (0, 1))


@pytest.fixture
def parts(make_user, make_gallery, make_image):
    return {
        "user": make_user(),
        "group": Group.objects.create(name="friends"),
        "gallery": make_gallery(),
        "image": make_image(),
        "level": 20,
        "right": "change",
    }


def chosen(parts, shares) -> dict:
    names = [pair[i] for pair, share in zip(PAIRS, shares, strict=True) for i in share]
    return {name: parts[name] for name in names}


def is_clear(shares) -> bool:
    return all(len(share) == 1 for share in shares)


def refused(**values) -> bool:
    """Whether the database itself refuses the row."""
    try:
        with transaction.atomic(using=DATABASE):
            Grant.objects.create(**values)
    except IntegrityError:
        return True
    return False


@pytest.mark.parametrize("shares", list(product(SHARES, repeat=3)), ids=str)
def test_database__takes_exactly_one_of_each_pair(parts, shares):
    assert refused(**chosen(parts, shares)) is not is_clear(shares)


CLEAR = list(product(((0,), (1,)), repeat=3))


@pytest.mark.parametrize("shares", CLEAR, ids=str)
def test_database__takes_the_same_only_once(parts, shares):
    values = chosen(parts, shares)
    Grant.objects.create(**values)
    assert refused(**values)


@pytest.mark.parametrize("shares", CLEAR, ids=str)
def test_database__has_one_level_but_several_rights(parts, shares):
    """Two levels for the same would leave open which one counts; two rights add up."""
    values = chosen(parts, shares)
    Grant.objects.create(**values)
    other = {"level": 30} if "level" in values else {"right": "share"}
    assert refused(**{**values, **other}) is ("level" in values)


def test_database__keeps_all_clear_combinations_side_by_side(parts):
    for shares in CLEAR:
        Grant.objects.create(**chosen(parts, shares))
    assert Grant.objects.count() == len(CLEAR)


@pytest.mark.parametrize("holder", ["user", "group"])
@pytest.mark.parametrize("subject", ["gallery", "image"])
def test_database__tells_holders_and_objects_apart(
    parts, make_user, make_gallery, make_image, holder, subject
):
    others = {
        "user": make_user("other"),
        "group": Group.objects.create(name="other"),
        "gallery": make_gallery("Other"),
        "image": make_image(),
    }
    values = {holder: parts[holder], subject: parts[subject], "level": 20}
    Grant.objects.create(**values)
    assert not refused(**{**values, holder: others[holder]})
    assert not refused(**{**values, subject: others[subject]})


@pytest.mark.parametrize(
    ("kind", "values", "is_known"),
    [
        ("level", [level.value for level in Level], True),
        ("level", [0, 1, 15, 25, 40], False),
        ("right", [right.value for right in Right], True),
        ("right", ["", "view", "CHANGE", "add"], False),
    ],
)
def test_database__knows_levels_and_rights(parts, make_gallery, kind, values, is_known):
    for value in values:
        row = {"user": parts["user"], "gallery": make_gallery(), kind: value}
        assert refused(**row) is not is_known, value


def test_full_clean__names_the_pair(parts):
    grant = Grant(user=parts["user"], group=parts["group"], gallery=parts["gallery"], level=20)
    with pytest.raises(ValidationError) as caught:
        grant.full_clean()
    assert caught.value.messages == ["Choose exactly one of user and group."]


@pytest.mark.parametrize("gone", ["user", "group", "gallery", "image"])
def test_grant__goes_with_what_it_joins(parts, gone):
    for shares in CLEAR:
        Grant.objects.create(**chosen(parts, shares))
    parts[gone].delete()
    assert Grant.objects.count() == len(CLEAR) / 2
    assert not Grant.objects.filter(**{f"{gone}__isnull": False}).exists()


def test_str__says_who_and_what_but_not_of_what(parts):
    user, group, gallery, image = (parts[n] for n in ("user", "group", "gallery", "image"))
    assert str(Grant(user=user, gallery=gallery, level=20)) == "someone: view (all sizes)"
    assert str(Grant(group=group, image=image, right="share")) == "friends: share"


def test_choices__are_the_levels_and_rights():
    assert Grant.LevelChoices.values == [level.value for level in Level]
    assert Grant.RightChoices.values == [right.value for right in Right]
