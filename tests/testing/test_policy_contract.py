"""The contract of policies: ours keep it, and each broken one is caught and named."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.db.models import BooleanField, Exists, OuterRef, Q, Value
from django.test import TestCase

from images_app.access import Level, Right
from images_app.models import Gallery, Grant, Image
from images_app.policies import DefaultPolicy
from images_app.policies.owner_only import OwnerOnlyPolicy
from images_app.testing import PolicyContract


@pytest.mark.django_db
class TestDefaultPolicy(PolicyContract):
    def make_policy(self):
        return DefaultPolicy()


class TestOwnerOnlyPolicy(PolicyContract, TestCase):
    def make_policy(self):
        return OwnerOnlyPolicy()


# --- broken policies --------------------------------------------------------------------------


class AsUsual(DefaultPolicy):
    """The default policy, with one place to break its answer."""

    def images(self, viewer, queryset, access, *, annotate=True):
        found = super().images(viewer, queryset, access, annotate=annotate)
        return self.broken(viewer, queryset, access, found, annotate)

    def broken(self, viewer, queryset, access, found, annotate):
        return found


@pytest.mark.django_db
class TestAsUsual(PolicyContract):
    """What breaks the others is not the place that they are broken in."""

    def make_policy(self):
        return AsUsual()


class Joining(AsUsual):
    def broken(self, viewer, queryset, access, found, annotate):
        return found.filter(Q(galleries__isnull=True) | Q(galleries__isnull=False))


class Listing(AsUsual):
    def broken(self, viewer, queryset, access, found, annotate):
        return list(found)


class OfAnotherModel(AsUsual):
    def broken(self, viewer, queryset, access, found, annotate):
        return Gallery.objects.none()


class Sliced(AsUsual):
    def broken(self, viewer, queryset, access, found, annotate):
        return found[:1000]


class Wider(AsUsual):
    def images(self, viewer, queryset, access, *, annotate=True):
        return super().images(viewer, Image.objects.all(), access, annotate=annotate)


class ForgetsInactive(AsUsual):
    def broken(self, viewer, queryset, access, found, annotate):
        user = SimpleNamespace(pk=viewer.user.pk, is_active=True, is_authenticated=True)
        seen = viewer if viewer.user.is_anonymous else type(viewer)(user=user)
        return DefaultPolicy.images(self, seen, queryset, access, annotate=annotate)


class ForgetsAnonymous(AsUsual):
    def broken(self, viewer, queryset, access, found, annotate):
        if annotate or access is not Level.PREVIEW:
            return found
        return queryset.filter(galleries__visibility="members").distinct() | found.distinct()


class OwnedByNone(AsUsual):
    def broken(self, viewer, queryset, access, found, annotate):
        if viewer.user.is_anonymous or annotate or viewer.user.pk is not None:
            return found
        return queryset.filter(owner=None)


class LyingLevel(AsUsual):
    def broken(self, viewer, queryset, access, found, annotate):
        return found.annotate(viewer_level=Value(Level.ORIGINAL.value)) if annotate else found


class AskedLevel(AsUsual):
    def broken(self, viewer, queryset, access, found, annotate):
        level = access if isinstance(access, Level) else Level.ORIGINAL
        return found.annotate(viewer_level=Value(level.value)) if annotate else found


class LyingAnyone(AsUsual):
    def broken(self, viewer, queryset, access, found, annotate):
        told = Value(value=False, output_field=BooleanField())
        return found.annotate(anyone=told) if annotate else found


class Unannotated(AsUsual):
    def images(self, viewer, queryset, access, *, annotate=True):
        return super().images(viewer, queryset, access, annotate=False)


class OtherWhenAnnotated(AsUsual):
    def broken(self, viewer, queryset, access, found, annotate):
        return found.filter(owner=None) if annotate else found


class RightWithoutOriginal(AsUsual):
    def broken(self, viewer, queryset, access, found, annotate):
        if access is Right.SHARE and viewer.is_authenticated and not annotate:
            return queryset
        return found


class RightForAnyone(AsUsual):
    def images(self, viewer, queryset, access, *, annotate=True):
        level = Level.VIEW if isinstance(access, Right) else access
        return super().images(viewer, queryset, level, annotate=annotate)


class IgnoresLevel(AsUsual):
    """Whoever may preview gets everything, and pages are told what is true."""

    def broken(self, viewer, queryset, access, found, annotate):
        if access is Level.ORIGINAL or annotate:
            return found
        return DefaultPolicy.images(self, viewer, queryset, Level.ORIGINAL, annotate=False)


class LevelsTheWrongWayRound(AsUsual):
    def images(self, viewer, queryset, access, *, annotate=True):
        swapped = {Level.PREVIEW: Level.ORIGINAL, Level.ORIGINAL: Level.PREVIEW}
        return super().images(viewer, queryset, swapped.get(access, access), annotate=annotate)


class OneByOne(AsUsual):
    """More than one row is another matter, for it is only looked at."""

    def broken(self, viewer, queryset, access, found, annotate):
        return found if queryset.count() > 1 else queryset


class Fetching(AsUsual):
    def broken(self, viewer, queryset, access, found, annotate):
        return queryset.filter(pk__in=[image.pk for image in found]) if not annotate else found


class AnswersMaybe(AsUsual):
    def may_add(self, viewer, gallery):
        return viewer.user.pk and gallery.pk


class LetsAnyoneAdd(AsUsual):
    def may_add(self, viewer, gallery):
        return True


class OneKindForAll(AsUsual):
    """What groups there are is asked at once, so the compiled query knows those of nobody."""

    def images(self, viewer, queryset, access, *, annotate=True):
        if viewer.is_authenticated and not annotate:
            groups = [group.pk for group in viewer.user.groups.all()] if viewer.user.pk else []
            given = Grant.objects.filter(group__in=groups, image=OuterRef("pk"))
            return queryset.filter(Q(owner=viewer.user.pk) | Q(Exists(given)))
        return super().images(viewer, queryset, access, annotate=annotate)

    def viewer_kind(self, viewer):
        return "all"


class UnhashableKind(AsUsual):
    def viewer_kind(self, viewer):
        return ["all"]


ANNOTATES = "annotates_what_is_true"
STRANGERS = "shows_strangers_only_what_is_declared_public"
# The policy, the test that names what is wrong with it, and what it says.
BROKEN = [
    (Joining, "answers_with_no_row_twice", "owner, images at VIEW"),
    (Listing, "answers_with_querysets_of_the_model_it_was_given", "owner, images at VIEW: list"),
    (OfAnotherModel, "answers_with_querysets_of_the_model_it_was_given", "GalleryQuerySet"),
    (Sliced, "answers_can_be_used_as_querysets", "Cannot filter|Cannot reorder"),
    (Wider, "never_answers_with_more_than_it_was_given", "owner, images at VIEW"),
    (ForgetsInactive, STRANGERS, "owner, inactive, images at ORIGINAL"),
    (ForgetsAnonymous, STRANGERS, "anonymous, images at PREVIEW"),
    (OwnedByNone, "shows_unknown_users_no_more_than_a_stranger", "a user without a key"),
    (LyingLevel, ANNOTATES, "stranger, images at VIEW: viewer_level 30, VIEW"),
    (AskedLevel, ANNOTATES, "owner, images at PREVIEW: viewer_level 10, ORIGINAL"),
    (LyingAnyone, ANNOTATES, "stranger, images at VIEW: anyone False"),
    (Unannotated, ANNOTATES, "viewer_level missing"),
    (OtherWhenAnnotated, "annotations_change_no_rows", "owner, images at VIEW"),
    (RightWithoutOriginal, "rights_include_the_original", "stranger, images at SHARE"),
    (RightForAnyone, STRANGERS, "anonymous, images at CHANGE"),
    (IgnoresLevel, ANNOTATES, "stranger, images at PREVIEW"),
    (LevelsTheWrongWayRound, "levels_include_the_lower_ones", "stranger, images"),
    (OneByOne, "decides_on_one_row_as_in_the_list", "stranger, images at ORIGINAL: loose image"),
    (Fetching, "answers_by_one_query", "owner, images at VIEW: 2 queries"),
    (Wider, "brings_nothing_back_from_the_trash", "superuser, images at VIEW"),
    (AnswersMaybe, "lets_add_by_a_plain_yes_or_no", "stranger, private gallery"),
    (LetsAnyoneAdd, "lets_add_by_a_plain_yes_or_no", "anonymous, private gallery: True"),
    (OneKindForAll, "names_kinds_of_viewers_that_are_alike", "member of a group, images at"),
    (UnhashableKind, "names_kinds_of_viewers_that_are_alike", "owner: .'all'. cannot be hashed"),
]


def contract_tests():
    return {name for name in vars(PolicyContract) if name.startswith("test_")}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("policy", "test", "said"), BROKEN, ids=lambda given: getattr(given, "__name__", "")
)
def test_broken_policy__is_named(policy, test, said):
    contract = type("Contract", (PolicyContract,), {"make_policy": lambda self: policy()})()
    with pytest.raises(AssertionError, match=said):
        getattr(contract, f"test_policy__{test}")()


def test_every_test_of_the_contract__has_seen_a_broken_policy():
    assert {f"test_policy__{test}" for _, test, _ in BROKEN} == contract_tests()
