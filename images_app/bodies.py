"""Intakes: how much of a body an address takes, noted where it can be asked before reading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

_MARK = "images_app_intake"
_View = TypeVar("_View", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What one address takes of a body."""

    most_bytes: Callable[[], int] | None
    """Of one body; None for as many as uploads may have."""
    takes_multipart: bool = True
    """Whether a form with files, or made like one, is understood."""


FILES = Intake(most_bytes=None)
"""The address takes files."""
NOTHING = Intake(most_bytes=lambda: 0)
"""The address looks at no body, whatever the method."""


def takes(intake: Intake) -> Callable[[_View], _View]:
    """Note what a view takes; ``functools.wraps`` carries it to what is put around the view."""

    def mark(view: _View) -> _View:
        setattr(view, _MARK, intake)
        return view

    return mark


def intake_of(view: object) -> Intake | None:
    """Return what a view takes; None for a view that does not say."""
    found: Intake | None = getattr(view, _MARK, None)
    return found
