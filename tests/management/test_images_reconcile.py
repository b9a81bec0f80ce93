"""images_reconcile: what is without a record or without its bytes, from where it stopped."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.utils import timezone

from images_app.conf import get_settings
from images_app.contrib.dbstorage.models import StoredChunk
from images_app.exceptions import StorageUnavailable
from images_app.models import Image, PartialUpload, Rendition
from images_app.reconciling import originals
from images_app.reconciling.findings import Work
from images_app.reconciling.strays import check_strays
from images_app.renditions import make_renditions, specs_for
from images_app.storages.filesystem import PARTIAL_PREFIX

pytestmark = pytest.mark.django_db(transaction=True)
NAME = f"ab/{'0' * 32}.jpg"
ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def reconcile(capsys):
    """Run it without a grace; answers with (findings by kind, what is left, exit code)."""

    def run(*arguments, grace=0):
        code = 0
        try:
            call_command("images_reconcile", "--json", "--grace", str(grace), *arguments)
        except SystemExit as end:
            code = end.code
        *lines, summary = map(json.loads, capsys.readouterr().out.splitlines())
        run.lines = lines
        return summary["found"], summary["left"], code

    return run


@pytest.fixture
def image(make_image):
    made = make_image()
    make_renditions(made, specs_for(made, [get_settings().presets["thumb"]]))
    return made


def store(alias, name, content=b"bytes"):
    assert storages[alias].save(name, ContentFile(content)) == name


def test_reconcile__finds_nothing_wrong_where_nothing_is(image, reconcile):
    assert reconcile("--checksums") == ({}, 0, 0)


def test_reconcile__of_nothing(db, reconcile):
    assert reconcile("--fix") == ({}, 0, 0)


def test_reconcile__a_missing_original_is_told_and_never_deleted(image, reconcile):
    storages[image.storage_alias].delete(image.storage_name)
    for arguments in ((), ("--fix",)):
        assert reconcile(*arguments) == ({"missing": 1}, 1, 1)
    assert reconcile.lines[0]["image"] == image.pk
    assert Image.objects.exists()
    assert Rendition.objects.exists()


def damage(image, content):
    storage = storages[image.storage_alias]
    storage.delete(image.storage_name)
    store(image.storage_alias, image.storage_name, content)


def test_reconcile__another_length_is_damage(image, reconcile):
    damage(image, b"x")
    assert reconcile("--fix") == ({"damaged": 1}, 1, 1)


def test_reconcile__a_flipped_bit_is_found_by_its_checksum(image, reconcile):
    with storages[image.storage_alias].open(image.storage_name) as file:
        content = bytearray(file.read())
    content[100] ^= 1
    damage(image, bytes(content))
    assert reconcile() == ({}, 0, 0)
    assert reconcile("--checksums") == ({"damaged": 1}, 1, 1)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("images", NAME),
        ("images", f"ab/{'0' * 32}_abcdefg.jpg"),
        ("images", f"ab/{PARTIAL_PREFIX}x1y2z3"),
        ("images", f"partial/{ID}/0-0123abcd"),
        ("image_renditions", f"{ID}/1/{'0' * 16}.webp"),
        ("image_renditions", f"{ID}/1/{PARTIAL_PREFIX}x1y2z3"),
    ],
)
def test_reconcile__stray_bytes_are_told_and_deleted_when_asked(image, reconcile, alias, name):
    store(alias, name)
    assert reconcile("--dry-run") == ({"stray": 1}, 1, 1)
    assert storages[alias].exists(name)
    assert reconcile("--fix") == ({"stray": 1}, 0, 0)
    assert reconcile.lines == [
        {
            "kind": "stray",
            "storage": alias,
            "name": name,
            "image": None,
            "is_fixed": True,
            "is_in_quarantine": name.startswith("ab/0"),
        }
    ]
    assert not storages[alias].exists(name)
    assert reconcile() == ({}, 0, 0)


def test_reconcile__a_rendition_of_a_known_image_without_a_record_is_stray(image, reconcile):
    store("image_renditions", f"{image.public_id}/1/{'0' * 16}.webp")
    assert reconcile("--fix") == ({"stray": 1}, 0, 0)
    assert Rendition.objects.exists()


def test_reconcile__young_strays_may_be_an_upload_under_way(image, reconcile):
    store("images", NAME)
    assert reconcile("--fix", grace=60) == ({}, 0, 0)
    assert storages["images"].exists(NAME)


def test_reconcile__parts_of_an_open_upload_stay(image, reconcile, make_user):
    upload = PartialUpload.objects.create(owner=make_user(), length=10, storage_alias="images")
    store("images", f"partial/{upload.public_id}/0-0123abcd")
    assert reconcile("--fix") == ({}, 0, 0)
    upload.delete()
    assert reconcile("--fix") == ({"stray": 1}, 0, 0)


@pytest.mark.parametrize("name", ["notes.txt", "ab/notes.txt", f"zz/{'0' * 31}.jpg"])
def test_reconcile__what_is_not_ours_is_told_and_left_alone(image, reconcile, name):
    store("images", name)
    assert reconcile("--fix") == ({"foreign": 1}, 1, 1)
    assert storages["images"].exists(name)


def test_reconcile__searches_a_storage_that_no_record_names_when_asked(
    image, reconcile, settings, tmp_path
):
    options = {"location": tmp_path / "former"}
    backend = "images_app.storages.PrivateFileSystemStorage"
    settings.STORAGES = {
        **settings.STORAGES,
        "former": {"BACKEND": backend, "OPTIONS": options},
    }
    store("former", NAME)
    assert reconcile("--fix") == ({}, 0, 0)
    former = ("--storage", "former", "--most", "1")
    with pytest.raises(CommandError, match="STORAGES\\['former'\\] has no mark"):
        reconcile("--fix", *former)
    assert reconcile("--adopt-storage", "former", "--storage", "former") == ({"stray": 1}, 1, 1)
    assert reconcile("--fix", *former) == ({"stray": 1}, 0, 0)


def lose_rendition(rendition):
    storages[rendition.storage_alias].delete(rendition.storage_name)


def shorten_rendition(rendition):
    Rendition.objects.update(byte_size=1)


def outdate_rendition(rendition):
    Image.objects.update(version=9)


def forget_preset(rendition):
    name = rendition.storage_name.replace(rendition.fingerprint, "f" * 16)
    store(rendition.storage_alias, name)
    storages[rendition.storage_alias].delete(rendition.storage_name)
    Rendition.objects.update(fingerprint="f" * 16)


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lose_rendition, "rendition_missing"),
        (shorten_rendition, "rendition_drifted"),
        (outdate_rendition, "rendition_outdated"),
        (forget_preset, "rendition_outdated"),
    ],
)
def test_reconcile__renditions_that_are_amiss_go(image, reconcile, files, spoil, kind):
    Rendition.objects.exclude(pk=Rendition.objects.first().pk).delete()
    spoil(Rendition.objects.select_related("image").get())
    assert reconcile() == ({kind: 1}, 1, 1)
    assert Rendition.objects.exists()
    assert reconcile("--fix") == ({kind: 1}, 0, 0)
    assert not Rendition.objects.exists()
    assert files() == [f"images/{image.storage_name}"]


def test_reconcile__concludes_nothing_from_a_storage_that_is_away(image, monkeypatch, capsys):
    def fail(self, name):
        raise ConnectionError

    monkeypatch.setattr(type(storages["images"]), "size", fail)
    with pytest.raises(CommandError, match="could not be asked"):
        call_command("images_reconcile", "--fix")
    assert Rendition.objects.exists()


def test_reconcile__goes_on_where_it_stopped(make_image, reconcile, tmp_path, monkeypatch, capsys):
    images = [make_image() for _ in range(5)]
    for image in images:
        storages[image.storage_alias].delete(image.storage_name)
    monkeypatch.setattr(originals, "_AT_ONCE", 2)
    state, looked_at = tmp_path / "state.json", []
    check = originals._check

    def stop_at_the_fifth(image, work):
        if len(looked_at) == 4:
            raise StorageUnavailable("away")
        looked_at.append(image.pk)
        return check(image, work)

    monkeypatch.setattr(originals, "_check", stop_at_the_fifth)
    with pytest.raises(CommandError):
        call_command("images_reconcile", "--state", str(state), "--json")
    assert json.loads(state.read_text()) == {"stage": "originals", "after": str(images[3].pk)}
    monkeypatch.setattr(originals, "_check", check)
    capsys.readouterr()
    found, _left, _code = reconcile("--state", str(state))
    assert found["missing"] == 1
    assert not state.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--storage", "nowhere"], "STORAGES has no nowhere"),
        (["--storage", "staticfiles"], "STORAGES\\['staticfiles'\\]"),
        (["--grace", "-1"], "--grace is a number of minutes"),
    ],
)
def test_reconcile__arguments_that_make_no_sense(db, arguments, message):
    with pytest.raises(CommandError, match=message):
        call_command("images_reconcile", *arguments)


@pytest.mark.folder
def test_strays__resumed_are_those_of_every_storage_behind(settings, tmp_path, make_image):
    """``-`` stands before ``/``: compared as one text, ``a-b`` would count as looked at."""
    make_image()
    folders = {alias: tmp_path / alias for alias in ("a", "a-b")}
    for alias, folder in folders.items():
        settings.STORAGES = {
            **settings.STORAGES,
            alias: {
                "BACKEND": settings.STORAGES["images"]["BACKEND"],
                "OPTIONS": {"location": folder},
            },
        }
        storages[alias].save("ab/stray.jpg", ContentFile(b"x"))
    work = Work(storages=tuple(folders), older_than=timezone.now())
    steps = [step.after for step in check_strays(work, "a/ff")]
    assert [key for key in steps if key.startswith("a-b/")] == ["a-b/", "a-b/ab"]


def test_reconcile__a_state_that_is_none_is_refused(db, tmp_path):
    state = tmp_path / "state.json"
    state.write_text("[]")
    with pytest.raises(CommandError, match="is no state of images_reconcile"):
        call_command("images_reconcile", "--state", str(state))


def test_reconcile__speaks_in_sentences(image, capsys):
    store("images", NAME)
    storages[image.storage_alias].delete(image.storage_name)
    with pytest.raises(SystemExit):
        call_command("images_reconcile", "--grace", "0")
    said = capsys.readouterr().out.splitlines()
    lost = f"images:{image.storage_name} (image {image.pk})"
    assert said == [
        f"{lost}: the original is not there; restore it from a backup.",
        f"images:{NAME}: bytes that no record names.",
        "Found: 1 missing, 1 stray. Left: 2.",
    ]


def test_reconcile__an_image_deleted_meanwhile_is_not_missing(image, reconcile, monkeypatch):
    problem = originals._problem

    def deleted_meanwhile(image, work):
        Image.objects.all().delete()
        return problem(image, work)

    monkeypatch.setattr(originals, "_problem", deleted_meanwhile)
    assert reconcile() == ({}, 0, 0)


def test_reconcile__the_trash_is_kept(image, reconcile):
    Image.objects.update(trashed_at=timezone.now() - timedelta(days=5))
    assert reconcile("--fix") == ({}, 0, 0)


# --- damage and what is not ours are findings, and the rest goes on ---------------------------


def test_reconcile__checksums_go_on_after_a_file_that_cannot_be_read(
    make_image, reconcile, monkeypatch
):
    images = [make_image() for _ in range(3)]
    damage(images[2], b"x" * images[2].byte_size)
    open_stored = originals.open_stored

    def failing(alias, name):
        if name == images[0].storage_name:
            raise StorageUnavailable("OSError") from OSError("damaged")
        return open_stored(alias, name)

    monkeypatch.setattr(originals, "open_stored", failing)
    assert reconcile("--checksums", "--fix") == ({"unreadable": 1, "damaged": 1}, 2, 1)
    assert [line["image"] for line in reconcile.lines] == [images[0].pk, images[2].pk]


def test_reconcile__checksums_go_on_after_a_damaged_file_in_the_database(
    make_image, reconcile, settings
):
    table = "images_app.contrib.dbstorage.storage.DatabaseStorage"
    options = {"location": "originals"}
    settings.STORAGES = {
        **settings.STORAGES,
        "images": {"BACKEND": table, "OPTIONS": options},
    }
    images = [make_image() for _ in range(3)]
    name = f"originals/{images[1].storage_name}"
    StoredChunk.objects.filter(file__name=name).update(content=b"short")
    assert reconcile("--checksums") == ({"unreadable": 1}, 1, 1)
    assert reconcile.lines[0]["image"] == images[1].pk


@pytest.mark.folder
@pytest.mark.parametrize(
    ("folder", "kind"), [("lost+found", "foreign"), ("ab/lost+found", "foreign"), ("fe", None)]
)
def test_reconcile__goes_on_after_a_folder_that_cannot_be_read(
    image, reconcile, monkeypatch, folder, kind
):
    storage = storages["images"]
    store("images", f"{folder}/x.txt")
    store("images", f"fd/{'0' * 32}.jpg")
    listdir = type(storage).listdir

    def refusing(self, path):
        if path.strip("/") == folder:
            raise PermissionError(13, "Permission denied", path)
        return listdir(self, path)

    monkeypatch.setattr(type(storage), "listdir", refusing)
    kind = kind or "unreadable"
    assert reconcile("--fix") == ({kind: 1, "stray": 1}, 1, 1)
    assert {"kind": kind, "name": f"{folder}/"}.items() <= {
        **next(line for line in reconcile.lines if line["kind"] == kind)
    }.items()


@pytest.mark.folder
def test_reconcile__a_rendition_that_cannot_be_read_goes(image, reconcile, monkeypatch):
    size = type(storages["image_renditions"]).size

    def failing(self, name):
        if name == Rendition.objects.first().storage_name:
            raise OSError(5, "Input/output error")
        return size(self, name)

    monkeypatch.setattr(type(storages["image_renditions"]), "size", failing)
    assert reconcile("--fix") == ({"rendition_missing": 1}, 0, 0)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ConnectionError()])
def test_reconcile__concludes_nothing_when_the_storage_stops_answering(
    image, monkeypatch, capsys, error
):
    def fail(self, name):
        raise error

    for method in ("size", "listdir"):
        monkeypatch.setattr(type(storages["images"]), method, fail)
    with pytest.raises(CommandError, match="could not be asked"):
        call_command("images_reconcile")
