"""assert_no_leaks: every URL, as every kind of viewer, against what the policy says."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.test import Client

from images_app.models import Gallery, ImageQuerySet, get_image_model
from images_app.models.querysets import WrittenQuerySet
from images_app.testing.addresses import OwnUrls, Subject, gallery_subject, image_subject
from images_app.testing.search import Search

_MOST_IMAGES = 5
_MOST_VIEWERS = 6


def assert_no_leaks(
    client_factory: Callable[[Any], Client],
    *,
    images: Iterable[Any] | None = None,
    viewers: Iterable[Any] | None = None,
    urls: OwnUrls = (),
    most_images: int = _MOST_IMAGES,
    most_viewers: int = _MOST_VIEWERS,
    render: bool = True,
) -> int:
    """Ask for everything as everybody, and compare with what the policy in use says.

    What somebody may see must come; what they may not must look, byte for byte, like what is
    not there. Whatever is private must not be kept by caches for others. Pages must not tell
    of what their viewer cannot open, and no published folder may have the stored files.

    Args:
        client_factory: answers with a client that is logged in as the user, or as nobody
            where it is given None.
        images: to ask for; without, up to ``most_images`` from all over the database. As many
            galleries are taken from there in any case.
        viewers: users, and None for anonymous; without, anonymous, owners, superusers, staff,
            inactive and other users of the database, up to ``most_viewers``.
        urls: your own, each a function from an image to its URL there, or a pair of that and
            the access that it takes (``Level.ORIGINAL`` unless you say so). They are asked by GET
            and HEAD, and may refuse more than the policy does.
        most_images: images, and galleries, that are taken from the database.
        most_viewers: viewers that are taken from the database.
        render: whether renditions are made and bytes sent; without, those who may see an image
            ask for its bytes by If-None-Match alone, which needs no files.

    Returns:
        How many requests were made.

    Raises:
        AssertionError: with one line for each leak; or when there is nothing to ask for.

    """
    own = list(urls)
    all_images = ImageQuerySet(get_image_model()).order_by("trashed_at", "pk")
    images = _sample(all_images, most_images) if images is None else list(images)
    galleries = _sample(Gallery.objects.order_by("visibility", "pk"), most_images)
    viewers = _viewers(images, most_viewers) if viewers is None else list(viewers)
    if not images or not viewers:
        message = "There are no images or no viewers: nothing was asked."
        raise AssertionError(message)
    subjects = [image_subject(image, own) for image in images]
    subjects += [gallery_subject(gallery) for gallery in galleries]
    with _refusals_unlogged():
        return _report(_search(client_factory, viewers, images, subjects, render=render))


def _search(
    client_factory: Callable[[Any], Client],
    viewers: list[Any],
    images: list[Any],
    subjects: list[Subject],
    *,
    render: bool,
) -> list[Search]:
    searches = [Search(client_factory(user), user, render=render) for user in viewers]
    for search in searches:
        search.visit_list()
        for subject in subjects:
            search.visit(subject)
        search.visit_other_methods(subjects[0])
        search.visit_other_methods(subjects[-1])
    for search in searches:  # once all renditions have been made
        for image in images:
            search.visit_stored(image)
    return searches


@contextmanager
def _refusals_unlogged() -> Iterator[None]:
    """Keep Django from logging each of the many refusals: they would hide what matters."""
    logger = logging.getLogger("django.request")
    was_disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was_disabled


def _report(searches: list[Search]) -> int:
    requests = sum(search.requests for search in searches)
    leaks = [leak for search in searches for leak in search.leaks]
    if leaks:
        told = f"{len(leaks)} leaks in {requests} requests of {len(searches)} viewers:"
        raise AssertionError("\n  - ".join([told, *leaks]))
    return requests


def _sample(rows: QuerySet[Any], most: int) -> list[Any]:
    """Take rows from all over, so that the first and the last are among them."""
    keys = list(rows.values_list("pk", flat=True))
    if len(keys) > most:
        step = (len(keys) - 1) / max(1, most - 1)
        keys = [keys[round(number * step)] for number in range(most)]
    found = WrittenQuerySet(rows.model).in_bulk(keys)
    return [found[key] for key in keys]


def _viewers(images: list[Any], most: int) -> list[Any]:
    """Answer with anonymous, and some users of every sort."""
    users = get_user_model()._base_manager.order_by("pk")
    columns = {field.name for field in get_user_model()._meta.concrete_fields}
    owners = users.filter(pk__in=[image.owner_id for image in images if image.owner_id])
    sorts = [owners[:2]]
    for flag, value in (("is_superuser", True), ("is_active", False), ("is_staff", True)):
        if flag in columns:
            sorts.append(users.filter(**{flag: value})[:1])
    found = {user.pk: user for sort in sorts for user in sort}
    found |= {user.pk: user for user in users.exclude(pk__in=found)[:most]}
    return [None, *found.values()][:most]
