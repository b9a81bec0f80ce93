"""Listing what is in a storage, one folder after the other."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.files.storage import Storage


def list_folder(storage: Storage, folder: str) -> tuple[list[str], list[str]]:
    """Return the folders and files right below a folder; none where it is absent."""
    try:
        return storage.listdir(folder)
    except FileNotFoundError:  # nothing was stored yet, or the last file went meanwhile
        return [], []


def files_below(storage: Storage, folder: str) -> Iterator[str]:
    """Yield the names of all files in a folder and in those below."""
    folders, files = list_folder(storage, folder)
    yield from (f"{folder}/{name}" for name in files)
    for inner in folders:
        yield from files_below(storage, f"{folder}/{inner}")
