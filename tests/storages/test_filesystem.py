"""The private storage: modes, whole files or none, no URLs, names that are kept."""

from __future__ import annotations

import os
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.core.files.base import ContentFile, File

from images_app.storages import PrivateFileSystemStorage


@pytest.fixture
def root(tmp_path):
    return tmp_path / "private" / "images"


@pytest.fixture
def storage(root):
    return PrivateFileSystemStorage(root)


@pytest.fixture
def replacing(root):
    return PrivateFileSystemStorage(root, allow_overwrite=True)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def tree(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


def content_of(storage, name):
    with storage.open(name) as file:
        return file.read()


class Failing(ContentFile):
    """Half of it can be read."""

    def chunks(self, chunk_size=None):
        yield b"half"
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("location", [None, ""])
def test_location__is_required(settings, tmp_path, location):
    settings.MEDIA_ROOT = tmp_path
    with pytest.raises(ImproperlyConfigured, match="location"):
        PrivateFileSystemStorage(location)


def test_location__may_be_text_or_path_and_is_made_when_needed(root):
    for location in (root, str(root)):
        storage = PrivateFileSystemStorage(location)
        assert storage.path("a") == str(root / "a")
    assert not root.exists()


def test_save__keeps_name_and_content(storage):
    assert storage.save("ab/cd.png", ContentFile(b"bytes")) == "ab/cd.png"
    assert content_of(storage, "ab/cd.png") == b"bytes"


def test_save__reads_from_the_start(storage):
    content = ContentFile(b"bytes")
    content.read()
    storage.save("a.png", content)
    assert content_of(storage, "a.png") == b"bytes"


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o027, 0o077, 0o777])
def test_modes__are_for_the_owner_only(storage, root, umask):
    before = os.umask(umask)
    try:
        storage.save("a/b/c.png", ContentFile(b"1"))
    finally:
        os.umask(before)
    assert mode(root / "a" / "b" / "c.png") == 0o600
    assert [mode(folder) for folder in (root / "a" / "b", root / "a", root)] == [0o700] * 3


def test_modes__a_replaced_file_is_as_private(replacing, root):
    replacing.save("a.png", ContentFile(b"1"))
    (root / "a.png").chmod(0o644)
    replacing.save("a.png", ContentFile(b"2"))
    assert mode(root / "a.png") == 0o600


@pytest.mark.parametrize("allow_overwrite", [False, True])
def test_failure__leaves_no_file(root, allow_overwrite):
    storage = PrivateFileSystemStorage(root, allow_overwrite=allow_overwrite)
    with pytest.raises(OSError, match="Input/output"):
        storage.save("a/b.png", Failing(b""))
    assert not [name for name in tree(root) if not (root / name).is_dir()]


def test_failure__leaves_the_old_file_as_it_was(replacing, root):
    replacing.save("a.png", ContentFile(b"old"))
    with pytest.raises(OSError, match="Input/output"):
        replacing.save("a.png", Failing(b""))
    assert tree(root) == ["a.png"]
    assert content_of(replacing, "a.png") == b"old"


@pytest.mark.parametrize("step", ["link", "fsync"])
def test_failure__of_the_disk_leaves_no_partial_file(storage, root, monkeypatch, step):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space"):
        storage.save("a.png", ContentFile(b"1"))
    assert tree(root) == []


def test_save__nobody_sees_the_name_before_the_bytes_are_there(storage, root):
    seen = []

    class Watching(ContentFile):
        def chunks(self, chunk_size=None):
            yield b"first"
            seen.extend(path.name for path in root.iterdir())
            yield b"second"

    storage.save("a.png", Watching(b""))
    assert len(seen) == 1
    assert seen[0].startswith(".partial-")
    assert tree(root) == ["a.png"]


def test_save__is_flushed_to_disk_with_its_name(storage, monkeypatch):
    kinds, real = [], os.fsync

    def watch(descriptor):
        kinds.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    storage.save("a.png", ContentFile(b"1"))
    assert kinds == [False, True]


def test_overwriting__is_off_by_default(storage, root):
    storage.save("a.png", ContentFile(b"1"))
    other = storage.save("a.png", ContentFile(b"2"))
    assert other != "a.png"
    assert Path(other).suffix == ".png"
    assert (content_of(storage, "a.png"), content_of(storage, other)) == (b"1", b"2")
    assert len(tree(root)) == 2


def test_overwriting__a_name_taken_in_the_last_moment_is_not_replaced(storage, root):
    class Racing(ContentFile):
        def chunks(self, chunk_size=None):
            (root / "a.png").write_bytes(b"faster")
            yield b"slower"

    name = storage.save("a.png", Racing(b""))
    assert name != "a.png"
    assert (root / "a.png").read_bytes() == b"faster"
    assert content_of(storage, name) == b"slower"
    assert len(tree(root)) == 2


def test_overwriting__where_allowed_replaces_at_once(replacing, root):
    replacing.save("a.png", ContentFile(b"1"))
    with replacing.open("a.png") as reader:
        assert replacing.save("a.png", ContentFile(b"2")) == "a.png"
        assert reader.read() == b"1"  # who reads the old file may finish
    assert content_of(replacing, "a.png") == b"2"
    assert tree(root) == ["a.png"]


def test_url__is_refused(storage):
    for name in ("a.png", "", None):
        with pytest.raises(ValueError, match="private"):
            storage.url(name)


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "a/../../b.png"])
def test_names__outside_of_the_folder_are_refused(storage, root, name):
    with pytest.raises(SuspiciousFileOperation):
        storage.save(name, ContentFile(b"1"))
    with pytest.raises(SuspiciousFileOperation):
        storage.open(name)
    with pytest.raises(SuspiciousFileOperation):
        storage.delete(name)
    assert not root.exists()


def test_delete__removes_the_folders_that_it_leaves_empty(storage, root):
    for name in ("a/b/1.png", "a/b/2.png", "a/3.png"):
        storage.save(name, ContentFile(b"1"))
    storage.delete("a/b/1.png")
    assert tree(root) == ["a", "a/3.png", "a/b", "a/b/2.png"]
    storage.delete("a/b/2.png")
    assert tree(root) == ["a", "a/3.png"]
    storage.delete("a/3.png")
    assert tree(root) == []
    assert root.is_dir()


def test_delete__of_the_folder_itself_goes_no_higher(storage, root):
    storage.save("a.png", ContentFile(b"1"))
    storage.delete("a.png")
    storage.delete(".")
    assert root.parent.is_dir()


@pytest.mark.parametrize("name", ["a.png", "b/a.png"])
def test_delete__of_what_is_not_there_is_no_error(storage, name):
    storage.delete(name)


def test_delete__then_save_again(storage):
    storage.save("a/b.png", ContentFile(b"1"))
    storage.delete("a/b.png")
    assert not storage.exists("a/b.png")
    assert storage.save("a/b.png", ContentFile(b"2")) == "a/b.png"


def test_folder__that_vanishes_in_between_is_made_again(storage, root, monkeypatch):
    real, tries = tempfile.NamedTemporaryFile, []

    def vanish(**kwargs):
        tries.append(kwargs)
        if len(tries) == 1:
            Path(kwargs["dir"]).rmdir()
        return real(**kwargs)

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", vanish)
    assert storage.save("a/b.png", ContentFile(b"1")) == "a/b.png"
    assert len(tries) == 2
    assert tree(root) == ["a", "a/b.png"]


def test_folder__that_always_vanishes_is_an_error(storage, monkeypatch):
    tries = []

    def vanish(**kwargs):
        tries.append(kwargs)
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", vanish)
    with pytest.raises(FileNotFoundError):
        storage.save("a/b.png", ContentFile(b"1"))
    assert len(tries) == 5


def at_once(work, number=8):
    barrier = Barrier(number)

    def start(index):
        barrier.wait()
        return work(index)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(start, range(number)))


def test_concurrency__the_same_name_is_given_once(storage, root):
    names = at_once(lambda i: storage.save("x/a.png", ContentFile(str(i).encode() * 10_000)))
    assert len(set(names)) == 8
    assert "x/a.png" in names
    for index, name in enumerate(names):
        assert content_of(storage, name) == str(index).encode() * 10_000
    assert len(tree(root)) == 1 + 8


def test_concurrency__overwriting_leaves_one_whole_file(replacing, root):
    names = at_once(lambda i: replacing.save("x/a.png", ContentFile(str(i).encode() * 10_000)))
    assert set(names) == {"x/a.png"}
    assert tree(root) == ["x", "x/a.png"]
    content = content_of(replacing, "x/a.png")
    assert content == content[:1] * 10_000


def test_concurrency__saving_and_deleting_in_one_folder(storage):
    def work(index):
        for turn in range(20):
            name = storage.save(f"x/y/{index}-{turn}.png", ContentFile(b"1"))
            storage.delete(name)
        return storage.save(f"x/y/{index}.png", ContentFile(b"1"))

    assert sorted(at_once(work)) == [f"x/y/{index}.png" for index in range(8)]


def test_storage__can_be_written_into_a_migration(root):
    path, args, kwargs = PrivateFileSystemStorage(root, allow_overwrite=True).deconstruct()
    assert path == "images_app.storages.PrivateFileSystemStorage"
    assert (args, kwargs) == ((root,), {"allow_overwrite": True})


def test_open__reads_without_loading_everything(storage):
    storage.save("a.png", File(ContentFile(b"0123456789")))
    with storage.open("a.png", "rb") as file:
        file.seek(4)
        assert file.read(3) == b"456"


def test_group_readable__gives_the_group_to_read_and_no_more(tmp_path):
    root = tmp_path / "private"
    storage = PrivateFileSystemStorage(root, group_readable=True)
    before = os.umask(0o077)
    try:
        storage.save("a/b/c.png", ContentFile(b"x"))
    finally:
        os.umask(before)
    assert mode(root / "a" / "b" / "c.png") == 0o640
    assert [mode(folder) for folder in (root / "a" / "b", root / "a", root)] == [0o2750] * 3
