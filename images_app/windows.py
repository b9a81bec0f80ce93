"""Windows of time: what is signed within one is the same for everybody, so caches can work."""

from __future__ import annotations

import time
from dataclasses import dataclass

SHORTEST_LIFETIME = 2  # seconds: a window is half of it


@dataclass(frozen=True, kw_only=True)
class Window:
    """Half a lifetime: what is handed out within it works for the other half at least."""

    start: int  # Unix time, as all of them
    stop: int
    expires_at: int


def current_window(lifetime: int) -> Window:
    """Answer with the window of this moment.

    Args:
        lifetime: seconds after which nothing that was handed out works any more.

    """
    length = lifetime // 2
    start = int(time.time() // length) * length
    return Window(start=start, stop=start + length, expires_at=start + lifetime)


def is_current(expires_at: int, lifetime: int) -> bool:
    """Return whether what was handed out still works, and can have been handed out by now.

    What a clock made that was ahead would else work until that clock's time has come.
    """
    now = time.time()
    return now < expires_at <= now + lifetime


def checked_lifetime(lifetime: int) -> int:
    """Answer with a lifetime that can be halved.

    Raises:
        ValueError: when it is too short, or no whole number.

    """
    if type(lifetime) is not int or lifetime < SHORTEST_LIFETIME:
        message = f"lifetime is {lifetime!r}; it must be {SHORTEST_LIFETIME} seconds or more."
        raise ValueError(message)
    return lifetime
