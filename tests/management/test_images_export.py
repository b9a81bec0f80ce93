"""images_export: all that is one person's, whole, checked, and nothing of anybody else's."""

from __future__ import annotations

import copy
import errno
import hashlib
import io
import json
import os
import sys
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from images_app.models import AccessEntry, CameraData, Grant, Image, ShareLink
from tests.databases import connection
from tests.pictures import picture

pytestmark = pytest.mark.django_db
RLO = "\u202e"


@pytest.fixture
def anna(make_user):
    return make_user("anna")


@pytest.fixture
def berta(make_user):
    return make_user("berta")


@pytest.fixture
def target(tmp_path):
    return tmp_path / "out" / "anna"


@pytest.fixture
def run(target):
    """Run the command; answer with exit code, output, errors and what was written down."""

    def run(user="anna", folder=target):
        out, err = io.StringIO(), io.StringIO()
        code = 0
        try:
            call_command("images_export", user, folder, stdout=out, stderr=err)
        except SystemExit as stop:
            code = stop.code
        return (
            code,
            out.getvalue(),
            err.getvalue(),
            json.loads((folder / "export.json").read_text()),
        )

    return run


def written(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def trash(image):
    Image.objects.filter(pk=image.pk).update(trashed_at=timezone.now())


# --- what is in it ----------------------------------------------------------------------------


def test_export__has_the_images_byte_for_byte(anna, berta, make_image, run, target):
    first = make_image(owner=anna, name="cat.jpg")
    second = make_image(owner=anna, name="Ohne Titel.jpeg", color=(1, 2, 3))
    make_image(owner=berta)
    trash(second)
    code, out, err, document = run()
    assert (code, out, err) == (0, "2 images exported, 0 failed.\n", "")
    assert written(target) == [
        "export.json",
        "images/000001-cat.jpg",
        "images/000002-Ohne Titel.jpg",
    ]
    for image, row in zip((first, second), document["images"], strict=True):
        content = (target / row["file"]).read_bytes()
        with storages["images"].open(image.storage_name) as stored:
            assert content == stored.read()
        assert hashlib.sha256(content).hexdigest() == row["checksum"] == image.checksum
        assert row["problem"] == ""
        assert row["public_id"] == str(image.public_id)
    assert [row["trashed_at"] is None for row in document["images"]] == [True, False]
    assert document["person"] == "anna"


def test_export__has_what_was_written_about_an_image(anna, make_image, make_gallery, run):
    fields = {"title": "Cat", "alt_text": "a cat", "caption": "grün", "focal_x": 0.2}
    image = make_image(owner=anna, fields=fields, gallery=make_gallery("Pets", owner=anna))
    CameraData.objects.filter(image=image).delete()
    CameraData.objects.create(image=image, make="Maker", model="M1", iso=100)
    make_image(owner=anna)
    first, second = run()[3]["images"]
    assert {name: first[name] for name in fields} == fields
    assert (first["focal_y"], first["width"], first["height"]) == (0.5, 64, 48)
    assert first["byte_size"] == image.byte_size
    assert first["camera"]["model"] == "M1"
    assert first["camera"]["iso"] == 100
    assert [gallery["title"] for gallery in first["galleries"]] == ["Pets"]
    assert (second["camera"], second["galleries"]) == (None, [])
    assert not {"storage_name", "storage_alias", "id", "owner", "further"} & first.keys()


def test_export__names_only_galleries_that_the_person_sees(
    anna, berta, make_image, make_gallery, run
):
    image = make_image(owner=anna)
    for title, visibility in (("Secret", "private"), ("Open", "members")):
        make_gallery(title, visibility=visibility, owner=berta).append(image)
    make_gallery("Mine", owner=anna).append(image)
    assert [each["title"] for each in run()[3]["images"][0]["galleries"]] == ["Open", "Mine"]


def test_export__has_the_galleries_in_order(anna, berta, make_image, make_gallery, run):
    empty = make_gallery("Empty", owner=anna, visibility="public")
    gallery = make_gallery("Pets", owner=anna)
    make_gallery("Theirs", owner=berta, images=1)
    for owner, title in ((anna, "one"), (berta, "two"), (anna, "three"), (berta, "four")):
        image = make_image(owner=owner, gallery=gallery, fields={"title": title})
        if title in {"three", "four"}:
            trash(image)
    gallery.items.filter(image__title="one").update(position=25)  # after "two"
    rows = run()[3]["galleries"]
    assert [row["title"] for row in rows] == ["Empty", "Pets"]
    assert (rows[0]["visibility"], rows[0]["images"]) == ("public", [])
    assert rows[0]["public_id"] == str(empty.public_id)
    # What lies in the trash of others is hidden from the owner of the gallery.
    assert [(each["title"], each["is_own"]) for each in rows[1]["images"]] == [
        ("two", False),
        ("one", True),
        ("three", True),
        (None, False),
    ]
    assert rows[1]["images"][3]["public_id"] is None
    assert rows[1]["images"][0]["public_id"] == str(Image.objects.get(title="two").public_id)


def test_export__of_one_who_is_not_active_hides_what_is_of_others(
    anna, berta, make_image, make_gallery, run
):
    gallery = make_gallery("Pets", owner=anna)
    for owner in (anna, berta):
        make_image(owner=owner, gallery=gallery, fields={"title": owner.username})
    type(anna).objects.filter(pk=anna.pk).update(is_active=False)
    document = run()[3]
    assert [each["title"] for each in document["galleries"][0]["images"]] == ["anna", None]
    assert [each["title"] for each in document["images"][0]["galleries"]] == ["Pets"]


def test_export__has_grants_both_ways(anna, berta, make_image, make_gallery, run):
    family = Group.objects.create(name="family")
    friends = Group.objects.create(name="friends")
    anna.groups.add(friends)
    mine, theirs = make_gallery("Mine", owner=anna), make_gallery("Theirs", owner=berta)
    image = make_image(owner=anna, fields={"title": "Cat"})
    past = timezone.now() - timedelta(days=1)
    Grant.objects.create(gallery=mine, user=berta, level=20)
    Grant.objects.create(image=image, group=family, right="change")
    Grant.objects.create(gallery=theirs, user=anna, level=10)
    Grant.objects.create(
        gallery=make_gallery("Ended", owner=berta), user=anna, level=30, ends_at=past
    )
    Grant.objects.create(gallery=theirs, group=friends, level=20)
    Grant.objects.create(gallery=theirs, group=family, level=30)
    document = run()[3]
    told = ("on", "title", "to_user", "to_group", "level", "right")
    assert [tuple(row[name] for name in told) for row in document["grants_given"]] == [
        ("gallery", "Mine", "berta", None, "view", None),
        ("image", "Cat", None, "family", None, "change"),
    ]
    told = ("on", "title", "to_group", "level")
    assert [tuple(row[name] for name in told) for row in document["grants_held"]] == [
        ("gallery", "Theirs", None, "preview"),
        ("gallery", None, None, "original"),  # ended: no longer theirs to know
        ("gallery", "Theirs", "friends", "view"),
    ]


def test_export__names_others_only_on_ones_own_things(anna, berta, make_user, make_gallery, run):
    caesar = make_user("caesar")
    theirs = make_gallery("Theirs", owner=berta)
    for user in (anna, caesar):
        Grant.objects.create(gallery=theirs, user=user, level=20)
    text = json.dumps(run()[3])
    assert "Theirs" in text
    assert "caesar" not in text
    assert "berta" not in text


def test_export__has_share_links_without_their_secrets(anna, berta, make_gallery, run, target):
    gallery = make_gallery("Mine", owner=anna)
    link = ShareLink.objects.create(
        gallery=gallery,
        created_by=anna,
        token_hash="f00d" * 16,
        password="md5$salt$beef",
        note="for Dora",
        views=3,
        max_views=9,
    )
    ShareLink.objects.create(gallery=gallery, created_by=berta, token_hash="b" * 64)
    (row,) = run()[3]["share_links"]
    assert (row["on"], row["title"], row["note"]) == ("gallery", "Mine", "for Dora")
    assert (row["level"], row["views"], row["max_views"]) == ("view", 3, 9)
    assert row["public_id"] == str(link.public_id)
    assert row["has_password"] is True
    assert (row["ends_at"], row["revoked_at"]) == (None, None)
    text = (target / "export.json").read_text()
    for secret in ("f00d", "beef", "token", anna.password, "bbbb"):
        assert secret not in text


def test_export__has_the_access_log_about_the_person(anna, berta, make_image, run):
    image = make_image(owner=berta)
    for user in (anna, berta, None):
        asked = {"at": timezone.now(), "kind": "page", "public_id": image.public_id, "level": 20}
        AccessEntry.objects.create(user=user, is_allowed=False, reason="forbidden", **asked)
    (row,) = run()[3]["access_log"]
    assert row.pop("at")
    assert row == {
        "kind": "page",
        "public_id": str(image.public_id),
        "level": "view",
        "is_allowed": False,
        "reason": "forbidden",
    }


def test_export__of_a_person_with_nothing(anna, run, target):
    code, out, err, document = run()
    assert (code, out, err) == (0, "0 images exported, 0 failed.\n", "")
    assert written(target) == ["export.json"]
    assert {name for name, value in document.items() if value == []} == {
        "images", "galleries", "grants_held", "grants_given", "share_links", "access_log",
    }  # fmt: skip


def test_export__reads_from_any_storage(anna, make_image, run, settings, target):
    changed = copy.deepcopy(settings.STORAGES)
    changed["images"] = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = changed
    make_image(owner=anna)
    assert run()[0] == 0
    assert (target / "images/000001-cat.jpg").read_bytes() == picture()


# --- the folder -------------------------------------------------------------------------------


def test_export__is_for_its_owner_only(anna, make_image, run, target):
    make_image(owner=anna)
    target.mkdir(parents=True, mode=0o755)
    previous = os.umask(0)
    try:
        run()
    finally:
        os.umask(previous)
    modes = {path: path.stat().st_mode & 0o777 for path in (target, *target.rglob("*"))}
    assert {modes[path] for path in modes if path.is_dir()} == {0o700}
    assert {modes[path] for path in modes if path.is_file()} == {0o600}
    assert len(modes) == 4


@pytest.mark.parametrize("name", ["file.txt", ".hidden", "folder/"])
def test_export__refuses_a_folder_with_something_in_it(anna, make_image, target, name):
    make_image(owner=anna)
    target.mkdir(parents=True)
    (target / name).mkdir() if name.endswith("/") else (target / name).write_text("mine")
    with pytest.raises(CommandError, match="not empty"):
        call_command("images_export", "anna", target)
    assert [path.name for path in target.iterdir()] == [name.rstrip("/")]


def test_export__refuses_a_file(anna, target):
    target.parent.mkdir()
    target.write_text("mine")
    with pytest.raises(CommandError, match="exists"):
        call_command("images_export", "anna", target)
    assert target.read_text() == "mine"


@pytest.mark.parametrize("name", ["nobody", "ANNA", ""])
def test_export__wants_a_user(anna, target, name):
    with pytest.raises(CommandError, match="There is no user"):
        call_command("images_export", name, target)
    assert not target.exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../x", "000001-x.jpg"),
        ("/etc/passwd", "000001-passwd.jpg"),
        ("a/b.png", "000001-b.jpg"),
        ("..", "000001.jpg"),
        ("", "000001.jpg"),
        (".jpg", "000001-jpg.jpg"),
        ("-rf.jpg", "000001-rf.jpg"),
        ("a\\b:c*d?.jpg", "000001-a_b_c_d.jpg"),
        ("a\nb\x00c\x1b[2J.jpg", "000001-a_b_c__2J.jpg"),
        (f"photo{RLO}gpj.exe", "000001-photo_gpj.jpg"),
        ("CON.jpg", "000001-CON.jpg"),
        ("ärger 😀.jpg", "000001-ärger 😀.jpg"),
        ("x" * 300, f"000001-{'x' * 120}.jpg"),
        ("ü" * 300, f"000001-{'ü' * 60}.jpg"),
    ],
)
def test_export__makes_hostile_names_safe(anna, make_image, run, target, tmp_path, name, expected):
    before = {path for path in tmp_path.rglob("*") if target not in path.parents}
    image = make_image(owner=anna)
    # SQLite takes any length; a host's own imports may have written anything.
    Image.objects.filter(pk=image.pk).update(file_name=name)
    row = run()[3]["images"][0]
    assert row["file_name"] == name
    assert row["file"] == f"images/{expected}".replace("c__2J", "c_[2J")
    assert written(target) == ["export.json", row["file"]]
    outside = {path for path in tmp_path.rglob("*") if target not in path.parents} - before
    assert {path.relative_to(tmp_path).parts[0] for path in outside} <= {"out", "images"}


def test_export__gives_same_names_to_nobody(anna, make_image, run, target):
    for name in ("a.jpg", "a.jpg", "A.jpg", "b/a.jpg"):
        Image.objects.filter(pk=make_image(owner=anna).pk).update(file_name=name)
    run()
    assert len({name.lower() for name in written(target)}) == 5


# --- what goes wrong --------------------------------------------------------------------------


def lose(image, monkeypatch):
    storages["images"].delete(image.storage_name)


def damage(image, monkeypatch):
    path = storages["images"].path(image.storage_name)
    with open(path, "r+b") as file:  # noqa: PTH123
        file.seek(100)
        file.write(b"!")


def cut(image, monkeypatch):
    os.truncate(storages["images"].path(image.storage_name), 50)


def move_away(image, monkeypatch):
    Image.objects.filter(pk=image.pk).update(storage_alias="moved-away")


def point_outside(image, monkeypatch):
    Image.objects.filter(pk=image.pk).update(storage_name="../../../etc/passwd")


def break_while_reading(image, monkeypatch):
    storage, opened = storages["images"], storages["images"].open

    class Breaking(io.BytesIO):
        def read(self, size=-1):
            if self.tell():
                raise OSError(errno.EIO, "Input/output error", "/secret/path")
            return super().read(20)

    def open_breaking(name, mode="rb"):
        return Breaking(b"x" * 99) if name == image.storage_name else opened(name, mode)

    monkeypatch.setattr(storage, "open", open_breaking)


@pytest.mark.parametrize(
    ("fault", "problem", "said", "file"),
    [
        (lose, "bytes_gone", "the file is gone.", ""),
        (damage, "damaged", "not those that were uploaded", "images/000001-bad.damaged.jpg"),
        (cut, "damaged", "not those that were uploaded", "images/000001-bad.damaged.jpg"),
        (move_away, "storage_unavailable", "cannot be reached", ""),
        (point_outside, "storage_unavailable", "cannot be reached", ""),
        (break_while_reading, "storage_unavailable", "cannot be reached", ""),
    ],
)
def test_export__names_each_failure_and_has_the_others(
    anna, make_image, run, target, monkeypatch, fault, problem, said, file
):
    bad = make_image(owner=anna, name="bad.jpg")
    make_image(owner=anna, name="good.jpg", color=(9, 9, 9))
    fault(bad, monkeypatch)
    code, out, err, document = run()
    assert code == 1
    assert out == "1 images exported, 1 failed.\n"
    assert err.startswith(f"{bad.pk} bad: ")
    assert said in err
    assert "/secret" not in err
    assert [row["problem"] for row in document["images"]] == [problem, ""]
    assert document["images"][0]["file"] == file
    expected = {"export.json", "images/000002-good.jpg", file} - {""}
    assert set(written(target)) == expected


def test_export__stops_where_the_disk_is_full(anna, make_image, target, monkeypatch):
    for _ in range(2):
        make_image(owner=anna)
    calls, fsync = [], os.fsync

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr("images_app.people.writing.os.fsync", full)
    with pytest.raises(CommandError, match="No space left on device"):
        call_command("images_export", "anna", target)
    assert written(target) == ["images/000001-cat.jpg"]


def test_export__that_is_stopped_leaves_no_half_file(anna, make_image, target, monkeypatch):
    make_image(owner=anna)
    image = make_image(owner=anna)
    storage, opened = storages["images"], storages["images"].open

    class Stopping(io.BytesIO):
        def read(self, size=-1):
            if self.tell():
                raise KeyboardInterrupt
            return super().read(20)

    def open_stopping(name, mode="rb"):
        return Stopping(b"x" * 99) if name == image.storage_name else opened(name, mode)

    monkeypatch.setattr(storage, "open", open_stopping)
    with pytest.raises(KeyboardInterrupt):
        call_command("images_export", "anna", target)
    assert written(target) == ["images/000001-cat.jpg"]


# --- how much it costs ------------------------------------------------------------------------


def copies(image, number):
    """Records that share one original: an export asks no more of them."""
    values = {
        field.attname: getattr(image, field.attname)
        for field in Image._meta.concrete_fields
        if field.name not in {"id", "public_id"}
    }
    return Image.objects.bulk_create(Image(**values) for _ in range(number))


def test_export__of_200_images_asks_as_often_as_of_two(
    anna, berta, make_image, make_gallery, run, tmp_path
):
    image = make_image(owner=anna)
    counts = []
    for number in (1, 200):
        for each in copies(image, number):
            Grant.objects.create(image=each, user=berta, level=20)
            ShareLink.objects.create(image=each, created_by=anna, token_hash=each.public_id.hex)
            make_gallery(owner=anna).append(each)
        with CaptureQueriesContext(connection) as queries:
            document = run(folder=tmp_path / f"out{number}")[3]
        counts.append(len(queries))
    assert len(document["images"]) == 202
    assert len(document["galleries"]) == len(document["share_links"]) == 201
    assert counts[0] == counts[1]
    assert counts[0] <= 12


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_export__draws_its_progress(anna, make_image, run, monkeypatch):
    make_image(owner=anna, name="a.jpg")
    storages["images"].delete(make_image(owner=anna, name="b.jpg").storage_name)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    Image.objects.filter(title="a").update(title="\x1b[2Ja")
    run()
    assert f"[{'#' * 24}] 2/2 b" in terminal.getvalue()
    assert "\x1b[2J" not in terminal.getvalue()
    assert "\n" not in terminal.getvalue()
