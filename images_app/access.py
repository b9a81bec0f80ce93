"""Level, Right, Viewer: the pure values of every authorisation decision."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser


class Level(enum.IntEnum):
    """How much of an image a viewer may see, on one ordered scale (stored as these numbers)."""

    PREVIEW = 10
    VIEW = 20
    ORIGINAL = 30


class Right(enum.Enum):
    """What a viewer may do. Each implies ORIGINAL; rights have no order, so ``<`` raises."""

    CHANGE = "change"
    SHARE = "share"
    DELETE = "delete"


Access: TypeAlias = Level | Right


@dataclass(frozen=True, kw_only=True)
class UnlockedLink:
    """A share link that somebody has opened: which one, and under which of its passwords."""

    id: int
    password_version: int
    watermark: str = ""  # the name of the only one in which it shows images; "" for none


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Who is asking: a user, logged in or not, and the share links unlocked in their session.

    ``at`` is when, if not now.
    """

    user: AbstractBaseUser | AnonymousUser
    at: datetime | None = None
    links: tuple[UnlockedLink, ...] = ()

    @property
    def is_authenticated(self) -> bool:
        """Whether this viewer is an active, logged-in user."""
        return self.user.is_authenticated and self.user.is_active

    @property
    def watermarks(self) -> tuple[str, ...]:
        """The watermarks of this viewer's links, each once."""
        return tuple(dict.fromkeys(link.watermark for link in self.links if link.watermark))

    def with_links_marked(self, *watermarks: str) -> Viewer:
        """Answer with the same viewer, but only the links that show images so marked."""
        kept = tuple(link for link in self.links if link.watermark in watermarks)
        return replace(self, links=kept)
