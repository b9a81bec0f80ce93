"""Levels, rights and viewers."""

from __future__ import annotations

import dataclasses

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser

from images_app.access import Level, Right, UnlockedLink, Viewer


def test_level__is_one_ordered_scale_stored_as_numbers():
    assert [(level.name, level.value) for level in sorted(Level)] == [
        ("PREVIEW", 10),
        ("VIEW", 20),
        ("ORIGINAL", 30),
    ]
    assert Level.PREVIEW < Level.VIEW < Level.ORIGINAL


def test_right__has_these_three_and_their_stored_words():
    assert {right.name: right.value for right in Right} == {
        "CHANGE": "change",
        "SHARE": "share",
        "DELETE": "delete",
    }


@pytest.mark.parametrize("other", [Right.SHARE, Level.VIEW, 10])
def test_right__cannot_be_compared(other):
    with pytest.raises(TypeError):
        other > Right.CHANGE  # noqa: B015 (comparing is what must fail)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (AnonymousUser(), False),
        (get_user_model()(username="in", is_active=True), True),
        (get_user_model()(username="out", is_active=False), False),
    ],
    ids=["anonymous", "active", "deactivated"],
)
def test_viewer__is_authenticated(user, expected):
    assert Viewer(user=user).is_authenticated is expected


def test_viewer__is_frozen_and_keyword_only():
    viewer = Viewer(user=AnonymousUser())
    with pytest.raises(dataclasses.FrozenInstanceError):
        viewer.user = None
    with pytest.raises(TypeError):
        Viewer(AnonymousUser())


def test_viewer__with_some_links():
    links = [UnlockedLink(id=n, password_version=1, watermark=mark) for n, mark in enumerate("axa")]
    links.append(UnlockedLink(id=3, password_version=1))
    viewer = Viewer(user=AnonymousUser(), links=tuple(links))
    assert viewer.watermarks == ("a", "x")
    kept = {
        marks: [link.id for link in viewer.with_links_marked(*marks).links]
        for marks in ((), ("",), ("a",), ("", "x"))
    }
    assert kept == {(): [], ("",): [3], ("a",): [0, 2], ("", "x"): [1, 3]}
    assert len(viewer.links) == 4
