"""One line of progress on a terminal; silence where nobody watches."""

from __future__ import annotations

import time
from typing import TextIO

from images_app.management.users import printable

_BAR = 24  # characters
_EVERY = 0.1  # seconds between two drawings


class Progress:
    """Draws ``[####----] 12/49 name`` over itself."""

    def __init__(self, stream: TextIO, total: int) -> None:
        self._stream = stream
        self._total = total
        self._done = 0
        self._drawn_at = 0.0
        self._is_watched = stream.isatty()

    def step(self, name: str, number: int = 1) -> None:
        """Count one more, or so many more, as done."""
        self._done += number
        now = time.monotonic()
        if not self._is_watched or (now - self._drawn_at < _EVERY and self._done < self._total):
            return
        self._drawn_at = now
        filled = _BAR * self._done // max(1, self._total)
        bar = "#" * filled + "-" * (_BAR - filled)
        self._stream.write(f"\r\x1b[K[{bar}] {self._done}/{self._total} {printable(name[:40])}")
        self._stream.flush()

    def clear(self) -> None:
        """Make room for a line of text."""
        if self._is_watched:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
