"""Files in the database: whole or not at all, chunk by chunk, never all of it in memory."""

from __future__ import annotations

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile, File
from django.core.management import call_command
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.signals import post_delete
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from PIL import Image

from images_app.contrib.dbstorage.models import NAME_LENGTH, StoredChunk, StoredFile
from images_app.contrib.dbstorage.storage import CHUNK_SIZE, DatabaseStorage
from tests.databases import connection
from tests.pictures import upload

pytestmark = pytest.mark.django_db
CONTENT = bytes(range(251)) * (3 * CHUNK_SIZE // 251 + 7)
TOTAL = len(CONTENT)
close_if_unusable_or_obsolete = BaseDatabaseWrapper.close_if_unusable_or_obsolete


@pytest.fixture
def storage():
    return DatabaseStorage()


@pytest.fixture
def replacing():
    return DatabaseStorage(allow_overwrite=True)


class Dripping(ContentFile):
    """Gives a little at a time, as a socket does."""

    def chunks(self, chunk_size=None):
        content = self.read()
        yield from (content[start : start + 1000] for start in range(0, len(content), 1000))


class Failing(ContentFile):
    """Half of it can be read."""

    def chunks(self, chunk_size=None):
        yield bytes(CHUNK_SIZE + 1)
        raise OSError(5, "Input/output error")


class Long(File):
    """Many megabytes, made as they are read."""

    size = 16 * 2**20

    def chunks(self, chunk_size=None):
        yield from (bytes(chunk_size) for _ in range(self.size // chunk_size))


def content_of(storage, name):
    with storage.open(name) as file:
        return file.read()


@pytest.mark.parametrize(
    "length", [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE, TOTAL]
)
@pytest.mark.parametrize("kind", [ContentFile, Dripping])
def test_save__comes_back_whole_in_even_chunks(storage, kind, length):
    name = storage.save("a/b.png", kind(CONTENT[:length]))
    assert (name, content_of(storage, name)) == ("a/b.png", CONTENT[:length])
    assert storage.size(name) == length
    numbers = StoredChunk.objects.order_by("number").values_list("number", flat=True)
    assert list(numbers) == list(range(-(-length // CHUNK_SIZE)))


def test_save__takes_another_name_for_a_taken_one(storage):
    first = storage.save("a.png", ContentFile(b"first"))
    second = storage.save("a.png", ContentFile(b"second"))
    assert first != second
    assert (content_of(storage, first), content_of(storage, second)) == (b"first", b"second")


def test_save__takes_another_name_when_another_was_faster(storage, monkeypatch):
    storage.save("a.png", ContentFile(b"first"))
    names = iter(["a.png", "a_2.png"])
    monkeypatch.setattr(storage, "get_available_name", lambda name, max_length=None: next(names))
    assert storage.save("a.png", ContentFile(b"second")) == "a_2.png"
    assert content_of(storage, "a.png") == b"first"
    assert content_of(storage, "a_2.png") == b"second"


def test_save__gives_up_where_the_name_is_always_taken(storage, monkeypatch):
    storage.save("a.png", ContentFile(b"first"))
    monkeypatch.setattr(storage, "get_available_name", lambda name, max_length=None: name)
    with pytest.raises(OSError, match="taking the name"):
        storage.save("a.png", ContentFile(b"second"))


def test_save__replaces_where_allowed(replacing):
    for content in (CONTENT, b"second"):
        assert replacing.save("a.png", ContentFile(content)) == "a.png"
    assert content_of(replacing, "a.png") == b"second"
    assert (StoredFile.objects.count(), StoredChunk.objects.count()) == (1, 1)


@pytest.mark.parametrize("allow_overwrite", [False, True])
def test_save__that_fails_leaves_all_as_it_was(allow_overwrite):
    storage = DatabaseStorage(allow_overwrite=allow_overwrite)
    storage.save("a.png", ContentFile(b"first"))
    with pytest.raises(OSError, match="Input/output"):
        storage.save("a.png", Failing(b""))
    assert content_of(storage, "a.png") == b"first"
    assert (StoredFile.objects.count(), StoredChunk.objects.count()) == (1, 1)


@contextmanager
def peak_of_memory():
    """Fill a list with the most bytes that were held within."""
    peak = []
    tracemalloc.start()
    try:
        yield peak
        peak.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def test_memory__neither_saving_nor_reading_holds_the_whole(storage):
    with peak_of_memory() as peak:
        storage.save("long.png", Long(None))
        with storage.open("long.png") as file:
            length = sum(len(block) for block in iter(lambda: file.read(65536), b""))
    assert length == Long.size
    assert peak[0] < 8 * CHUNK_SIZE


@pytest.mark.parametrize(
    ("start", "stop", "chunks"),
    [
        (0, 1, 1),
        (CHUNK_SIZE - 10, CHUNK_SIZE, 1),
        (CHUNK_SIZE - 10, CHUNK_SIZE + 10, 2),
        (2 * CHUNK_SIZE, 3 * CHUNK_SIZE, 1),
        (TOTAL - 5, TOTAL, 1),
        (0, TOTAL, 4),
    ],
)
def test_open_range__fetches_the_chunks_that_are_needed(storage, start, stop, chunks):
    name = storage.save("a.png", ContentFile(CONTENT))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        with closing(storage.open_range(name, start, stop)) as file:
            assert len(queries) == 1
            left, blocks = stop - start, []
            while left:
                blocks.append(file.read(min(left, 1000)))
                left -= len(blocks[-1])
        assert b"".join(blocks) == CONTENT[start:stop]
    assert len(queries) == 1 + chunks


def test_open_range__of_nothing_is_one_query(storage):
    name = storage.save("a.png", ContentFile(b""))
    with (
        CaptureQueriesContext(connection) as queries,
        closing(storage.open_range(name, 0, 0)) as file,
    ):
        assert file.read(1) == b""
    assert len(queries) == 1


@pytest.mark.parametrize("way", ["open", "open_range"])
def test_reading__can_seek(storage, way):
    name = storage.save("a.png", ContentFile(CONTENT))
    with storage.open(name) if way == "open" else storage.open_range(name, 0, TOTAL) as file:
        assert file.seek(-5, 2) == TOTAL - 5
        assert file.read() == CONTENT[-5:]
        assert file.seek(TOTAL + 9) == TOTAL + 9
        assert file.read() == b""
        file.seek(CHUNK_SIZE - 1)
        file.seek(1, 1)
        assert (file.tell(), file.read(3)) == (CHUNK_SIZE, CONTENT[CHUNK_SIZE : CHUNK_SIZE + 3])
        with pytest.raises((ValueError, OSError), match=r"negative|Invalid"):
            file.seek(-1)
    with storage.open(name) as file:
        assert file.size == TOTAL


def test_open__is_read_by_pillow(storage):
    name = storage.save("a.png", upload("a.png", size=(40, 30)))
    with storage.open(name) as file, Image.open(file) as image:
        image.load()
        assert image.size == (40, 30)


@pytest.mark.parametrize("mode", ["wb", "r", "rb+"])
def test_open__is_for_reading_bytes_only(storage, mode):
    with pytest.raises(ValueError, match="rb"):
        storage.open("a", mode)


@pytest.mark.parametrize("happens", ["delete", "save"])
def test_open__has_the_whole_whatever_happens_later(replacing, happens):
    name = replacing.save("a.png", ContentFile(CONTENT))
    with replacing.open(name) as file:
        if happens == "delete":
            replacing.delete(name)
        else:
            replacing.save(name, ContentFile(bytes(TOTAL)))
        assert file.read() == CONTENT


@pytest.mark.parametrize("happens", ["delete", "save"])
def test_reading__a_file_that_goes_meanwhile_is_an_error_and_no_mixture(replacing, happens):
    name = replacing.save("a.png", ContentFile(CONTENT))
    with replacing.open_range(name, 0, TOTAL) as file:
        assert file.read(10) == CONTENT[:10]
        if happens == "delete":
            replacing.delete(name)
        else:
            replacing.save(name, ContentFile(bytes(TOTAL)))
        with pytest.raises(OSError, match="while it was read"):
            file.read()


@pytest.mark.django_db(transaction=True)
def test_reading__from_several_threads_leaves_no_connection_behind(storage, monkeypatch):
    monkeypatch.setattr(
        BaseDatabaseWrapper, "close_if_unusable_or_obsolete", close_if_unusable_or_obsolete
    )
    name = storage.save("a.png", ContentFile(CONTENT))
    file = storage.open_range(name, 0, TOTAL)
    meet = threading.Barrier(2)

    def read(_):
        meet.wait()  # two threads really
        with lock:
            block = file.read(CHUNK_SIZE)
        return block, connection.connection, threading.get_ident()

    lock = threading.Lock()
    blocks = [file.read(CHUNK_SIZE)]
    assert connection.connection is not None
    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(read, range(2)), key=lambda answer: CONTENT.index(answer[0]))
    file.close()
    blocks += [block for block, _, _ in answers]
    assert b"".join(blocks) == CONTENT[: 3 * CHUNK_SIZE]
    assert [left for _, left, _ in answers] == [None, None]
    assert len({thread for _, _, thread in answers} | {threading.get_ident()}) == 3


READERS = {
    "size": lambda storage, name: storage.size(name),
    "open": lambda storage, name: storage.open(name),
    "open_range": lambda storage, name: storage.open_range(name, 0, 10),
    "open_range of nothing": lambda storage, name: storage.open_range(name, 0, 0),
    "get_created_time": lambda storage, name: storage.get_created_time(name),
    "get_modified_time": lambda storage, name: storage.get_modified_time(name),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_absent__is_file_not_found(storage, read):
    with pytest.raises(FileNotFoundError):
        read(storage, "no/such.png")


@pytest.mark.parametrize("location", ["", "below"])
@pytest.mark.parametrize("name", ["../x.png", "a/../x.png", "/etc/x.png", "..", "", r"..\x.png"])
def test_names__that_lead_out_are_refused(location, name):
    storage = DatabaseStorage(location=location)
    for call in (*READERS.values(), DatabaseStorage.exists, DatabaseStorage.delete):
        with pytest.raises(SuspiciousFileOperation):
            call(storage, name)
    if name:
        with pytest.raises(SuspiciousFileOperation):
            storage.save(name, ContentFile(b"x"))
    assert not StoredFile.objects.exists()


def test_names__that_are_too_long_are_cut(storage):
    name = storage.save("x" * 300 + ".png", ContentFile(b"x"))
    assert len(name) == NAME_LENGTH
    assert name.endswith(".png")
    other = DatabaseStorage(location="below").save("x" * 300 + ".png", ContentFile(b"x"))
    assert len(f"below/{other}") == NAME_LENGTH


def test_location__keeps_storages_apart(storage):
    one, two = DatabaseStorage(location="one"), DatabaseStorage(location="/two/")
    for each in (one, two):
        assert each.save("a.png", ContentFile(each._prefix.encode())) == "a.png"
    assert content_of(one, "a.png") == b"one/"
    one.delete("a.png")
    assert (one.exists("a.png"), content_of(two, "a.png")) == (False, b"two/")
    assert storage.listdir("") == (["two"], [])
    assert two.listdir("") == ([], ["a.png"])


def test_listdir__has_what_is_right_below(storage):
    for name in ("a/1/x.png", "a/1/y.png", "a/2/x.png", "a/z.png", "A/q.png", "ab.png"):
        storage.save(name, ContentFile(b"x"))
    assert storage.listdir("") == (["A", "a"], ["ab.png"])
    assert storage.listdir("a") == (["1", "2"], ["z.png"])
    assert storage.listdir("a/1/") == ([], ["x.png", "y.png"])
    assert storage.listdir("none") == ([], [])


def test_delete__takes_the_chunks_along_and_may_be_repeated(storage):
    for name in ("a.png", "b.png"):
        storage.save(name, ContentFile(CONTENT))
    storage.delete("a.png")
    storage.delete("a.png")
    assert (storage.exists("a.png"), storage.exists("b.png")) == (False, True)
    assert StoredChunk.objects.count() == 4
    assert content_of(storage, "b.png") == CONTENT


def test_delete__reads_no_bytes_for_who_listens_to_every_deletion(storage):
    def listen(sender, **kwargs):
        pass

    name = storage.save("long.png", Long(None))
    post_delete.connect(listen)
    try:
        with peak_of_memory() as peak:
            storage.delete(name)
    finally:
        post_delete.disconnect(listen)
    assert peak[0] < 8 * CHUNK_SIZE
    assert not StoredChunk.objects.exists()


def test_times__are_when_it_was_saved(storage):
    before = timezone.now()
    name = storage.save("a.png", ContentFile(b"x"))
    assert before <= storage.get_created_time(name) <= timezone.now()
    assert storage.get_modified_time(name) == storage.get_created_time(name)


def test_url__is_refused(storage):
    with pytest.raises(ValueError, match="private"):
        storage.url("a.png")


def test_migrations__have_no_drift(capsys):
    call_command("makemigrations", "images_app_dbstorage", "--check", "--dry-run")
