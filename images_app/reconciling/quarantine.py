"""The quarantine: originals that no record names wait in it for a while before they go for good.

It is a folder in the storage that they are in, with one folder for each day on which something
was put there. What a record names again is brought back from it, by its name.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

from django.core.files.storage import Storage, storages
from django.utils import timezone

from images_app.conf import get_settings
from images_app.models import ImageQuerySet, get_image_model
from images_app.reconciling.listing import files_below, list_folder
from images_app.storages import rename

FOLDER = ".images-app-quarantine"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def is_in_quarantine(name: str) -> bool:
    """Return whether a stored name is in the quarantine, of this storage or of one inside."""
    return FOLDER in name.split("/")[:-1]


def put_away(storage: Storage, name: str) -> None:
    """Put a file into the quarantine of its storage."""
    rename(storage, name, f"{FOLDER}/{timezone.now().date().isoformat()}/{name}")


def find(storage: Storage, name: str) -> str | None:
    """Return where a file lies in the quarantine, None where it does not."""
    for day in reversed(_days(storage)):
        if storage.exists(there := f"{FOLDER}/{day}/{name}"):
            return there
    return None


def bring_back(storage: Storage, name: str) -> bool:
    """Give a file in the quarantine its name again, and return whether it was there."""
    there = find(storage, name)
    if there is None:
        return False
    rename(storage, there, name)
    return True


def delete_expired(alias: str) -> int:
    """Delete for good what has been in quarantine for ``QUARANTINE_DAYS``.

    Returns:
        How many files have gone.

    """
    storage = storages[alias]
    gone = 0
    limit = timezone.now().date() - dt.timedelta(days=get_settings().quarantine_days)
    for day in _days(storage):
        if dt.date.fromisoformat(day) <= limit:
            for name in list(files_below(storage, f"{FOLDER}/{day}")):
                if not _is_recorded(alias, name):  # a record may have come back meanwhile
                    storage.delete(name)
                    gone += 1
    return gone


def _is_recorded(alias: str, name: str) -> bool:
    original = name.split("/", 2)[2]  # behind the folder and the day
    rows = ImageQuerySet(get_image_model())
    return rows.filter(storage_alias=alias, storage_name=original).exists()


def count(storage: Storage) -> int:
    """Return how many files are in quarantine."""
    return sum(1 for _name in _contents(storage))


def _contents(storage: Storage) -> Iterator[str]:
    for day in _days(storage):
        yield from files_below(storage, f"{FOLDER}/{day}")


def _days(storage: Storage) -> list[str]:
    """Return the names of the days, the earliest first; what is called otherwise is not ours."""
    return sorted(day for day in list_folder(storage, FOLDER)[0] if _is_day(day))


def _is_day(name: str) -> bool:
    if not _DAY.fullmatch(name):
        return False
    try:
        dt.date.fromisoformat(name)
    except ValueError:
        return False
    return True
