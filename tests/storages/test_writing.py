"""Saving under exactly one name."""

from __future__ import annotations

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage

from images_app.storages import PrivateFileSystemStorage, save_exactly


class RenamingStorage(InMemoryStorage):
    """Keeps no name."""

    def get_available_name(self, name, max_length=None):
        return super().get_available_name(f"other-{name}", max_length)


STORAGES = {
    "renames when taken": FileSystemStorage,
    "renames when taken, in memory": lambda folder: InMemoryStorage(),
    "private": PrivateFileSystemStorage,
    "private, overwrites": lambda folder: PrivateFileSystemStorage(folder, allow_overwrite=True),
}


@pytest.fixture(params=STORAGES)
def storage(request, tmp_path):
    return STORAGES[request.param](tmp_path / "storage")


@pytest.mark.parametrize("times", [1, 2, 3])
def test_save_exactly__the_last_one_stands_alone(storage, times):
    for number in range(times):
        save_exactly(storage, "a/b.png", ContentFile(f"content {number}".encode()))
    assert storage.listdir("a") == ([], ["b.png"])
    with storage.open("a/b.png") as file:
        assert file.read() == f"content {times - 1}".encode()


def test_save_exactly__a_storage_that_keeps_no_name_is_refused_and_left_clean():
    storage = RenamingStorage()
    with pytest.raises(OSError, match="RenamingStorage does not keep the names"):
        save_exactly(storage, "b.png", ContentFile(b"1"))
    assert storage.listdir("") == ([], [])
