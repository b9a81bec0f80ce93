"""The protocol of a policy: it answers with querysets, so that one rule serves file and list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from django.db.models import Model, QuerySet

from images_app.access import Access, Viewer


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One way in which a viewer reaches an image or a gallery."""

    way: str  # "staff", "owner", "visibility", "grant" or "link"; a policy may have others
    access: Access
    through: Model | None = None  # the grant or the link
    gallery: Model | None = None  # where the image hangs, if that is the way


class Policy(Protocol):
    """One rule for one image, for lists, for archives, for an API.

    A policy is handed a queryset and reaches related models through it. It answers with
    the rows that the viewer may reach, each annotated with

    - ``viewer_level``: the best Level (as its number) that this viewer has on the row;
    - ``anyone``: whether somebody who is not logged in would reach it at the same access.

    The annotations are for pages. The bytes of one image need only the filter, and ask with
    ``annotate=False``, which a policy may take as leave to skip work.

    A policy may have ``viewer_kind(viewer)``, and then single images are found faster. Viewers
    of one kind (any hashable value) must get querysets that differ in ``viewer.user.pk``,
    ``viewer.at``, and ids and password versions of ``viewer.links`` alone; besides these, only
    the user's class and ``is_active``, ``is_staff`` and ``is_superuser`` may count. None is for
    those of whom that cannot be said. A subclass that changes ``images`` has no kinds until it
    names them.

    A policy may have ``explain(viewer, obj)``, which answers with the Reasons why a viewer
    reaches an image or a gallery; staff read them. A subclass that changes ``images`` or
    ``galleries`` gives no reasons until it has its own.

    A policy with ``honours_links = True`` counts ``viewer.links``; with any other, nobody is
    offered to make share links.

    What it does not know, it denies. It never makes rows appear twice (EXISTS, not joins).
    """

    def images(
        self, viewer: Viewer, queryset: QuerySet[Any], access: Access, *, annotate: bool = True
    ) -> QuerySet[Any]:
        """Answer with the images that the viewer may reach at least at ``access``."""
        ...

    def galleries(
        self, viewer: Viewer, queryset: QuerySet[Any], access: Access, *, annotate: bool = True
    ) -> QuerySet[Any]:
        """Answer with the galleries that the viewer may reach at least at ``access``."""
        ...

    def may_add(self, viewer: Viewer, gallery: Model) -> bool:
        """Tell whether the viewer may put new images into this gallery."""
        ...
