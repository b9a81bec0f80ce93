"""Telling one file or folder that cannot be read from a storage that cannot be asked."""

from __future__ import annotations

from django.core.files.storage import Storage
from django.db import Error

from images_app.reconciling.listing import list_folder

_AWAY = (ConnectionError, TimeoutError, Error)


def goes_on(storage: Storage, error: BaseException | None) -> bool:
    """Return whether a storage still answers after a failure, which then is that file's alone."""
    if isinstance(error, _AWAY):
        return False
    try:
        list_folder(storage, "")
    except Exception:  # noqa: BLE001 (whatever it is, the storage does not answer)
        return False
    return True
