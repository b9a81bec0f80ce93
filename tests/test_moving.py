"""Moving originals while they are looked at: no wrong answer, no byte lost, whatever happens."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client

from images_app import moving, ownership
from images_app.contrib.dbstorage.models import StoredChunk, StoredFile
from images_app.ingest import checksum_of
from images_app.models import Image
from images_app.moving import Mover, in_batches, originals_elsewhere
from images_app.ownership import is_mark
from images_app.renditions import rendition_url
from tests.databases import DATABASE, connection
from tests.pictures import upload

pytestmark = pytest.mark.django_db(transaction=True)
TABLE = "images_app.contrib.dbstorage.storage.DatabaseStorage"
FOLDER = "images_app.storages.PrivateFileSystemStorage"


@pytest.fixture(autouse=True)
def aliases(settings, tmp_path):
    settings.STORAGES = {
        **settings.STORAGES,
        "images": {"BACKEND": FOLDER, "OPTIONS": {"location": tmp_path / "images"}},
        "archive": {"BACKEND": TABLE, "OPTIONS": {"location": "archive"}},
    }


@pytest.fixture
def mover():
    ownership._seen.add("archive")  # so that the files there are the originals alone
    return Mover("archive", grace=0)


def fresh(image):
    return Image.objects.get(pk=image.pk)


def is_whole(image):
    row = fresh(image)
    with storages[row.storage_alias].open(row.storage_name) as file:
        return checksum_of(file) == row.checksum


def test_move__copies_records_and_deletes(make_image, mover, files):
    image = make_image()
    moved = mover.move(image)
    assert (moved.problem, moved.is_failure) == ("", False)
    row = fresh(image)
    assert (row.storage_alias, row.storage_name) == ("archive", image.storage_name)
    assert (row.version, row.updated_at) == (image.version, image.updated_at)
    assert is_whole(image)
    assert (files(), mover.left) == ([f"images/{image.storage_name}"], 1)
    mover.sweep()
    assert (files(), mover.left) == ([], 0)


def test_move__takes_another_name_for_a_taken_one(make_image, mover):
    image = make_image()
    storages["archive"].save(image.storage_name, ContentFile(b"left by a run that was killed"))
    assert not mover.move(image).problem
    assert fresh(image).storage_name != image.storage_name
    assert is_whole(image)


def test_sweep__waits_for_the_grace_period(make_image, files):
    mover, image = Mover("archive", grace=0.3), make_image()
    mover.move(image)
    mover.sweep()
    assert (mover.left, files()) == (1, [f"images/{image.storage_name}"])
    mover.sweep(is_patient=True)
    assert (mover.left, files()) == (0, [])


def test_sweep__leaves_what_was_moved_back(make_image, mover, files):
    image = make_image()
    mover.move(image)
    Image.objects.update(storage_alias="images")
    mover.sweep()
    assert files() == [f"images/{image.storage_name}"]


def test_sweep__goes_on_where_a_storage_refuses(make_image, mover, monkeypatch, caplog):
    mover.move(make_image())

    def refuse(name):
        raise OSError(5, "/secret/path")

    monkeypatch.setattr(storages["images"], "delete", refuse)
    mover.sweep()
    assert "code=not_deleted storage=images" in caplog.text


# What may have changed since the row was read: (what, to do, with the image)
CHANGES = {
    "replaced": lambda image: Image.objects.filter(pk=image.pk).update(version=2),
    "renamed": lambda image: Image.objects.filter(pk=image.pk).update(storage_name="b/c.jpg"),
    "moved": lambda image: Image.objects.filter(pk=image.pk).update(storage_alias="other"),
    "deleted": lambda image: Image.objects.filter(pk=image.pk)._raw_delete(DATABASE),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_change__meanwhile_wins_and_the_copy_goes(make_image, mover, change, files):
    image = make_image()
    change(image)
    row = Image.objects.filter(pk=image.pk).values("storage_alias", "storage_name", "version")
    before = list(row)
    moved = mover.move(image)
    assert (moved.problem, moved.is_failure) == ("changed", False)
    assert list(row.all()) == before
    assert (StoredFile.objects.count(), mover.left) == (0, 0)
    assert files() == [f"images/{image.storage_name}"]


def test_change__that_took_the_bytes_away_is_no_failure(make_image, mover):
    image = make_image()
    image_as_read = fresh(image)
    image.delete()
    assert mover.move(image_as_read).problem == "changed"


def test_change__by_another_mover_keeps_the_copy_that_both_made(make_image, settings):
    options = {"location": "archive", "allow_overwrite": True}
    settings.STORAGES = {**settings.STORAGES, "archive": {"BACKEND": TABLE, "OPTIONS": options}}
    image = make_image()
    as_read = fresh(image)
    assert not Mover("archive", grace=0).move(image).problem
    assert Mover("archive", grace=0).move(as_read).problem == "changed"
    assert is_whole(image)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "a flipped bit": flip,
    "cut short": lambda path: os.truncate(path, 50),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_source__that_is_damaged_is_left_alone(make_image, mover, files, damage):
    image = make_image()
    damage(Path(storages["images"].path(image.storage_name)))
    moved = mover.move(image)
    assert (moved.problem, moved.is_failure) == ("damaged", True)
    assert fresh(image).storage_alias == "images"
    assert (StoredFile.objects.count(), files()) == (0, [f"images/{image.storage_name}"])


def test_source__that_is_gone_or_away_is_left_alone(make_image, mover, settings):
    gone, away = make_image(), make_image()
    storages["images"].delete(gone.storage_name)
    assert mover.move(gone).problem == "bytes_gone"
    Image.objects.filter(pk=away.pk).update(storage_alias="not-set")
    assert mover.move(fresh(away)).problem == "not_read"


def test_target__that_is_full_changes_nothing(make_image, mover, monkeypatch, files, caplog):
    image, create = make_image(), StoredChunk.objects.create

    def full(**values):
        create(**values)
        raise OSError(28, "No space left on device", "/secret/path")

    monkeypatch.setattr(StoredChunk.objects, "create", full)
    moved = mover.move(image)
    assert (moved.problem, moved.reason) == ("not_stored", "No space left on device")
    assert (StoredFile.objects.count(), StoredChunk.objects.count()) == (0, 0)
    assert fresh(image).storage_alias == "images"
    assert files() == [f"images/{image.storage_name}"]
    assert "/secret" not in caplog.text


def test_target__on_a_full_disk_changes_nothing(make_image, settings, tmp_path, files):
    image = make_image()
    (tmp_path / "small").mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k", "none", str(tmp_path / "small")],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        options = {"location": tmp_path / "small" / "images"}
        small = {"BACKEND": FOLDER, "OPTIONS": options}
        settings.STORAGES = {**settings.STORAGES, "small": small}
        Path(tmp_path / "small" / "full").write_bytes(bytes(4096))
        moved = Mover("small", grace=0).move(image)
        assert (moved.problem, moved.reason) == ("not_stored", "No space left on device")
        assert files() == [f"images/{image.storage_name}", "small/full"]
    finally:
        subprocess.run(["umount", str(tmp_path / "small")], check=True)
    assert is_whole(image)


def test_target__that_keeps_other_bytes_is_noticed(make_image, mover, monkeypatch):
    image, create = make_image(), StoredChunk.objects.create

    def flipped(*, content, **values):
        return create(content=bytes([content[0] ^ 1]) + content[1:], **values)

    monkeypatch.setattr(StoredChunk.objects, "create", flipped)
    assert mover.move(image).reason == "It came back with another checksum."
    assert StoredFile.objects.count() == 0
    assert fresh(image).storage_alias == "images"


def test_target__that_cannot_be_read_is_noticed(make_image, mover, monkeypatch):
    image = make_image()

    def refuse(*arguments):
        raise ConnectionError("secret-host:9000")

    monkeypatch.setattr(storages["archive"], "open_range", refuse)
    assert (mover.move(image).problem, StoredFile.objects.count()) == ("not_stored", 0)


def test_target__that_is_not_set_is_told(make_image):
    assert Mover("nowhere", grace=0).move(make_image()).problem == "not_stored"


def test_database__that_fails_leaves_both(make_image, mover, monkeypatch, files):
    image, row = make_image(), moving._row

    def failing(*arguments):
        raise OperationalError("database is locked")

    monkeypatch.setattr(moving, "_row", failing)
    assert mover.move(image).problem == "not_recorded"
    monkeypatch.setattr(moving, "_row", row)
    assert (StoredFile.objects.count(), mover.left) == (1, 0)
    assert is_whole(image)


def test_batches__go_on_behind_what_failed(make_image):
    images = [make_image() for _ in range(5)]
    found = [image.pk for image in in_batches(originals_elsewhere("archive"), 2)]
    assert found == [image.pk for image in images]


# While the site runs


class Reader(threading.Thread):
    """Asks for originals, ranges of them and renditions, and notes what is wrong."""

    def __init__(self, user, wanted, stop):
        super().__init__()
        self.client = Client(raise_request_exception=False)
        self.client.force_login(user)
        self.wanted, self.stop_event = wanted, stop
        self.asked, self.wrong = 0, []

    def run(self):
        try:
            while not self.stop_event.is_set():
                self.ask(*random.choice(self.wanted))
        finally:
            connection.close()

    def ask(self, url, content):
        headers = {}
        if content is not None and self.asked % 2:
            headers = {"Range": "bytes=3-40"}
            content = content[3:41]
        response = self.client.get(url, headers=headers)
        body = b"".join(response) if response.streaming else response.content
        self.asked += 1
        is_right = response.status_code in {200, 206} and content in {None, body}
        if not is_right:
            self.wrong.append((url, response.status_code, len(body)))


def test_site__answers_rightly_while_all_is_moved_there_and_back(make_image, make_user, capsys):
    user = make_user("anna", is_superuser=True, is_staff=True)
    wanted = []
    for number in range(200):
        content = upload(f"{number}.jpg", size=(64, 48), color=(number, 90, 30)).read()
        image = make_image(content=content, owner=user)
        wanted.append((image.original_url, content))
        if number % 10 == 0:
            wanted.append((rendition_url(image, "thumb"), None))
    stop = threading.Event()
    readers = [Reader(user, wanted, stop) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for to in ("archive", "images"):
            call_command("images_move", "--to", to, "--grace", "1")
            assert set(Image.objects.values_list("storage_alias", flat=True)) == {to}
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert [wrong for reader in readers for wrong in reader.wrong] == []
    assert sum(reader.asked for reader in readers) > 200
    assert "200 originals moved, 0 skipped, 0 failed." in capsys.readouterr().out
    assert [row.name for row in StoredFile.objects.all() if not is_mark(row.name)] == []


KILLED = """
import os, signal, sys
import django
from django.conf import settings
from tests import settings as ours
settings.configure(**{k: v for k, v in vars(ours).items() if k.isupper()})
settings.DATABASES["default"]["NAME"] = sys.argv[1]
settings.STORAGES = {
    **settings.STORAGES,
    "images": {"BACKEND": "%(folder)s", "OPTIONS": {"location": sys.argv[2] + "/images"}},
    "archive": {"BACKEND": "%(folder)s", "OPTIONS": {"location": sys.argv[2] + "/archive"}},
}
django.setup()
from images_app import moving, ownership
steps = iter(range(int(sys.argv[3]), -1, -1))
def killing(function):
    def wrapped(*arguments, **keywords):
        if next(steps, 1) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **keywords)
    return wrapped
for name in ("_read_whole", "_checksum_of", "_row", "_is_at", "delete_stored"):
    setattr(moving, name, killing(getattr(moving, name)))
from django.core.management import call_command
call_command("images_move", "--to", "archive", "--grace", "0")
"""


@pytest.mark.parametrize("step", range(11))
def test_killed__at_any_step_every_row_has_its_bytes_and_the_next_run_ends_it(
    make_image, settings, tmp_path, step, files
):
    if connection.vendor != "sqlite" or DATABASE != "default":
        pytest.skip("the other process needs the test's own database")
    images = [make_image() for _ in range(3)]
    folder = {"BACKEND": FOLDER, "OPTIONS": {"location": tmp_path / "archive"}}
    settings.STORAGES = {**settings.STORAGES, "archive": folder}
    name = str(connection.settings_dict["NAME"])
    code = textwrap.dedent(KILLED % {"folder": FOLDER})
    done = subprocess.run(
        [sys.executable, "-c", code, name, str(tmp_path), str(step)],
        check=False,
        capture_output=True,
        timeout=60,
        cwd=Path(__file__).resolve().parent.parent,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert all(is_whole(image) for image in images)
    call_command("images_move", "--to", "archive", "--grace", "0")
    assert {fresh(image).storage_alias for image in images} == {"archive"}
    assert all(is_whole(image) for image in images)
    orphans = set(files()) - {f"archive/{fresh(image).storage_name}" for image in images}
    assert len(orphans) <= 1
