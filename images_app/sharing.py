"""Sharing: who may give what to whom, and share links: make, unlock, revoke."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import PermissionDenied
from django.db.models import Case, F, Q, Value, When
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from images_app.access import Access, Level, Right, UnlockedLink, Viewer
from images_app.conf import get_policy, get_settings
from images_app.database import atomic, database_of, on_commit
from images_app.exceptions import TooManyGuesses, TooManyLinks, WrongPassword
from images_app.models import (
    Gallery,
    GalleryQuerySet,
    ImageQuerySet,
    ShareLink,
    get_image_model,
)
from images_app.models.share_link import REST, ShareLinkQuerySet
from images_app.signals import link_created, link_revoked, link_unlocked

_SESSION_KEY = "images_app_links"
_MOST_UNLOCKED = 20  # links of one session; the oldest goes first
_TOKEN_BYTES = 32
_POINTS_AT = ("gallery", "image", "created_by")
_ALWAYS = datetime(9000, 1, 1)  # noqa: DTZ001 (the databases' end of time is not far behind)


def may_give(viewer: Viewer, obj: Any, access: Access, until: datetime | None) -> bool:
    """Tell whether the viewer may give this access on to others.

    Nobody gives more than they have, or for longer; nor by what a link has lent them. In a
    gallery they need the level on every image, also on those in the trash, which may come back:
    staff may reach galleries whose images they may not see.

    Args:
        viewer: who gives.
        obj: a gallery or an image.
        access: a level or a right.
        until: when it ends; None for never.

    """
    giver = replace(viewer, links=())
    at_the_end = replace(giver, at=until or _end_of_time())
    return all(_has(each, obj, access) for each in (giver, at_the_end))


def shareable_images(viewer: Viewer) -> ImageQuerySet:
    """Answer with the images that the viewer may show to others for good, as by hanging them."""
    giver = replace(viewer, links=())
    rows = ImageQuerySet(get_image_model())
    for_good = rows.visible_to(replace(giver, at=_end_of_time()), Right.SHARE, annotate=False)
    return rows.visible_to(giver, Right.SHARE).filter(pk__in=for_good.order_by().values("pk"))


def _end_of_time() -> datetime:
    return timezone.make_aware(_ALWAYS) if settings.USE_TZ else _ALWAYS


def _has(viewer: Viewer, obj: Any, access: Access) -> bool:
    def reaches(wanted: Access) -> bool:
        queryset = GalleryQuerySet if isinstance(obj, Gallery) else ImageQuerySet
        rows = queryset(type(obj)).visible_to(viewer, wanted, annotate=False)
        return bool(rows.filter(pk=obj.pk).exists())

    if not (reaches(Right.SHARE) and reaches(access)):
        return False
    if not isinstance(obj, Gallery):
        return True
    level = access if isinstance(access, Level) else Level.ORIGINAL  # what a right gives besides
    # Not visible_to, which shows nothing of the trash: what is restored hangs where it hung.
    every = ImageQuerySet(get_image_model())
    reached = get_policy().images(viewer, every, level, annotate=False)
    return not obj.items.exclude(image__in=reached.order_by().values("pk")).exists()


@sensitive_variables("password", "token")
def create_link(  # noqa: PLR0913 (a link has many terms, each with a default)
    viewer: Viewer,
    obj: Any,
    *,
    level: Level = Level.VIEW,
    ends_at: datetime | None = None,
    never_ends: bool = False,
    password: str = "",
    max_views: int | None = None,
    note: str = "",
    watermark: str = "",
) -> tuple[ShareLink, str]:
    """Make a share link to a gallery or an image.

    Args:
        viewer: who shares.
        obj: the gallery or image.
        level: how much it shows.
        ends_at: when it ends; by default after ``SHARE_LINK_DAYS``.
        never_ends: whether it lives until it is revoked.
        password: that must be told to open it; "" for none.
        max_views: how many sessions may unlock it.
        note: for whom.
        watermark: the name of the one in which it shows images; "" for that of the level.

    Returns:
        (link, token): the token belongs into the link's URL, and is known to nobody afterwards.

    Raises:
        PermissionDenied: when the viewer may not share so much for so long.
        ValidationError: for values that make no sense.
        TooManyLinks: when the viewer has as many live ones to it as the settings allow.

    """
    usual_end = timezone.now() + timedelta(days=get_settings().share_link_days)
    end = None if never_ends else ends_at or usual_end
    user: Any = viewer.user
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    link = ShareLink(
        **{"gallery" if isinstance(obj, Gallery) else "image": obj},
        token_hash=_hash(token),
        level=level,
        ends_at=end,
        password=make_password(password) if password else "",
        max_views=max_views,
        note=note,
        watermark=watermark,
        created_by=user if viewer.is_authenticated else None,
    )
    if not (shows_links() and may_give(viewer, obj, level, end)):
        raise PermissionDenied
    # Django would ask a copy whether there are gallery, image and user; the database knows.
    link.full_clean(exclude=_POINTS_AT, validate_constraints=False)
    with atomic(ShareLink):
        _check_number(link)
        link.validate_constraints()
        link.save()
        _announce(link_created, link)
    return link, token


def _check_number(link: ShareLink) -> None:
    """Refuse one more than the settings allow; who shares the same meanwhile waits for this one."""
    limit = get_settings().max_share_links
    if not limit:
        return
    using = database_of(ShareLink)
    subject = link.subject
    rows = type(subject)._base_manager.using(using).select_for_update().filter(pk=subject.pk)
    list(rows.values_list("pk"))  # evaluated, or nothing is locked
    theirs = ShareLink.objects.using(using).live().filter(created_by=link.created_by_id)
    if theirs.filter(gallery=link.gallery_id, image=link.image_id).count() >= limit:
        raise TooManyLinks(limit=limit)


def shows_links() -> bool:
    """Tell whether the policy lets share links show anything."""
    return bool(getattr(get_policy(), "honours_links", False))


def find_link(token: str) -> ShareLink | None:
    """Answer with the live link of a token, None for any other."""
    # With all that its opening is decided by: read on their own, they might come from a copy.
    live = ShareLink.objects.live().select_related(*_POINTS_AT)
    link: ShareLink | None = live.filter(token_hash=_hash(token)).first()
    return link


def find_ended_link(token: str) -> ShareLink | None:
    """Answer with the link of a token that opens nothing any more."""
    return ShareLink.objects.filter(token_hash=_hash(token)).first()


def may_be_unlocked(link: ShareLink) -> bool:
    """Tell whether one more session may open it: its views are not used up, its maker may share.

    Who lost the right to share has lost it for what they gave out, too.
    """
    if link.is_used_up or not _is_shown_so(link.watermark):
        return False
    return _has(Viewer(user=link.created_by), link.subject, Level(link.level))


@sensitive_variables("password")
def unlock(session: SessionBase, link: ShareLink, password: str = "") -> bool:
    """Open a link for a session, and count that as one view.

    Returns:
        False where it is used up, or was revoked meanwhile.

    Raises:
        WrongPassword: and nothing is opened.
        TooManyGuesses: when there were too many of them lately; also for the right one.

    """
    row = ShareLink.objects.live().filter(pk=link.pk, password_version=link.password_version)
    if link.has_password and not row.not_resting(timezone.now()).exists():
        _mend_time(row, timezone.now())
        raise TooManyGuesses
    is_right = not link.has_password or check_password(password, link.password)
    now = timezone.now()  # after the hash, which takes its time
    awake = row.not_resting(now)
    if not is_right:
        # Counted and compared in one statement: of many guesses at once, none slips through.
        raise WrongPassword if _count_wrong(awake, now) else TooManyGuesses
    if not awake.not_used_up().update(views=F("views") + 1, last_view_at=now):
        if link.has_password and not row.not_resting(now).exists():
            raise TooManyGuesses
        return False
    _remember(session, link)
    _announce(link_unlocked, link)
    return True


def _count_wrong(awake: ShareLinkQuerySet, now: datetime) -> bool:
    is_fresh = Q(last_wrong_at__isnull=True) | Q(last_wrong_at__lte=now - REST)
    counted = Case(When(is_fresh, then=Value(1)), default=F("wrong_guesses") + 1)
    return bool(awake.update(wrong_guesses=counted, last_wrong_at=now))


def _mend_time(row: ShareLinkQuerySet, now: datetime) -> None:
    """Have a link rest from now on, where a clock that was ahead would have it rest longer.

    Its wrong guesses still count. Clocks of two servers differ a little, so a little is let be.
    """
    row.filter(last_wrong_at__gt=now + REST).update(last_wrong_at=now)


def _remember(session: SessionBase, link: ShareLink) -> None:
    """Note the link in the session, under a new key: an old one may be known to others."""
    others = [entry for entry in session.get(_SESSION_KEY, []) if entry[0] != link.pk]
    session[_SESSION_KEY] = [
        *others[1 - _MOST_UNLOCKED :],
        [link.pk, link.password_version, link.watermark],
    ]
    if session.session_key is not None:
        session.cycle_key()


def unlocked_links(session: Any) -> tuple[UnlockedLink, ...]:
    """Answer with the links that a session has unlocked; whether they live, the policy asks."""
    entries = session.get(_SESSION_KEY, ()) if session is not None else ()
    return tuple(
        UnlockedLink(id=key, password_version=version, watermark=watermark)
        for key, version, watermark in entries
        if _is_shown_so(watermark)
    )


def _is_shown_so(watermark: str) -> bool:
    """Tell whether a link's watermark is still configured; without it there is nothing to show."""
    return not watermark or watermark in get_settings().watermarks


def is_unlocked(session: Any, link: ShareLink) -> bool:
    """Tell whether the session has opened this link, under its present password."""
    return any(
        (known.id, known.password_version) == (link.pk, link.password_version)
        for known in unlocked_links(session)
    )


def revoke_link(link: ShareLink) -> None:
    """End a link at once, for those who have opened it too."""
    if ShareLink.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=timezone.now()):
        _announce(link_revoked, link)


@sensitive_variables("password")
def change_password(link: ShareLink, password: str) -> None:
    """Give a link another password, or none; who has opened it must open it again.

    Their views are counted from the start: what was used up would open for nobody.
    """
    ShareLink.objects.filter(pk=link.pk).update(
        password=make_password(password) if password else "",
        password_version=F("password_version") + 1,
        views=0,
        wrong_guesses=0,
        last_wrong_at=None,
    )


def shared_by(viewer: Viewer) -> ShareLinkQuerySet:
    """Answer with the live links to all that the viewer may share, newest first."""
    return links_of(viewer).live()


def links_of(viewer: Viewer) -> ShareLinkQuerySet:
    """Answer with all links to what the viewer may share, those that have ended included."""
    visible: dict[str, Callable[..., Any]] = {
        "gallery": GalleryQuerySet(Gallery).visible_to,
        "image": ImageQuerySet(get_image_model()).visible_to,
    }
    theirs = Q()
    for subject, rows in visible.items():
        keys = rows(viewer, Right.SHARE, annotate=False).order_by().values("pk")
        theirs |= Q(**{f"{subject}__in": keys})
    links: ShareLinkQuerySet = ShareLink.objects.filter(theirs)
    return links.select_related("gallery", "image", "created_by")


def _announce(signal: Any, link: ShareLink) -> None:
    on_commit(ShareLink, partial(signal.send_robust, sender=ShareLink, link=link))


def _hash(token: str) -> str:
    """Answer with what is kept of a token; it is long and random, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()
