"""How a contract asks a policy about its world."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from django.test import override_settings

from images_app.access import Access, Level, Right, Viewer
from images_app.models import Gallery, GalleryQuerySet, ImageQuerySet, get_image_model
from images_app.policies import Policy
from images_app.testing.world import World, WorldMaker

ANONYMOUS = Viewer(user=AnonymousUser())
ACCESSES: tuple[Access, ...] = (*Level, *Right)
KINDS = ("images", "galleries")

Keys = frozenset[Any]


class Questions(WorldMaker):
    """A world, a policy, and every question that there is about them."""

    def make_policy(self) -> Policy:
        """Answer with a new policy."""
        raise NotImplementedError

    @cached_property
    def world(self) -> World:
        """The world of this test."""
        return self.make_world()

    @cached_property
    def _policy(self) -> Policy:
        return self.make_policy()

    @property
    def _viewers(self) -> dict[str, Viewer]:
        return {"anonymous": ANONYMOUS, **self.world.viewers}

    def _inactive(self) -> dict[str, Viewer]:
        """Answer with everybody of the world, each switched off."""
        found = {}
        for name, viewer in self.world.viewers.items():
            if viewer.user.is_authenticated:
                user: Any = copy.copy(viewer.user)
                user.is_active = False
                found[f"{name}, inactive"] = Viewer(user=user)
        return found

    def _keyless(self) -> Viewer:
        user = get_user_model()()
        user.pk = None
        return Viewer(user=user)

    def _viewers_of_both(self) -> Iterator[tuple[str, str, Viewer]]:
        for kind in KINDS:
            for name, viewer in self._viewers.items():
                yield kind, name, viewer

    def _questions(self) -> Iterator[tuple[str, str, Viewer, Access]]:
        for kind, name, viewer in self._viewers_of_both():
            for access in ACCESSES:
                yield kind, name, viewer, access

    def _named(self, kind: str) -> Mapping[str, Any]:
        return self.world.images if kind == "images" else self.world.galleries

    def _rows(self, kind: str) -> QuerySet[Any]:
        keys = [row.pk for row in self._named(kind).values()]
        if kind == "galleries":
            return GalleryQuerySet(Gallery).filter(pk__in=keys)
        return ImageQuerySet(get_image_model()).filter(pk__in=keys)

    def _ask(
        self,
        kind: str,
        viewer: Viewer,
        access: Access,
        queryset: QuerySet[Any] | None = None,
        *,
        annotate: bool,
    ) -> Any:
        rows = self._rows(kind) if queryset is None else queryset
        return getattr(self._policy, kind)(viewer, rows, access, annotate=annotate)

    def _keys(
        self, kind: str, viewer: Viewer, access: Access, queryset: QuerySet[Any] | None = None
    ) -> Keys:
        answer = self._ask(kind, viewer, access, queryset, annotate=False)
        return keys_of(answer)

    def _keys_or_none(self, kind: str, viewer: Viewer, access: Access) -> Keys:
        try:
            return self._keys(kind, viewer, access)
        except (AttributeError, TypeError, ValueError):  # a refusal too
            return frozenset()


class Unknown:
    """A user that says to be one, and has nothing else."""

    is_authenticated = is_active = True
    is_anonymous = False
    pk = None


def hand_over(policy: Policy) -> Policy:
    """Answer with the policy itself: a backend for the settings, which name classes by path."""
    return policy


@contextmanager
def in_use(policy: Policy) -> Iterator[None]:
    """Configure a policy that is there already."""
    given = {"BACKEND": f"{__name__}.{hand_over.__name__}", "OPTIONS": {"policy": policy}}
    with override_settings(IMAGES_APP={**getattr(settings, "IMAGES_APP", {}), "POLICY": given}):
        yield


def keys_of(rows: Any) -> Keys:
    """Answer with the keys of rows."""
    return frozenset(row.pk for row in rows)
