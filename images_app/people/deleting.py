"""Deleting a user: with everything that hangs on them, in one transaction, or not at all."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.utils.translation import gettext as _

from images_app.database import atomic
from images_app.models import get_image_model
from images_app.people.belongings import (
    Belongings,
    count_belongings,
    entries_about,
    galleries_of,
    grants_of,
    images_of,
    links_of,
    lock_people,
    revoke_links,
)
from images_app.people.handing_over import hand_over

_AT_ONCE = 500  # images that are in memory together


def delete_person(
    person: Any,
    *,
    hand_over_to: Any = None,
    delete_images: bool = False,
    keep_account: bool = False,
    dry_run: bool = False,
) -> Belongings:
    """Delete a user; what they own is handed over or goes as well, and nothing is orphaned.

    Files go after the commit, so that a failure leaves them where they were. Sessions need no
    search: without the user, or with one who is not active, they are nobody's.

    Args:
        person: the user.
        hand_over_to: who gets the images and galleries; None for nobody.
        delete_images: whether images and galleries are deleted instead.
        keep_account: whether the user's row stays, without a password and not active.
        dry_run: whether to count only.

    Returns:
        What there was.

    Raises:
        ValidationError: when nobody has said what becomes of the images, or it cannot be done.
        ProtectedError, RestrictedError: when the host protects something of it.

    """
    with atomic(get_image_model()):
        (person,) = lock_people([person])
        counts = count_belongings(person)
        _refuse_undecided(counts, hand_over_to, delete_images=delete_images)
        if keep_account:
            _refuse_without_field(person)
        if hand_over_to is not None:
            hand_over(person, hand_over_to, dry_run=dry_run)
        if not dry_run:
            _delete_belongings(person)
            _close_account(person) if keep_account else person.delete()
    return counts


def _refuse_undecided(counts: Belongings, hand_over_to: Any, *, delete_images: bool) -> None:
    if hand_over_to is not None and delete_images:
        raise ValidationError(_("Choose one: hand over, or delete."), code="contradiction")
    if counts.owns_anything and hand_over_to is None and not delete_images:
        raise ValidationError(
            _(
                "There are %(images)s images and %(galleries)s galleries: "
                "say who gets them, or that they are deleted."
            ),
            code="undecided",
            params={"images": counts.images, "galleries": counts.galleries},
        )


def _refuse_without_field(person: Any) -> None:
    try:
        person._meta.get_field("is_active")
    except FieldDoesNotExist as error:
        raise ValidationError(
            _("Users cannot be deactivated here: their model has no field is_active."),
            code="no_field",
        ) from error


def _delete_belongings(person: Any) -> None:
    """Delete what the person still owns, and end what they hold or have opened to others."""
    keys = list(images_of(person).values_list("pk", flat=True))
    for start in range(0, len(keys), _AT_ONCE):
        images_of(person).filter(pk__in=keys[start : start + _AT_ONCE]).delete()
    galleries_of(person).delete()
    revoke_links(links_of(person))
    links_of(person).delete()
    grants_of(person).delete()
    entries_about(person).update(user=None)


def _close_account(person: Any) -> None:
    person.is_active = False
    person.set_unusable_password()
    person.save(update_fields=["is_active", "password"])
