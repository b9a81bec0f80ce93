"""Handing over: galleries and images change their owner, and what that makes needless ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from images_app.database import atomic
from images_app.models import Gallery, GalleryItem, Grant
from images_app.people.belongings import (
    galleries_of,
    images_of,
    links_of,
    lock_people,
    revoke_links,
)


@dataclass(frozen=True, kw_only=True)
class HandedOver:
    """How much changed hands, and what ended with that."""

    images: int
    galleries: int
    grants: int  # held on it by either of the two, which are gone
    links: int  # to it, made by the giver: revoked, or the taker's where they are kept


@dataclass(frozen=True, kw_only=True)
class _Scope:
    """The rows that a handing over is about."""

    images: QuerySet[Any]
    galleries: QuerySet[Any]
    grants: QuerySet[Any]
    links: QuerySet[Any]

    def count(self) -> HandedOver:
        return HandedOver(
            images=self.images.count(),
            galleries=self.galleries.count(),
            grants=self.grants.count(),
            links=self.links.filter(revoked_at=None).count(),
        )


def hand_over(
    giver: Any,
    taker: Any,
    *,
    gallery: Gallery | None = None,
    with_images: bool = True,
    keep_links: bool = False,
    dry_run: bool = False,
) -> HandedOver:
    """Make one person the owner of what another has, in one transaction.

    Grants that either of them holds on it go: the owner needs none, and who was the owner keeps
    no way in. What the giver was granted elsewhere stays.

    Args:
        giver: a user; None for what nobody owns.
        taker: an active user.
        gallery: the one gallery of the giver's that is meant; None for all they have.
        with_images: whether the giver's images in that gallery go along.
        keep_links: whether the giver's share links to it become the taker's and go on, instead
            of being revoked.
        dry_run: whether to count only.

    Raises:
        ValidationError: when the taker may not be it.

    """
    with atomic(Gallery):
        people = lock_people([taker] if giver is None else [taker, giver])
        _refuse_unfit(*people)
        scope = _scope(giver, taker, gallery, with_images=with_images)
        counts = scope.count()
        if not dry_run:
            _apply(scope, taker, keep_links=keep_links)
    return counts


def _refuse_unfit(taker: Any, giver: Any = None) -> None:
    if taker == giver:
        raise ValidationError(_("Nobody can hand over to themselves."), code="same_person")
    if not taker.is_active:
        raise ValidationError(
            _("%(name)s is not active and can own nothing new."),
            code="inactive",
            params={"name": taker.get_username()},
        )


def _scope(giver: Any, taker: Any, gallery: Gallery | None, *, with_images: bool) -> _Scope:
    images, galleries = images_of(giver), galleries_of(giver)
    if gallery is not None:
        galleries = galleries.filter(pk=gallery.pk)
        hung = GalleryItem.objects.filter(gallery=gallery.pk).order_by().values("image")
        images = images.filter(pk__in=hung) if with_images else images.none()
    on_them = Q(image__in=images.values("pk")) | Q(gallery__in=galleries.values("pk"))
    holders = [person.pk for person in (giver, taker) if person is not None]
    return _Scope(
        images=images,
        galleries=galleries,
        grants=Grant.objects.filter(on_them, user__in=holders),
        links=links_of(giver).filter(on_them),
    )


def _apply(scope: _Scope, taker: Any, *, keep_links: bool) -> None:
    """Change the owners last: by them is found what the rest is about."""
    scope.grants.delete()
    if keep_links:
        scope.links.update(created_by=taker.pk)
    else:
        revoke_links(scope.links)
    scope.images.update(owner=taker.pk)
    scope.galleries.update(owner=taker.pk)
