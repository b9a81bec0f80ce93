"""Share links: made by those who may share, opened by those who have them, revoked at once."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import PermissionDenied, ValidationError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from images_app import signals
from images_app.access import Level, Right, UnlockedLink, Viewer
from images_app.exceptions import TooManyGuesses, TooManyLinks, WrongPassword
from images_app.models import Gallery, Grant, Image, ShareLink
from images_app.sharing import (
    change_password,
    create_link,
    find_link,
    is_unlocked,
    links_of,
    may_be_unlocked,
    may_give,
    revoke_link,
    shared_by,
    unlock,
    unlocked_links,
)
from images_app.trash import restore, trash
from tests.databases import connection

PREVIEW, VIEW, ORIGINAL = Level
NOW = timezone.now()
MARKS = {"WATERMARKS": {"proof": {"text": "PROOF"}, "client": {"text": "CLIENT"}}}


@pytest.fixture
def owner(make_user):
    return make_user("owner")


@pytest.fixture
def gallery(make_gallery, owner):
    return make_gallery(owner=owner, images=2)


@pytest.fixture
def share(owner):
    """Make a link as the owner, and answer with it."""

    def make(obj, **terms):
        return create_link(Viewer(user=owner), obj, **terms)[0]

    return make


def guest(*links):
    """Somebody without an account who has unlocked these links."""
    session = SessionStore()
    for link in links:
        assert unlock(session, link)
    return Viewer(user=AnonymousUser(), links=unlocked_links(session))


def seen(viewer, level=PREVIEW):
    return set(Image.objects.visible_to(viewer, level))


# --- making -----------------------------------------------------------------------------------


def test_create_link__keeps_a_hash_and_lives_thirty_days(gallery, owner):
    before = timezone.now()
    link, token = create_link(Viewer(user=owner), gallery)
    row = ShareLink.objects.values().get()
    assert len(token) >= 43  # 256 bits
    assert row["token_hash"] == hashlib.sha256(token.encode()).hexdigest()
    assert all(token not in str(value) for value in row.values())
    assert before + timedelta(days=30) <= link.ends_at <= timezone.now() + timedelta(days=30)
    assert find_link(token) == link
    assert find_link(token[:-1]) is None
    assert find_link("") is None


def test_create_link__terms(gallery, owner, settings):
    settings.IMAGES_APP = {"SHARE_LINK_DAYS": 3}
    assert create_link(Viewer(user=owner), gallery, never_ends=True)[0].ends_at is None
    soon = timezone.now() + timedelta(hours=1)
    assert create_link(Viewer(user=owner), gallery, ends_at=soon)[0].ends_at == soon
    usual = create_link(Viewer(user=owner), gallery)[0].ends_at
    assert timedelta(days=2) < usual - timezone.now() <= timedelta(days=3)


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"watermark": "nothing"}, "watermark"),
        ({"watermark": "proof", "level": ORIGINAL}, "__all__"),
        ({"max_views": 0}, "__all__"),
        ({"note": "x" * 201}, "note"),
    ],
)
def test_create_link__refuses_terms_that_make_no_sense(gallery, owner, settings, terms, field):
    settings.IMAGES_APP = MARKS
    with pytest.raises(ValidationError) as caught:
        create_link(Viewer(user=owner), gallery, **terms)
    assert list(caught.value.message_dict) == [field]
    assert not ShareLink.objects.exists()


# What somebody has on the gallery, and what they may share of it.
SHARERS = {
    "stranger": ([], None),
    "member": ([{"level": 20}], None),
    "downloader": ([{"level": 30}], None),
    "changer": ([{"right": "change"}], None),
    "sharer": ([{"right": "share"}], ORIGINAL),
}


@pytest.mark.parametrize("who", SHARERS)
def test_create_link__takes_the_right_to_share(gallery, make_user, who):
    grants, most = SHARERS[who]
    user = make_user("somebody")
    for values in grants:
        Grant.objects.create(gallery=gallery, user=user, **values)
    for level in Level:
        if most is not None and level <= most:
            create_link(Viewer(user=user), gallery, level=level)
        else:
            with pytest.raises(PermissionDenied):
                create_link(Viewer(user=user), gallery, level=level)


def test_create_link__is_not_for_strangers_without_account(gallery):
    with pytest.raises(PermissionDenied):
        create_link(Viewer(user=AnonymousUser()), gallery)
    assert not ShareLink.objects.exists()


def test_create_link__never_outlives_the_right_to_share(gallery, make_user):
    user, end = make_user("sharer"), timezone.now() + timedelta(days=2)
    Grant.objects.create(gallery=gallery, user=user, right="share", ends_at=end)
    viewer = Viewer(user=user)
    for terms in ({}, {"never_ends": True}, {"ends_at": end + timedelta(seconds=1)}):
        with pytest.raises(PermissionDenied):
            create_link(viewer, gallery, **terms)
    assert create_link(viewer, gallery, ends_at=end - timedelta(seconds=1))[0].pk


def test_may_give__counts_nothing_that_a_link_has_lent(gallery, share, make_user):
    user = make_user("holder")
    Grant.objects.create(gallery=gallery, user=user, right="share")
    loose = gallery.images.first()
    lent = guest(share(loose, level=ORIGINAL)).links
    assert not may_give(Viewer(user=user, links=lent), loose, VIEW, None)
    assert may_give(Viewer(user=user, links=lent), gallery, VIEW, None)


@pytest.fixture
def editor(make_user):
    """Staff who may change galleries, and not see the images in them."""
    return Viewer(user=make_user("editor", is_staff=True, permissions=["change_gallery"]))


def test_may_give__counts_what_lies_in_the_trash(gallery, owner, editor):
    """It hangs there still, and is back as soon as somebody restores it."""
    images = Image.objects.filter(galleries=gallery)
    viewer = Viewer(user=owner)
    trash(images)
    for access in (*Level, *Right):
        assert not may_give(editor, gallery, access, None)
        assert may_give(viewer, gallery, access, None)
    with pytest.raises(PermissionDenied):
        create_link(editor, gallery, never_ends=True)
    restore(images)
    assert not may_give(editor, gallery, PREVIEW, None)
    gallery.items.all().delete()
    assert may_give(editor, gallery, ORIGINAL, None)


@pytest.mark.parametrize("granted", [None, *Level])
def test_may_give__of_the_trash_no_more_than_is_had_of_it(gallery, editor, granted):
    trash(Image.objects.filter(galleries=gallery))
    for image in gallery.images.all() if granted else ():
        Grant.objects.create(image=image, user=editor.user, level=granted)
    given = [level for level in Level if may_give(editor, gallery, level, None)]
    assert given == [level for level in Level if granted and level <= granted]


def test_may_give__of_what_is_in_the_trash_itself_nothing(gallery, owner):
    image = gallery.images.first()
    trash(Image.objects.filter(pk=image.pk))
    assert not any(may_give(Viewer(user=owner), image, access, None) for access in (*Level, *Right))


def test_link__of_who_may_not_see_the_trash_opens_for_nobody(gallery, owner, editor, share):
    """Its maker saw all that hung there; since then, an image of others came, and was trashed."""
    for image in gallery.images.all():
        Grant.objects.create(image=image, user=editor.user, level=ORIGINAL)
    link, _token = create_link(editor, gallery)
    assert may_be_unlocked(link)
    trash(Image.objects.filter(galleries=gallery))
    assert may_be_unlocked(link)
    Grant.objects.all().delete()
    assert not may_be_unlocked(link)


# --- seeing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("level", Level)
def test_link__to_a_gallery_shows_it_and_its_images_at_its_level(gallery, share, make_image, level):
    make_image()  # of somebody else's
    viewer = guest(share(gallery, level=level))
    for asked in Level:
        expected = set(gallery.images.all()) if asked <= level else set()
        assert seen(viewer, asked) == expected
        galleries = set(Gallery.objects.visible_to(viewer, asked))
        assert galleries == ({gallery} if asked <= level else set())


def test_link__to_an_image_shows_it_alone(gallery, share):
    image, other = gallery.images.all()
    viewer = guest(share(image))
    assert seen(viewer) == {image}
    assert not Gallery.objects.visible_to(viewer).exists()
    assert other not in seen(viewer)


def test_link__gives_no_rights(gallery, share):
    viewer = guest(share(gallery, level=ORIGINAL))
    for right in Right:
        assert not Gallery.objects.visible_to(viewer, right).exists()
        assert not Image.objects.visible_to(viewer, right).exists()


def test_link__of_a_gallery_never_shows_another_one(gallery, share, make_gallery, owner):
    other = make_gallery("Other", owner=owner, images=1)
    assert seen(guest(share(gallery))).isdisjoint(other.images.all())


def test_link__adds_to_what_a_user_has(gallery, share, make_user):
    user = make_user("member")
    Grant.objects.create(gallery=gallery, user=user, level=20)
    links = guest(share(gallery, level=ORIGINAL)).links
    assert seen(Viewer(user=user), ORIGINAL) == set()
    assert seen(Viewer(user=user, links=links), ORIGINAL) == set(gallery.images.all())


def _expire(link):
    ShareLink.objects.filter(pk=link.pk).update(ends_at=timezone.now() - timedelta(seconds=1))


def _deactivate_maker(link):
    type(link.created_by).objects.update(is_active=False)


ENDS = {
    "revoked": revoke_link,
    "ended": _expire,
    "another password": lambda link: change_password(link, "new"),
    "no password": lambda link: change_password(link, ""),
    "its maker was deactivated": _deactivate_maker,
    "its maker is gone": lambda link: link.created_by.delete(),
    "deleted": lambda link: link.delete(),
}


@pytest.mark.parametrize("end", ENDS)
def test_link__shows_nothing_from_then_on(gallery, share, end):
    viewer = guest(share(gallery))
    assert seen(viewer)
    ENDS[end](ShareLink.objects.get())
    assert seen(viewer) == set()
    assert not Gallery.objects.visible_to(viewer).exists()


def test_link__of_a_viewer_in_the_future(gallery, share):
    viewer = guest(share(gallery))
    later = timezone.now() + timedelta(days=31)
    assert seen(Viewer(user=AnonymousUser(), links=viewer.links, at=later)) == set()


def test_link__is_known_by_its_password_version(gallery, share):
    link = share(gallery)
    made_up = UnlockedLink(id=link.pk, password_version=2)
    assert seen(Viewer(user=AnonymousUser(), links=(made_up,))) == set()


# --- unlocking --------------------------------------------------------------------------------


def test_unlock__asks_for_the_password(gallery, owner):
    link, _token = create_link(Viewer(user=owner), gallery, password="open sesame")
    session = SessionStore()
    for wrong in ("", "open", "open sesame "):
        with pytest.raises(WrongPassword):
            unlock(session, link, wrong)
    assert unlocked_links(session) == ()
    assert unlock(session, link, "open sesame")
    assert is_unlocked(session, link)
    assert "open sesame" not in str(ShareLink.objects.values().get())


def test_unlock__ten_wrong_guesses_a_minute_and_no_more(gallery, share, monkeypatch):
    link, session = share(gallery, password="right"), SessionStore()
    start = timezone.now()
    times = [start + timedelta(seconds=5 * n) for n in range(10)]
    for moment in times:
        monkeypatch.setattr(timezone, "now", lambda moment=moment: moment)
        with pytest.raises(WrongPassword):
            unlock(session, link, "wrong")
    for seconds in (46, 60, 90, 104):  # a minute after the last wrong one, not after the first
        monkeypatch.setattr(timezone, "now", lambda s=seconds: start + timedelta(seconds=s))
        for password in ("wrong", "right"):
            with pytest.raises(TooManyGuesses):
                unlock(session, link, password)
    monkeypatch.setattr(timezone, "now", lambda: start + timedelta(seconds=106))
    assert unlock(session, link, "right")


def test_unlock__never_more_than_ten_in_any_minute(gallery, share, monkeypatch):
    """However the guesses are spread, none of the windows of a minute holds an eleventh."""
    link, session, start = share(gallery, password="right"), SessionStore(), timezone.now()
    counted = []
    for second in [*range(0, 300, 3), *range(300, 420)]:
        monkeypatch.setattr(timezone, "now", lambda s=second: start + timedelta(seconds=s))
        try:
            unlock(session, link, "wrong")
        except WrongPassword:
            counted.append(second)
        except TooManyGuesses:
            pass
    assert len(counted) > 20
    assert all(sum(t <= other < t + 60 for other in counted) <= 10 for t in counted)


@pytest.mark.parametrize("ahead", [3600, 86400 * 365])
def test_unlock__wrong_guesses_of_a_clock_that_was_ahead_rest_a_minute(
    gallery, share, monkeypatch, ahead
):
    link, session, start = share(gallery, password="right", never_ends=True), SessionStore(), NOW
    monkeypatch.setattr(timezone, "now", lambda: start + timedelta(seconds=ahead))
    for _ in range(10):
        with pytest.raises(WrongPassword):
            unlock(session, link, "wrong")
    for seconds in (0, 30, 59):  # from the first try on after the clock was put right
        monkeypatch.setattr(timezone, "now", lambda s=seconds: start + timedelta(seconds=s))
        with pytest.raises(TooManyGuesses):
            unlock(session, link, "right")
    monkeypatch.setattr(timezone, "now", lambda: start + timedelta(seconds=60))
    assert unlock(session, link, "right")


def test_unlock__right_guesses_do_not_count(gallery, share):
    link = share(gallery, password="right")
    for _ in range(30):
        assert unlock(SessionStore(), link, "right")


def test_unlock__links_with_one_password_do_not_open_each_other(gallery, share):
    first, second = (share(image, password="same") for image in gallery.images.all())
    session = SessionStore()
    unlock(session, first, "same")
    assert is_unlocked(session, first)
    assert not is_unlocked(session, second)
    assert seen(Viewer(user=AnonymousUser(), links=unlocked_links(session))) == {first.image}


def test_unlock__guesses_at_one_link_leave_others_alone(gallery, share):
    guessed, other = (share(image, password="same") for image in gallery.images.all())
    for _ in range(10):
        with pytest.raises(WrongPassword):
            unlock(SessionStore(), guessed, "wrong")
    assert unlock(SessionStore(), other, "same")


def test_unlock__counts_views_by_sessions(gallery, share):
    link = share(gallery, max_views=2)
    viewers = [guest(link), guest(link)]
    session = SessionStore()
    assert not unlock(session, link)
    assert unlocked_links(session) == ()
    link.refresh_from_db()
    assert (link.views, may_be_unlocked(link)) == (2, False)
    assert all(seen(viewer) for viewer in viewers)  # who was let in stays in


def test_unlock__wrong_guesses_use_up_no_views(gallery, share):
    link = share(gallery, max_views=1, password="right")
    with pytest.raises(WrongPassword):
        unlock(SessionStore(), link, "wrong")
    assert unlock(SessionStore(), link, "right")


@pytest.mark.parametrize("end", ENDS)
def test_unlock__of_a_link_that_ended_meanwhile(gallery, share, end):
    link = share(gallery)
    ENDS[end](ShareLink.objects.get())
    session = SessionStore()
    assert not unlock(session, link)
    assert unlocked_links(session) == ()


def test_unlock__gives_the_session_a_new_key(gallery, share):
    session = SessionStore()
    session["language"] = "de"
    session.save()
    before = session.session_key
    unlock(session, share(gallery))
    assert session.session_key != before
    assert not SessionStore().exists(before)
    assert session["language"] == "de"


def test_unlock__remembers_the_last_twenty(gallery, share):
    session, links = SessionStore(), [share(gallery) for _ in range(22)]
    for link in [*links, links[5]]:
        unlock(session, link)
    assert [known.id for known in unlocked_links(session)] == [
        *[link.pk for link in links[2:] if link != links[5]],
        links[5].pk,
    ]


def test_may_be_unlocked__only_while_its_maker_may_share(gallery, make_user):
    user = make_user("sharer")
    grant = Grant.objects.create(gallery=gallery, user=user, right="share")
    link, _token = create_link(Viewer(user=user), gallery)
    assert may_be_unlocked(link)
    grant.delete()
    assert not may_be_unlocked(link)


def test_unlocked_links__without_a_session():
    assert unlocked_links(None) == ()


@pytest.mark.django_db(transaction=True)
def test_unlock__of_many_guesses_at_once_none_slips_through(make_user, make_gallery):
    """At most ten are told that they were wrong, and no more views are had than there are."""
    owner = make_user("owner")
    viewer, gallery = Viewer(user=owner), make_gallery(owner=owner)
    link, _token = create_link(viewer, gallery, password="right")
    scarce, _token = create_link(viewer, gallery, max_views=3)

    def guess(_number):
        try:
            unlock(SessionStore(), link, "wrong")
        except (WrongPassword, TooManyGuesses) as error:
            return type(error)
        finally:
            connection.close()

    def view(_number):
        try:
            return unlock(SessionStore(), scarce)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(guess, range(40)))
        opened = list(pool.map(view, range(16)))
    assert answers.count(WrongPassword) == 10
    assert answers.count(TooManyGuesses) == 30
    assert sum(opened) == 3


# --- listing and ending -----------------------------------------------------------------------


def test_shared_by__lists_live_links_to_what_one_may_share(gallery, share, owner, make_user):
    image = gallery.images.first()
    live = {share(gallery), share(image)}
    revoked = share(gallery)
    revoke_link(revoked)
    _expire(ended := share(gallery))
    assert set(shared_by(Viewer(user=owner))) == live
    assert set(links_of(Viewer(user=owner))) == live | {revoked, ended}
    assert not shared_by(Viewer(user=make_user("stranger"))).exists()
    assert not shared_by(Viewer(user=AnonymousUser())).exists()
    sharer = make_user("sharer")
    Grant.objects.create(gallery=gallery, user=sharer, right="share")
    assert {link.gallery for link in shared_by(Viewer(user=sharer))} == {gallery}


def test_change_password__lifts_the_rest(gallery, share):
    link = share(gallery, password="old")
    for _ in range(10):
        with pytest.raises(WrongPassword):
            unlock(SessionStore(), link, "wrong")
    change_password(link, "new")
    link.refresh_from_db()
    with pytest.raises(WrongPassword):
        unlock(SessionStore(), link, "old")
    assert unlock(SessionStore(), link, "new")


def test_change_password__counts_views_from_the_start(gallery, share):
    link = share(gallery, max_views=1)
    assert unlock(SessionStore(), link)
    change_password(link, "new")
    link.refresh_from_db()
    assert unlock(SessionStore(), link, "new")
    assert not unlock(SessionStore(), link, "new")


def test_create_link__makes_no_more_live_ones_than_the_settings_allow(
    gallery, share, settings, make_user
):
    """By one person, to one gallery or image: what has ended or is another's is not counted."""
    settings.IMAGES_APP = {"MAX_SHARE_LINKS": 2}
    links = [share(gallery) for _ in range(2)]
    with pytest.raises(TooManyLinks) as caught:
        share(gallery)
    assert "2 share links" in caught.value.public_message % caught.value.params
    assert ShareLink.objects.count() == 2
    image = gallery.images.first()
    share(image)
    other = make_user("other")
    Grant.objects.create(gallery=gallery, user=other, right="share")
    create_link(Viewer(user=other), gallery)
    revoke_link(links[0])
    share(gallery)
    with pytest.raises(TooManyLinks):
        share(gallery)
    _expire(links[1])
    share(gallery)
    settings.IMAGES_APP = {"MAX_SHARE_LINKS": 0}
    share(gallery)


def test_create_link__by_who_may_not_share_tells_nothing_of_others(gallery, make_user, settings):
    settings.IMAGES_APP = {"MAX_SHARE_LINKS": 1}
    with pytest.raises(PermissionDenied):
        create_link(Viewer(user=make_user("stranger")), gallery)


def test_create_link__is_refused_where_the_policy_shows_none(gallery, owner, settings):
    path = "images_app.policies.owner_only.OwnerOnlyPolicy"
    settings.IMAGES_APP = {"POLICY": {"BACKEND": path}}
    with pytest.raises(PermissionDenied):
        create_link(Viewer(user=owner), gallery)


def test_signals__tell_of_links(gallery, share, django_capture_on_commit_callbacks):
    told = []
    kinds = (signals.link_created, signals.link_unlocked, signals.link_revoked)

    def receiver(sender, signal, link, **kwargs):
        told.append((kinds.index(signal), link))

    for signal in kinds:
        signal.connect(receiver)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            link = share(gallery)
            unlock(SessionStore(), link)
            revoke_link(link)
            revoke_link(link)
    finally:
        for signal in kinds:
            signal.disconnect(receiver)
    assert told == [(0, link), (1, link), (2, link)]


# --- watermarks -------------------------------------------------------------------------------


def reached(viewer, level, watermark):
    return set(Image.objects.visible_to(viewer, level, watermark=watermark))


def test_watermark__of_a_link_holds_its_viewers_to_it(gallery, share, settings):
    settings.IMAGES_APP = MARKS
    viewer = guest(share(gallery, watermark="client"))
    images = set(gallery.images.all())
    for level in (PREVIEW, VIEW):
        assert reached(viewer, level, "client") == images
        assert reached(viewer, level, "proof") == set()
        assert reached(viewer, level, "") == set()
    marks = {image.viewer_watermark for image in Image.objects.visible_to(viewer, PREVIEW)}
    assert marks == {"client"}


def test_watermark__of_a_link_reaches_no_further_than_the_link(
    gallery, share, settings, make_gallery
):
    """Not even to what the same viewer sees under another mark."""
    settings.IMAGES_APP = {**MARKS, "WATERMARK_LEVELS": {"view": "proof"}}
    public = make_gallery("Public", visibility="public", images=1)
    viewer = guest(share(gallery, watermark="client"))
    shown, linked = set(public.images.all()), set(gallery.images.all())
    assert reached(viewer, VIEW, "proof") == shown
    assert reached(viewer, VIEW, "client") == linked
    assert reached(viewer, VIEW, "") == set()
    marks = {i: i.viewer_watermark for i in Image.objects.visible_to(viewer, PREVIEW)}
    assert marks == {**dict.fromkeys(shown), **dict.fromkeys(linked, "client")}


def test_watermark__of_a_link_takes_nothing_from_who_has_more(gallery, share, settings, owner):
    settings.IMAGES_APP = MARKS
    links = guest(share(gallery, watermark="client")).links
    viewer, images = Viewer(user=owner, links=links), set(gallery.images.all())
    for mark in ("", "client", "proof"):
        assert reached(viewer, VIEW, mark) == images
    assert {i.viewer_watermark for i in Image.objects.visible_to(viewer)} == {None}


def test_watermark__of_levels(gallery, settings, make_user):
    settings.IMAGES_APP = {**MARKS, "WATERMARK_LEVELS": {"preview": "client", "view": "proof"}}
    images = set(gallery.images.all())
    viewers = {}
    for level in Level:
        viewers[level] = Viewer(user=make_user(level.name))
        Grant.objects.create(gallery=gallery, user=viewers[level].user, level=level)
    expected = {
        # viewer's level: {(asked level, mark)} that they reach
        PREVIEW: {(PREVIEW, "client")},
        VIEW: {(PREVIEW, "client"), (PREVIEW, "proof"), (VIEW, "proof")},
        ORIGINAL: {(level, mark) for level in (PREVIEW, VIEW) for mark in ("", "client", "proof")},
    }
    for own, viewer in viewers.items():
        for level in (PREVIEW, VIEW):
            for mark in ("", "client", "proof"):
                is_expected = (level, mark) in expected[own]
                assert reached(viewer, level, mark) == (images if is_expected else set())


def test_watermark__that_is_no_longer_configured_shows_nothing(gallery, share, settings):
    settings.IMAGES_APP = MARKS
    link, session = share(gallery, watermark="client"), SessionStore()
    unlock(session, link)
    settings.IMAGES_APP = {}
    assert unlocked_links(session) == ()
    assert not may_be_unlocked(link)


def test_unlock__counts_in_the_row_itself(gallery, share):
    """PostgreSQL asks a subquery of an UPDATE not again after it has waited for the row."""
    link, counted = share(gallery, password="right", max_views=1), share(gallery, max_views=1)
    with CaptureQueriesContext(connection) as queries:
        with pytest.raises(WrongPassword):
            unlock(SessionStore(), link, "wrong")
        unlock(SessionStore(), counted)
    updates = [q["sql"] for q in queries if q["sql"].startswith("UPDATE")]
    assert len(updates) == 2
    table = connection.ops.quote_name(ShareLink._meta.db_table)
    for sql, condition in zip(updates, ("wrong_guesses", "views"), strict=True):
        where = sql.partition("WHERE")[2]
        assert condition in where
        assert f"FROM {table}" not in where  # the row is found by no subquery


def test_unlock__the_minute_begins_after_the_hash(gallery, share, monkeypatch):
    link, start = share(gallery, password="right"), timezone.now()
    clock = [start]
    monkeypatch.setattr(timezone, "now", lambda: clock[0])

    def slowly(password, encoded):
        clock[0] += timedelta(seconds=5)
        return False

    monkeypatch.setattr("images_app.sharing.check_password", slowly)
    for _ in range(10):
        with pytest.raises(WrongPassword):
            unlock(SessionStore(), link, "wrong")
    clock[0] = start + timedelta(seconds=109)  # 59 after the last was answered
    with pytest.raises(TooManyGuesses):
        unlock(SessionStore(), link, "wrong")
