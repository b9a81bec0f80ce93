"""Slots: a process decodes only so many images at once, which bounds memory and processor time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from images_app.conf import get_settings
from images_app.exceptions import Busy


@contextmanager
def decode_slot(patience: float) -> Iterator[None]:
    """Hold one of the places to decode in.

    Args:
        patience: seconds to wait for it.

    Raises:
        Busy: when none became free.

    """
    slots = _slots(get_settings().max_decodes or os.cpu_count() or 1)
    if not slots.acquire(timeout=max(0.0, patience)):
        raise Busy
    try:
        yield
    finally:
        slots.release()


@cache
def _slots(number: int) -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(number)
