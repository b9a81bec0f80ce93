"""What belongs to one person, and how much of it there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from images_app.database import database_of, on_commit
from images_app.models import (
    AccessEntry,
    Gallery,
    GalleryItem,
    Grant,
    ImageQuerySet,
    ShareLink,
    get_image_model,
)
from images_app.signals import link_revoked


@dataclass(frozen=True, kw_only=True)
class Belongings:
    """How much there is of everything that hangs on one person."""

    images: int  # those in the trash included
    trashed: int
    hung_elsewhere: int  # of these images, in galleries of others
    galleries: int
    grants: int  # that they hold themselves
    links: int  # that they made and nobody has revoked
    entries: int  # of the access log, about them

    @property
    def owns_anything(self) -> bool:
        """Whether somebody must say what becomes of it."""
        return bool(self.images or self.galleries)


def images_of(person: Any) -> QuerySet[Any]:
    """Answer with all images of a person, in the trash too; for None, those that nobody owns.

    What belongs to a record of another model has an owner in that, and is nobody's orphan.
    """
    # The base manager: a host's default one may hide some, and those would be left behind.
    images: QuerySet[Any] = ImageQuerySet(get_image_model()).filter(owner=person)
    return images.filter(host_content_type=None) if person is None else images


def galleries_of(person: Any) -> QuerySet[Any]:
    """Answer with all galleries of a person; for None, those that nobody owns."""
    galleries: QuerySet[Any] = Gallery.objects.filter(owner=person)
    return galleries


def grants_of(person: Any) -> QuerySet[Any]:
    """Answer with the grants that a person holds, not through a group."""
    return Grant.objects.filter(user=person)


def links_of(person: Any) -> QuerySet[Any]:
    """Answer with the share links that a person made, revoked ones too."""
    return ShareLink.objects.filter(created_by=person)


def entries_about(person: Any) -> QuerySet[Any]:
    """Answer with the lines of the access log that name a person."""
    return AccessEntry.objects.filter(user=person)


def count_belongings(person: Any) -> Belongings:
    """Count what a person has, by one query for each kind."""
    images = images_of(person)
    foreign = GalleryItem.objects.filter(image=OuterRef("pk")).exclude(gallery__owner=person)
    return Belongings(
        images=images.count(),
        trashed=images.exclude(trashed_at=None).count(),
        hung_elsewhere=images.filter(Exists(foreign)).count(),
        galleries=galleries_of(person).count(),
        grants=grants_of(person).count(),
        links=links_of(person).filter(revoked_at=None).count(),
        entries=entries_about(person).count(),
    )


def lock_people(people: Sequence[Any]) -> list[Any]:
    """Lock the rows of people until the transaction ends, and answer with them as they are now.

    An image that one of them is adding just then waits for it, so that none slips through. Always
    in the order of the keys, or two such locks could wait for each other.
    """
    model = get_user_model()
    keys = [person.pk for person in people]
    rows = (
        model._base_manager.using(database_of(Gallery))
        .select_for_update()
        .filter(pk__in=keys)
        .order_by("pk")
    )
    found = {row.pk: row for row in rows}
    if missing := [key for key in keys if key not in found]:
        message = f"There is no user with the key {missing[0]} any more."
        raise model.DoesNotExist(message)
    return [found[key] for key in keys]


def revoke_links(links: QuerySet[Any]) -> None:
    """Revoke share links, and announce each when that is certain."""
    now = timezone.now()
    ended = list(links.filter(revoked_at=None))
    links.filter(revoked_at=None).update(revoked_at=now)
    for link in ended:
        link.revoked_at = now
        announce = partial(link_revoked.send_robust, sender=ShareLink, link=link)
        on_commit(ShareLink, announce)
