"""Level, Right, Viewer: the pure values of every authorisation decision."""

from __future__ import annotations

import enum
from dataclasses import dataclass
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
class Viewer:
    """Who is asking: the user of one request, logged in or not; and when, if not now."""

    user: AbstractBaseUser | AnonymousUser
    at: datetime | None = None

    @property
    def is_authenticated(self) -> bool:
        """Whether this viewer is an active, logged-in user."""
        return self.user.is_authenticated and self.user.is_active
