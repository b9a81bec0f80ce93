"""What the access rules promise, for worlds that nobody thought of, and after whatever happens."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.test import Client, override_settings
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from images_app.access import Level, Right, UnlockedLink, Viewer
from images_app.conf import get_policy
from images_app.exceptions import TooManyGuesses, WrongPassword
from images_app.models import Gallery, GalleryItem, Grant, Image, ShareLink, find_visible
from images_app.models.share_link import MOST_WRONG_GUESSES
from images_app.renditions import rendition_url
from images_app.sharing import (
    change_password,
    create_link,
    links_of,
    may_be_unlocked,
    may_give,
    revoke_link,
    shareable_images,
    unlock,
    unlocked_links,
)
from images_app.trash import restore, trash
from tests.databases import DATABASE

pytestmark = pytest.mark.django_db
THOROUGH = int(os.environ.get("IMAGES_TEST_THOROUGH", "0"))  # how many times as many examples


def examples(number: int, **kwargs: Any) -> Any:
    """The same examples each time; with IMAGES_TEST_THOROUGH=20, twenty times as many new ones."""
    return settings(
        max_examples=number * (THOROUGH or 1),
        derandomize=not THOROUGH,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        **kwargs,
    )


# --- the model: the sentences of DefaultPolicy, in plain Python ---------------------------------

ACCESSES = (*Level, *Right)
KINDS = ("gallery", "image")
NOBODY = 0  # the level of who has none


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody by their key, None for who is not logged in, and what they have unlocked."""

    key: Any = None
    links: tuple[UnlockedLink, ...] = ()


@dataclass(kw_only=True)
class Facts:
    """All rows that count, as plain values."""

    users: dict[Any, Any]
    groups: set[tuple[Any, int]]
    permissions: set[tuple[Any, str]]
    galleries: dict[int, Any]
    images: dict[int, Any]
    hanging: set[tuple[int, int]]  # (gallery, image)
    grants: list[Any] = field(default_factory=list)
    links: dict[int, Any] = field(default_factory=dict)

    @classmethod
    def read(cls) -> Facts:
        """What is in the database."""
        user = get_user_model()

        def by_key(model: Any) -> dict[Any, Any]:
            return {row["id"]: row for row in model.objects.values()}

        return cls(
            users=by_key(user),
            groups=set(user.groups.through.objects.values_list("user_id", "group_id")),
            permissions=set(
                user.user_permissions.through.objects.values_list("user_id", "permission__codename")
            ),
            galleries=by_key(Gallery),
            images=by_key(Image),
            hanging=set(GalleryItem.objects.values_list("gallery", "image")),
            grants=list(Grant.objects.values()),
            links=by_key(ShareLink),
        )

    def is_logged_in(self, person: Person) -> bool:
        return person.key is not None and self.users[person.key]["is_active"]

    def level(self, person: Person, kind: str, key: int, at: datetime) -> int:
        """The best level of all ways in."""
        ways = [NOBODY, *self._own_ways(person, kind, key, at)]
        if self._is_permitted(person, kind, "view", "change"):
            ways.append(Level.ORIGINAL)
        if kind == "image":
            if self.images[key]["trashed_at"] is not None:
                return NOBODY
            # The model permission is on galleries there, not on what hangs in them.
            for gallery, image in self.hanging:
                if image == key:
                    ways += self._gallery_ways(person, gallery, at)
        else:
            ways += self._gallery_ways(person, key, at)
        return max(ways)

    def rights(self, person: Person, kind: str, key: int, at: datetime) -> set[Right]:
        """Of the owner, by grants on the very row, by model permissions."""
        if kind == "image" and self.images[key]["trashed_at"] is not None:
            return set()
        found = set()
        if self.is_logged_in(person) and self._row(kind, key)["owner_id"] == person.key:
            found = set(Right)
        found |= {Right(g["right"]) for g in self._held(person, kind, key, at) if g["right"]}
        if self._is_permitted(person, kind, "change"):
            found |= {Right.CHANGE, Right.SHARE}
        if self._is_permitted(person, kind, "delete"):
            found |= {Right.DELETE}
        return found

    def reaches(self, person: Person, kind: str, key: int, access: Any, at: datetime) -> bool:
        if isinstance(access, Right):
            return access in self.rights(person, kind, key, at)
        return self.level(person, kind, key, at) >= access

    def _row(self, kind: str, key: int) -> Any:
        return (self.galleries if kind == "gallery" else self.images)[key]

    def _gallery_ways(self, person: Person, key: int, at: datetime) -> list[int]:
        visibility = self.galleries[key]["visibility"]
        is_open = visibility == "public" or (visibility == "members" and self.is_logged_in(person))
        ways = self._own_ways(person, "gallery", key, at)
        return [*ways, Level.VIEW] if is_open else ways

    def _own_ways(self, person: Person, kind: str, key: int, at: datetime) -> list[int]:
        ways = [g["level"] or Level.ORIGINAL for g in self._held(person, kind, key, at)]
        if self.is_logged_in(person) and self._row(kind, key)["owner_id"] == person.key:
            ways.append(Level.ORIGINAL)
        for unlocked in person.links:
            link = self.links[unlocked.id]
            is_live = link["revoked_at"] is None and not has_ended(link, at)
            if (
                is_live
                and self.users[link["created_by_id"]]["is_active"]
                and link["password_version"] == unlocked.password_version
                and link[f"{kind}_id"] == key
            ):
                ways.append(link["level"])
        return ways

    def _held(self, person: Person, kind: str, key: int, at: datetime) -> list[Any]:
        if not self.is_logged_in(person):
            return []
        return [
            g
            for g in self.grants
            if g[f"{kind}_id"] == key
            and not has_ended(g, at)
            and (g["user_id"] == person.key or (person.key, g["group_id"]) in self.groups)
        ]

    def _is_permitted(self, person: Person, kind: str, *actions: str) -> bool:
        if not self.is_logged_in(person) or not self.users[person.key]["is_staff"]:
            return False
        is_super = self.users[person.key]["is_superuser"]
        return is_super or any(
            (person.key, f"{action}_{kind}") in self.permissions for action in actions
        )


def has_ended(row: Any, at: datetime) -> bool:
    return row["ends_at"] is not None and row["ends_at"] <= at


# --- random worlds ------------------------------------------------------------------------------

MARKS = {"WATERMARKS": {"proof": {"text": "PROOF"}, "client": {"text": "CLIENT"}}}
MARKED = (
    MARKS,
    {**MARKS, "WATERMARK_LEVELS": {"view": "proof"}},
    {**MARKS, "WATERMARK_LEVELS": {"preview": "proof"}},
    {**MARKS, "WATERMARK_LEVELS": {"preview": "client", "view": "proof"}},
)
PERMISSIONS = (
    ("view_image",),
    ("change_image",),
    ("view_image", "delete_image"),  # without "view": see test_right_to_delete below
    ("view_gallery",),
    ("change_gallery",),
    ("view_gallery", "delete_gallery"),
)
N_USERS, N_GROUPS, N_GALLERIES, N_IMAGES = 4, 2, 3, 4
# Level and watermark.
TERMS_OF_LINKS = [(10, ""), (20, ""), (30, ""), (10, "proof"), (20, "proof"), (20, "client")]
users = st.integers(0, N_USERS - 1)
maybe_user = st.none() | users
subjects = st.one_of(
    st.tuples(st.just("gallery"), st.integers(0, N_GALLERIES - 1)),
    st.tuples(st.just("image"), st.integers(0, N_IMAGES - 1)),
)
SOON = timedelta(days=1)
ends = st.sampled_from([None, None, None, SOON, SOON, timedelta(0), -SOON])


def what_it_is(grant: Any) -> Any:
    """One holder has one level and each right once on one row."""
    holder, subject, access, _end = grant
    return holder, subject, access.value if isinstance(access, Right) else ""


WORLDS = st.fixed_dictionaries(
    {
        "users": st.lists(
            st.tuples(
                st.sampled_from([True, True, True, False]),  # active
                st.sampled_from(["", "", "staff", "staff", "superuser", "superuser, no staff"]),
                st.sets(st.sampled_from(PERMISSIONS), max_size=2),
                st.sets(st.integers(0, 1)),  # groups
            ),
            min_size=N_USERS,
            max_size=N_USERS,
        ),
        "galleries": st.lists(
            st.tuples(st.sampled_from(["private", "private", "members", "public"]), maybe_user),
            min_size=N_GALLERIES,
            max_size=N_GALLERIES,
        ),
        "images": st.lists(
            st.tuples(
                maybe_user,
                st.sets(st.integers(0, N_GALLERIES - 1)),
                st.sampled_from([False] * 5 + [True]),  # trashed
            ),
            min_size=N_IMAGES,
            max_size=N_IMAGES,
        ),
        "grants": st.lists(
            st.tuples(
                st.tuples(st.just("user"), users) | st.tuples(st.just("group"), st.integers(0, 1)),
                subjects,
                st.sampled_from(ACCESSES),
                ends,
            ),
            max_size=6,
            unique_by=what_it_is,
        ),
        "links": st.lists(
            st.tuples(
                subjects,
                st.sampled_from(
                    [
                        *((level, "") for level in Level),
                        (10, "proof"),
                        (20, "proof"),
                        (20, "client"),
                    ]
                ),
                ends,
                st.sampled_from([False, False, False, False, True]),  # revoked
                users,  # maker
                st.sampled_from([1, 1, 1, 1, 2]),  # the version that is unlocked
            ),
            min_size=1,
            max_size=4,
        ),
        # Who asks, and which of the links they have unlocked.
        "viewer": st.tuples(maybe_user, st.just({0, 1, 2, 3}) | st.sets(st.integers(0, 3))),
    }
)


def image_row(number: int, owner: Any, *, is_trashed: bool = False) -> Image:
    """A row without a file."""
    return Image(
        title=f"image {number}",
        owner=owner,
        trashed_at=timezone.now() if is_trashed else None,
        storage_alias="images",
        storage_name=f"none/{number}.jpg",
        file_name=f"{number}.jpg",
        format="jpeg",
        width=640,
        height=480,
        byte_size=1,
        checksum="0" * 64,
    )


class Made:
    """The rows of one random world, and who asks."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.now = timezone.now()
        self._make_users(plan["users"])
        self.galleries = Gallery.objects.bulk_create(
            Gallery(title=f"gallery {n}", visibility=visibility, owner=self._user(owner))
            for n, (visibility, owner) in enumerate(plan["galleries"])
        )
        self.images = Image.objects.bulk_create(
            image_row(n, self._user(owner), is_trashed=is_trashed)
            for n, (owner, _, is_trashed) in enumerate(plan["images"])
        )
        GalleryItem.objects.bulk_create(
            GalleryItem(gallery=self.galleries[number], image=image)
            for image, (_, inside, _) in zip(self.images, plan["images"], strict=True)
            for number in inside
        )
        self._make_grants(plan["grants"])
        self._make_links(plan["links"])
        key, chosen = plan["viewer"]
        self.user = AnonymousUser() if key is None else self.users[key]
        unlocked = tuple(
            UnlockedLink(id=link.pk, password_version=plan["links"][n][5], watermark=link.watermark)
            for n, link in enumerate(self.links)
            if n in chosen
        )
        self.viewer = Viewer(user=self.user, links=unlocked)
        self.person = Person(key=None if key is None else self.user.pk, links=unlocked)
        self.facts = Facts.read()

    def _make_users(self, plans: list[Any]) -> None:
        model = get_user_model()
        self.users = model.objects.bulk_create(
            model(
                username=f"user-{n}",
                is_active=is_active,
                is_staff=kind in {"staff", "superuser"},
                is_superuser=kind.startswith("superuser"),
            )
            for n, (is_active, kind, _, _) in enumerate(plans)
        )
        self.groups = Group.objects.bulk_create(Group(name=f"group {n}") for n in range(2))
        keys = dict(
            Permission.objects.filter(content_type__app_label="images_app").values_list(
                "codename", "pk"
            )
        )
        model.user_permissions.through.objects.bulk_create(
            model.user_permissions.through(user_id=user.pk, permission_id=keys[codename])
            for user, plan in zip(self.users, plans, strict=True)
            for codename in {name for names in plan[2] for name in names}
        )
        model.groups.through.objects.bulk_create(
            model.groups.through(user_id=user.pk, group_id=self.groups[n].pk)
            for user, plan in zip(self.users, plans, strict=True)
            for n in plan[3]
        )

    def _make_grants(self, plans: list[Any]) -> None:
        Grant.objects.bulk_create(
            Grant(
                **{who: (self.users if who == "user" else self.groups)[number]},
                **self._subject(subject),
                **{"right": access.value} if isinstance(access, Right) else {"level": access.value},
                ends_at=self._end(end),
            )
            for (who, number), subject, access, end in plans
        )

    def _make_links(self, plans: list[Any]) -> None:
        self.links = ShareLink.objects.bulk_create(
            ShareLink(
                **self._subject(subject),
                token_hash=f"{n}",
                level=int(level),
                watermark=watermark,
                ends_at=self._end(end),
                revoked_at=self.now if is_revoked else None,
                created_by=self.users[maker],
            )
            for n, (subject, (level, watermark), end, is_revoked, maker, _) in enumerate(plans)
        )

    def _user(self, number: int | None) -> Any:
        return None if number is None else self.users[number]

    def _subject(self, subject: tuple[str, int]) -> dict[str, Any]:
        kind, number = subject
        return {kind: (self.galleries if kind == "gallery" else self.images)[number]}

    def _end(self, end: timedelta | None) -> datetime | None:
        return None if end is None else self.now + end

    def rows(self, kind: str) -> Any:
        return Gallery.objects if kind == "gallery" else Image.objects

    def client(self) -> Client:
        """Logged in, with a session in which the links are unlocked, written by hand."""
        client = Client()
        if self.user.is_authenticated:
            client.force_login(self.user)
        if self.viewer.links:
            session = client.session
            session["images_app_links"] = [
                [link.id, link.password_version, link.watermark] for link in self.viewer.links
            ]
            session.save()
            client.cookies[django_settings.SESSION_COOKIE_NAME] = session.session_key
        return client


def each_world(test: Any) -> Any:
    """Run a test on a random world, each in a transaction that is undone."""

    def run(plan: dict[str, Any], **kwargs: Any) -> None:
        with transaction.atomic(using=DATABASE):
            test(Made(plan), **kwargs)
            transaction.set_rollback(True, using=DATABASE)

    run.__name__ = test.__name__
    return run


# --- who sees what, asked in every way ----------------------------------------------------------


def check_querysets(made: Made) -> None:
    anonymous = Person()
    for kind in KINDS:
        keys = [row.pk for row in (made.galleries if kind == "gallery" else made.images)]
        for access in ACCESSES:
            expected = {
                key: (
                    int(made.facts.level(made.person, kind, key, made.now)),
                    made.facts.reaches(anonymous, kind, key, access, made.now),
                )
                for key in keys
                if made.facts.reaches(made.person, kind, key, access, made.now)
            }
            rows = made.rows(kind).visible_to(made.viewer, access)
            seen = [(row.pk, (row.viewer_level, bool(row.anyone))) for row in rows]
            assert len(seen) == len(dict(seen)), "a row appears twice"
            assert dict(seen) == expected, (kind, access)
            plain = made.rows(kind).visible_to(made.viewer, access, annotate=False)
            assert set(plain.values_list("pk", flat=True)) == set(expected)


@examples(70)
@given(plan=WORLDS)
def test_querysets__are_what_the_sentences_say(plan):
    each_world(check_querysets)(plan)


def check_prepared(made: Made) -> None:
    for access in ACCESSES:
        expected = {
            image.pk
            for image in made.images
            if made.facts.reaches(made.person, "image", image.pk, access, made.now)
        }
        for image in made.images:
            found = find_visible(made.viewer, image.public_id, access)
            assert (found is not None) is (image.pk in expected), (image.title, access)


@examples(50)
@given(plan=WORLDS)
def test_one_image__is_found_by_the_same_rule(plan):
    each_world(check_prepared)(plan)


def check_reasons(made: Made) -> None:
    policy: Any = get_policy()
    for kind in KINDS:
        for row in made.galleries if kind == "gallery" else made.images:
            if kind == "image" and row.trashed_at is not None:
                continue  # nobody asks: the admin does not find it
            reasons = policy.explain(made.viewer, row)
            told = {reason.access for reason in reasons}
            level = made.facts.level(made.person, kind, row.pk, made.now)
            rights = made.facts.rights(made.person, kind, row.pk, made.now)
            assert bool(reasons) is (level > NOBODY or bool(rights)), row
            assert {access for access in told if isinstance(access, Right)} == rights, row
            # A right gives the original besides.
            best = [a if isinstance(a, Level) else Level.ORIGINAL for a in told]
            assert max(best, default=NOBODY) == level, row


@examples(25)
@given(plan=WORLDS)
def test_reasons__are_there_exactly_for_what_is_reached(plan):
    each_world(check_reasons)(plan)


# --- by HTTP, with watermarks -------------------------------------------------------------------


def mark_of(config: dict[str, Any], level: int) -> str:
    """The watermark of everyone whose best level this is."""
    names = {10: "preview", 20: "view"}
    mark: str = config.get("WATERMARK_LEVELS", {}).get(names.get(int(level)), "")
    return mark


def may_have(made: Made, config: dict[str, Any], key: int, access: Level, mark: str) -> bool:
    """Whether the viewer may have bytes of a level with this watermark, "" for none.

    Everyone has them whose level, or a higher one up to theirs, has this mark or none. A mark to
    which nobody is held who sees so much takes the highest level. Who has more by a link of a
    mark than by all else has them with the mark of the link, too.
    """

    def level_with(*watermarks: str) -> int:
        links = tuple(link for link in made.person.links if link.watermark in watermarks)
        person = Person(key=made.person.key, links=links)
        return made.facts.level(person, "image", key, made.now)

    plain = level_with("")
    enough = [each for each in Level if access <= each]
    if mark and mark not in {mark_of(config, each) for each in enough}:
        if plain >= Level.ORIGINAL:
            return True
    elif any(mark_of(config, each) in {"", mark} for each in enough if each <= plain):
        return True
    return bool(mark) and access <= level_with("", mark) > plain


def check_urls(made: Made, config: dict[str, Any]) -> None:
    client = made.client()
    facts, now = made.facts, made.now
    for image in made.images:
        for preset, access in (("thumb", Level.PREVIEW), ("ladder", Level.VIEW)):
            for mark in ("", *MARKS["WATERMARKS"]):
                url = rendition_url(image, preset, watermark=mark)
                told = client.get(url.replace("/renditions/", "/decisions/")).status_code
                due = may_have(made, config, image.pk, access, mark)
                assert told == (204 if due else 403), (image.title, preset, mark)
        original = client.get(image.original_url, headers={"If-None-Match": "*"}).status_code
        best = facts.level(made.person, "image", image.pk, now)
        assert original == (304 if best >= Level.ORIGINAL else 404), image.title
    check_offers(made, client)


def check_offers(made: Made, client: Client) -> None:
    """What a page may link to is open: the URL by the annotations, and any page at all."""
    shown = Image.objects.visible_to(made.viewer, Level.PREVIEW)
    for image in shown:
        for preset, access in (("thumb", Level.PREVIEW), ("ladder", Level.VIEW)):
            if image.viewer_level >= access:
                url = rendition_url(image, preset)
                told = client.get(url.replace("/renditions/", "/decisions/")).status_code
                assert told == 204, (image.title, preset, image.viewer_level)


@examples(40)
@given(plan=WORLDS, config=st.sampled_from(MARKED))
def test_urls__answer_by_the_same_rule_with_every_watermark(plan, config):
    with override_settings(IMAGES_APP=config):
        each_world(lambda made: check_urls(made, config))(plan)


# --- whatever happens ---------------------------------------------------------------------------

DAYS = (0, 1, 2, 5, 20, 400)  # from now on: when it is asked what everybody will have
TERMS = (None, 1, 3, 10)  # days that something is given for; None for ever
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


actors = st.sampled_from([0, 1, 2, 2, 3, 3])
given_at_first = st.sampled_from([*ACCESSES, Right.SHARE, Right.SHARE, Right.SHARE])
wishes = st.none() | st.integers(0, 6)


class Sharing(RuleBasedStateMachine):
    """People share, hang, open and take back; nobody hands on more than they have themselves.

    After each action, what everybody has, now and on some later days, is compared with what they
    had before. What was won must have been the actor's at that time, and not by a link; and the
    actor wins nothing. What lies in the trash counts as if it were restored, which it may be.
    """

    @initialize(
        plan=st.lists(
            st.tuples(actors, subjects, given_at_first, st.sampled_from(TERMS)),
            min_size=2,
            max_size=6,
            unique_by=what_it_is,
        ),
        owners=st.lists(users, min_size=7, max_size=7),
        inside=st.sets(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=3, max_size=7),
        visibility=st.sampled_from(["private", "members", "public"]),
        is_staff=st.sampled_from([True, True, False]),
    )
    def begin(self, plan, owners, inside, visibility, is_staff):
        """Users 0 and 1 own all; all have some grants; one gallery is perhaps open.

        User 3 is perhaps staff who may change galleries, and not see the images in them.
        """
        self.transaction = transaction.atomic(using=DATABASE)
        self.transaction.__enter__()
        self.now = NOW
        self.clock = mock.patch.object(timezone, "now", side_effect=lambda: self.now)
        self.clock.start()
        model = get_user_model()
        self.people = model.objects.bulk_create(
            model(username=f"{n}", is_staff=is_staff and n == 3) for n in range(N_USERS)
        )
        self.people[3].user_permissions.add(Permission.objects.get(codename="change_gallery"))
        self.groups = Group.objects.bulk_create(Group(name=f"{n}") for n in range(N_GROUPS))
        self.sessions = [SessionStore() for _ in range(N_USERS + 1)]  # the last is nobody's
        self.galleries = Gallery.objects.bulk_create(
            Gallery(
                title=f"{n}",
                owner=self.people[owners[n] % 2],
                visibility=visibility if n == 2 else "private",
            )
            for n in range(N_GALLERIES)
        )
        self.images = Image.objects.bulk_create(
            image_row(n, self.people[owners[3 + n] % 2]) for n in range(N_IMAGES)
        )
        GalleryItem.objects.bulk_create(
            GalleryItem(gallery=self.galleries[g], image=self.images[i])
            for g, i in inside | {(0, 0), (1, 1)}
        )
        for user, subject, access, days in plan:
            self.put_grant(self.people[user], self.subject(subject), access, self.after(days))
        self.links: list[ShareLink] = []

    def teardown(self):
        if hasattr(self, "transaction"):
            self.clock.stop()
            transaction.set_rollback(True, using=DATABASE)
            self.transaction.__exit__(None, None, None)

    # What they do.

    @rule(
        actor=actors,
        wanted=wishes,
        level=st.sampled_from(Level),
        days=st.sampled_from(TERMS),
        password=st.sampled_from(["", "open sesame"]),
    )
    def share(self, actor, wanted, level, days, password):
        own = self.own(actor)
        with self.watched(actor):
            try:
                link, _token = create_link(
                    self.viewer(actor),
                    self.aimed(actor, wanted),
                    level=level,
                    ends_at=self.after(days),
                    never_ends=days is None,
                    password=password,
                )
            except PermissionDenied:
                return
            self.links.append(link)
        facts = self.facts()
        opened = UnlockedLink(id=link.pk, password_version=link.password_version)
        for kind, key, day in own:
            level = facts.level(Person(links=(opened,)), kind, key, self.day(day))
            is_won = level > facts.level(Person(), kind, key, self.day(day))
            assert not is_won or level <= own[kind, key, day][0], f"{actor} shares too much"

    @rule(person=st.integers(0, N_USERS), number=st.integers(0, 9), knows=st.booleans())
    def open(self, person, number, knows):
        """Opening gives what the link shows and not more; only who knows the password opens it."""
        link = self.link(number)
        if link is None or not may_be_unlocked(link):
            return
        before = self.all_levels()
        try:
            is_open = unlock(self.sessions[person], link, "open sesame" if knows else "")
        except (WrongPassword, TooManyGuesses):
            is_open = False
        is_live = link.revoked_at is None and not has_ended({"ends_at": link.ends_at}, self.now)
        is_due = is_live and (knows or not link.has_password)
        assert is_open is is_due or link.wrong_guesses >= MOST_WRONG_GUESSES
        for (who, kind, key, day), level in self.all_levels().items():
            if level > before[who, kind, key, day]:
                assert is_open
                assert who == person
                assert level <= link.level
                assert not has_ended({"ends_at": link.ends_at}, self.day(day))
                assert self.shows(link, kind, key)

    @rule(actor=actors, number=st.integers(0, 9))
    def revoke(self, actor, number):
        link = self.link_of(actor, number)
        if link is not None:
            with self.watched(actor):
                revoke_link(link)

    @rule(actor=actors, number=st.integers(0, 9))
    def set_password(self, actor, number):
        link = self.link_of(actor, number)
        if link is not None:
            with self.watched(actor):
                change_password(link, "open sesame")

    @rule(
        actor=actors,
        holder=st.integers(0, N_USERS + N_GROUPS - 1),
        wanted=wishes,
        access=st.sampled_from([*ACCESSES, *Right, *Right]),
        days=st.sampled_from(TERMS),
    )
    def grant(self, actor, holder, wanted, access, days):
        row, until = self.aimed(actor, wanted), self.after(days)
        if may_give(self.viewer(actor), row, access, until):
            with self.watched(actor):
                self.put_grant([*self.people, *self.groups][holder], row, access, until)

    @rule(actor=actors, gallery=st.integers(0, 2), image=st.integers(0, 3))
    def hang(self, actor, gallery, image):
        """As the admin does: it takes the right to add there, and to share the image."""
        viewer, row = self.viewer(actor), self.images[image]
        theirs = shareable_images(viewer).filter(pk=row.pk)
        if get_policy().may_add(viewer, self.galleries[gallery]) and theirs.exists():
            with self.watched(actor):
                self.galleries[gallery].append(row)

    @rule(actor=actors, number=st.integers(0, 9), gallery=st.none() | st.integers(0, 2))
    def move(self, actor, number, gallery):
        """As the admin does: to another gallery it takes what hanging takes, away from one less."""
        items = GalleryItem.objects.order_by("pk")
        if not items:
            return
        item, viewer = items[number % len(items)], self.viewer(actor)
        changeable = Gallery.objects.visible_to(viewer, Right.CHANGE, annotate=False)
        seen = Image.objects.visible_to(viewer, Level.PREVIEW, annotate=False)
        if not (changeable.filter(pk=item.gallery_id) and seen.filter(pk=item.image_id)):
            return
        if gallery is None:
            with self.watched(actor):
                item.delete()
            return
        row, theirs = self.galleries[gallery], shareable_images(viewer)
        is_free = not items.filter(gallery=row, image=item.image_id)
        if is_free and changeable.filter(pk=row.pk) and theirs.filter(pk=item.image_id):
            with self.watched(actor):
                items.filter(pk=item.pk).update(gallery=row)

    @rule(actor=actors, image=st.none() | st.integers(0, 3))
    def trash(self, actor, image):
        """All of theirs or one: it takes the right to delete."""
        theirs = Image.objects.visible_to(self.viewer(actor), Right.DELETE, annotate=False)
        with self.watched(actor):
            trash(theirs if image is None else theirs.filter(pk=self.images[image].pk))
        self.check_code(actor)

    @rule(actor=actors, image=st.none() | st.integers(0, 3))
    def restore(self, actor, image):
        theirs = Image.objects.trashed_for(self.viewer(actor))
        with self.watched(actor):
            restore(theirs if image is None else theirs.filter(pk=self.images[image].pk))
        self.check_code(actor, N_USERS)

    @rule(user=users, group=st.integers(0, N_GROUPS - 1), joins=st.booleans())
    def join(self, user, group, joins):
        """Who joins a group has what it was given, who leaves it no more; nobody else notices."""
        before, rights = self.all_levels(), self.all_rights()
        members = self.groups[group].user_set
        (members.add if joins else members.remove)(self.people[user])
        for now, then in ((self.all_levels(), before), (self.all_rights(), rights)):
            for (who, *what), had in then.items():
                has = now[who, *what]
                assert has == had or (who == user and (has >= had if joins else has <= had))
        self.check_code(user)

    @rule(
        actor=actors,
        gallery=st.integers(0, 2),
        visibility=st.sampled_from(["private", "members", "public"]),
    )
    def open_gallery(self, actor, gallery, visibility):
        """As the admin does: it takes what opening gives, for good."""
        row = self.galleries[gallery]
        if may_give(self.viewer(actor), row, Level.VIEW, None):
            with self.watched(actor):
                Gallery.objects.filter(pk=row.pk).update(visibility=visibility)

    @rule(days=st.sampled_from([0.5, 1, 4]))
    def wait(self, days):
        self.now += timedelta(days=days)

    # How they are watched.

    def viewer(self, number, at=None):
        user = AnonymousUser() if number == N_USERS else self.people[number]
        return Viewer(user=user, links=unlocked_links(self.sessions[number]), at=at)

    def person(self, number):
        key = None if number == N_USERS else self.people[number].pk
        return Person(key=key, links=unlocked_links(self.sessions[number]))

    def subject(self, subject):
        kind, number = subject
        return (self.galleries if kind == "gallery" else self.images)[number]

    def aimed(self, actor, wanted):
        """Any row for who has nothing to share, or where nothing is wanted."""
        rows = [*self.galleries, *self.images]
        viewer = self.viewer(actor)
        theirs = [
            row
            for rows_of_kind in (self.galleries, self.images)
            for row in rows_of_kind
            if type(row).objects.visible_to(viewer, Right.SHARE).filter(pk=row.pk).exists()
        ]
        return theirs[wanted % len(theirs)] if theirs and wanted else rows[(wanted or 0) % 7]

    def after(self, days):
        return None if days is None else self.now + timedelta(days=days)

    def day(self, days):
        return self.now + timedelta(days=days)

    def link(self, number):
        if not self.links:
            return None
        return ShareLink.objects.get(pk=self.links[number % len(self.links)].pk)

    def link_of(self, actor, number):
        link = self.link(number)
        return link and links_of(self.viewer(actor)).filter(pk=link.pk).first()

    def put_grant(self, holder, row, access, until):
        subject = "gallery" if isinstance(row, Gallery) else "image"
        kind, other = ("right", "level") if isinstance(access, Right) else ("level", "right")
        whose = {"group" if isinstance(holder, Group) else "user": holder}
        same = {**whose, subject: row, f"{other}__isnull": True}
        if kind == "right":
            same["right"] = access.value
        Grant.objects.update_or_create(
            **same,
            defaults={"ends_at": until, kind: access.value},
            create_defaults={**whose, subject: row, kind: access.value, "ends_at": until},
        )

    def shows(self, link, kind, key):
        if link.image_id is not None:
            return (kind, key) == ("image", link.image_id)
        if kind == "gallery":
            return key == link.gallery_id
        return (link.gallery_id, key) in Facts.read().hanging

    def rows(self):
        return [("gallery", row.pk) for row in self.galleries] + [
            ("image", row.pk) for row in self.images
        ]

    def facts(self):
        """As if everything were restored."""
        facts = Facts.read()
        for row in facts.images.values():
            row["trashed_at"] = None
        return facts

    def check_code(self, *people):
        """What the policy shows is what the model says, of the trash too."""
        facts = Facts.read()
        for who in people:
            seen = Image.objects.visible_to(self.viewer(who), Level.PREVIEW, annotate=False)
            assert set(seen.values_list("pk", flat=True)) == {
                key
                for key in facts.images
                if facts.level(self.person(who), "image", key, self.now) > NOBODY
            }

    def all_levels(self):
        facts = self.facts()
        return {
            (who, kind, key, day): facts.level(self.person(who), kind, key, self.day(day))
            for who in range(N_USERS + 1)
            for kind, key in self.rows()
            for day in DAYS
        }

    def all_rights(self):
        facts = self.facts()
        return {
            (who, kind, key, day): facts.rights(self.person(who), kind, key, self.day(day))
            for who in range(N_USERS + 1)
            for kind, key in self.rows()
            for day in DAYS
        }

    def own(self, actor):
        """What the actor has without links."""
        facts, person = self.facts(), Person(key=self.people[actor].pk)
        return {
            (kind, key, day): (
                facts.level(person, kind, key, self.day(day)),
                facts.rights(person, kind, key, self.day(day)),
            )
            for kind, key in self.rows()
            for day in DAYS
        }

    @contextmanager
    def watched(self, actor):
        own, levels, rights = self.own(actor), self.all_levels(), self.all_rights()
        yield
        for (who, *what), level in self.all_levels().items():
            if level > levels[who, *what]:
                assert who != actor, f"{actor} wins {level} on {what}"
                had = own[tuple(what)][0]
                assert had >= level, f"{actor} has {had} on {what}, and gives {level} to {who}"
        for (who, *what), now in self.all_rights().items():
            won = now - rights[who, *what]
            assert not won or who != actor, f"{actor} wins {won} on {what}"
            assert won <= own[tuple(what)][1], f"{actor} gives {won} on {what} to {who}"


def test_sharing__never_hands_on_more_than_its_actor_has():
    run_state_machine_as_test(Sharing, settings=examples(50, stateful_step_count=25))
