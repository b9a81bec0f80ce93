"""Deleting stored files whose records are gone, or were never made."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.core.files.storage import storages

logger = logging.getLogger("images_app.storages")


def delete_stored(stored: Iterable[tuple[str, str]]) -> None:
    """Delete files, each as (alias, name).

    What a storage refuses is logged and stays, for ``images_reconcile`` to find; the others go.
    """
    for alias, name in stored:
        try:
            storages[alias].delete(name)
        except Exception:
            logger.exception("code=not_deleted storage=%s", alias)
