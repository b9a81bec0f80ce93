"""Whose bytes these are: another or an older database takes none away."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from images_app import ownership
from images_app.conf import get_settings
from images_app.exceptions import StorageUnavailable
from images_app.models import Image, ImageQuerySet, Installation, PartialUpload, Rendition
from images_app.ownership import adopt, begin_run, mark_if_known
from images_app.reconciling import quarantine
from images_app.renditions import make_renditions, specs_for
from images_app.trash import trash
from tests.databases import DATABASE
from tests.parts import ROOT

pytestmark = pytest.mark.django_db(transaction=True)
BOTH = ("images", "image_renditions")


@pytest.fixture
def pictures(make_image):
    made = [make_image() for _ in range(5)]
    for image in made:
        make_renditions(image, specs_for(image, [get_settings().presets["thumb"]]))
    return made


def marks(alias):
    return {mark.name for mark in ownership._marks(storages[alias])}


def name_of(row=None):
    row = row or Installation.objects.get()
    return f".images-app-site/{row.site_id}-{row.runs}"


def forget_records(images=None):
    """As a database that never knew these images; their bytes stay."""
    images = ImageQuerySet(Image) if images is None else images
    Rendition.objects.filter(image__in=images)._raw_delete(DATABASE)
    PartialUpload.objects.all()._raw_delete(DATABASE)
    ImageQuerySet(Image).filter(pk__in=[image.pk for image in images])._raw_delete(DATABASE)


def become_another_database():
    forget_records()
    Installation.objects.all().delete()
    ownership._seen.clear()


def fix(*arguments):
    try:
        call_command("images_reconcile", "--fix", "--grace", "0", *arguments)
    except SystemExit as end:
        return end.code
    return 0


def look(*arguments):
    try:
        call_command("images_reconcile", "--grace", "0", *arguments)
    except SystemExit as end:
        return end.code
    return 0


def are_there(images):
    return [storages["images"].exists(image.storage_name) for image in images]


# --- the mark ---------------------------------------------------------------------------------


def test_mark__stands_beside_the_first_bytes(pictures):
    assert [marks(alias) for alias in BOTH] == [{name_of()}] * 2


def test_mark__of_a_transaction_that_is_rolled_back_is_not_written(make_image):
    with transaction.atomic(using=DATABASE):
        make_image()
        transaction.set_rollback(True, using=DATABASE)
    assert (marks("images"), Installation.objects.count()) == (set(), 0)
    make_image()
    assert marks("images") == {name_of()}


def test_mark__that_cannot_be_written_hinders_no_upload(make_image, monkeypatch):
    def fail(storage):
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(ownership, "_marks", fail)
        make_image()
    make_image()
    assert marks("images") == set()
    ownership._seen.clear()  # as in another process
    make_image()
    assert marks("images") == {name_of()}


def test_mark__is_looked_for_once(make_image, monkeypatch):
    make_image()
    monkeypatch.setattr(ownership, "_mark_quietly", lambda alias: pytest.fail("asked again"))
    make_image()


def test_mark__is_never_served_nor_a_stray(pictures, capsys):
    assert look() == 0
    assert capsys.readouterr().out == "Found: nothing wrong. Left: 0.\n"
    assert fix() == 0
    assert [marks(alias) for alias in BOTH] == [{name_of()}] * 2


def test_mark__is_raised_with_each_run(pictures):
    for number in (1, 2):
        assert fix() == 0
        assert Installation.objects.get().runs == number
        assert marks("images") == {name_of()}
    call_command("images_clean")
    assert Installation.objects.get().runs == 3
    assert marks("images") == {name_of()}


def test_run__that_was_killed_before_its_marks_is_no_harm(pictures):
    Installation.objects.update(runs=7)
    assert fix() == 0
    assert marks("images") == {name_of()}


def test_run__that_was_killed_between_two_marks_is_no_harm(pictures):
    row = Installation.objects.get()
    row.runs = 1
    row.save()
    storages["images"].save(name_of(row), ContentFile(b"x"))
    assert len(marks("images")) == 2
    assert fix() == 0
    assert marks("images") == {name_of()}


def test_storage__that_cannot_be_asked_stops_the_run(pictures, monkeypatch):
    def away(path):
        raise ConnectionError

    monkeypatch.setattr(storages["images"], "listdir", away)
    with pytest.raises(StorageUnavailable):
        begin_run(BOTH)
    assert Installation.objects.get().runs == 0
    for command in ("images_clean", "images_reconcile"):
        with pytest.raises(CommandError, match="could not be asked"):
            call_command(command)


# --- another database -------------------------------------------------------------------------


def test_another_database__takes_nothing_away(pictures, files, capsys):
    before = files()
    become_another_database()
    with pytest.raises(
        CommandError, match=r"belongs to the site[^$]*Nothing was changed"
    ) as caught:
        fix("--most", "1000")
    assert "--adopt-storage images" in str(caught.value)
    capsys.readouterr()
    assert look() == 1  # it may look
    assert capsys.readouterr().err.count("belongs to the site") == 2
    assert files() == before
    assert all(len(marks(alias)) == 1 for alias in BOTH)


def test_another_database__with_records_of_its_own_takes_nothing_away(pictures, make_image, files):
    become_another_database()
    own = [make_image() for _ in range(7)]
    trash(ImageQuerySet(Image))
    Image.objects.update(trashed_at=timezone.now() - timedelta(days=400))
    before = files()
    with pytest.raises(CommandError, match=r"belongs to the site[^$]*No image was deleted"):
        call_command("images_clean")
    with pytest.raises(CommandError, match="belongs to the site"):
        fix()
    assert files() == before
    assert Image.objects.count() == len(own)


@pytest.mark.folder
def test_another_database__moves_nothing(pictures, settings, tmp_path, files):
    options = {"location": tmp_path / "archive"}
    backend = "images_app.storages.PrivateFileSystemStorage"
    archive = {"BACKEND": backend, "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "archive": archive}
    before = files()
    Installation.objects.all().delete()  # a copy of the records, another site
    with pytest.raises(CommandError, match=r"belongs to the site[^$]*Nothing was moved"):
        call_command("images_move", "--to", "archive")
    assert files() == before
    assert {image.storage_alias for image in Image.objects.all()} == {"images"}


def test_another_database__becomes_the_owner_when_asked(pictures, make_image):
    become_another_database()
    make_image()
    for alias in BOTH:
        adopt(alias)
    assert [marks(alias) for alias in BOTH] == [{name_of()}] * 2
    with pytest.raises(CommandError, match=r"names 5 originals there; records name 1.*--most 5"):
        fix()
    assert all(are_there(pictures))
    assert fix("--most", "5") == 0
    assert not any(are_there(pictures))
    found = [quarantine.find(storages["images"], image.storage_name) for image in pictures]
    assert all(found)


def test_adopting__and_fixing_are_two_runs(pictures):
    with pytest.raises(CommandError, match="not allowed with argument"):
        call_command("images_reconcile", "--fix", "--adopt-storage", "images")


# --- an older database ------------------------------------------------------------------------


@pytest.fixture
def older_backup(pictures, make_image):
    """A backup restored after two more images came and a night passed; answers with those two."""
    kept = Installation.objects.get().runs
    newer = [make_image(), make_image()]
    call_command("images_clean")
    forget_records(newer)
    Installation.objects.update(runs=kept)
    return newer


def test_older_backup__takes_nothing_away(older_backup, files):
    before = files()
    with pytest.raises(CommandError, match=r"has seen 1 runs .* remembers 0.*older backup"):
        fix()
    with pytest.raises(CommandError, match="older backup"):
        call_command("images_clean")
    assert files() == before


def test_older_backup__that_is_kept_puts_what_came_since_into_quarantine(older_backup, capsys):
    assert look("--adopt-storage", "images", "--adopt-storage", "image_renditions") == 1
    assert capsys.readouterr().out.count("bytes that no record names") == 2
    assert fix() == 0
    assert capsys.readouterr().out.count("Put into quarantine.") == 2
    assert look() == 0


def test_newer_backup__gets_its_originals_back(older_backup, capsys):
    look("--adopt-storage", "images", "--adopt-storage", "image_renditions")
    assert fix() == 0
    Image.objects.bulk_create(older_backup)
    capsys.readouterr()
    assert look() == 1
    assert capsys.readouterr().out.count("It is in quarantine; --fix brings it back.") == 2
    assert fix() == 0
    assert capsys.readouterr().out.count("Brought back from quarantine.") == 2
    assert all(are_there(older_backup))
    assert look("--checksums") == 0


def test_copy__that_goes_on_stops_the_other(pictures):
    """Two databases with one id, as a copy for staging has it, over the same bytes."""
    assert fix() == 0  # the copy's
    Installation.objects.update(runs=0)  # the original's, which has not run since
    with pytest.raises(CommandError, match="another copy of it works on the same files"):
        fix()


# --- storages without a mark ------------------------------------------------------------------


@pytest.fixture
def unmarked(pictures):
    """As before there were marks."""
    for alias in BOTH:
        for name in marks(alias):
            storages[alias].delete(name)
    Installation.objects.all().delete()
    return pictures


def test_unmarked__is_not_fixed_before_somebody_has_looked(unmarked, capsys):
    with pytest.raises(CommandError, match=r"has no mark .* without --fix"):
        fix()
    assert marks("images") == set()
    assert look() == 0
    assert capsys.readouterr().err.count("has got the mark of this site.") == 2
    assert [marks(alias) for alias in BOTH] == [{name_of()}] * 2
    assert fix() == 0


def test_unmarked__is_not_marked_by_a_database_that_knows_none_of_it(unmarked):
    forget_records()
    look()
    assert [marks(alias) for alias in BOTH] == [set()] * 2
    with pytest.raises(CommandError, match="has no mark"):
        fix()
    assert all(are_there(unmarked))


def test_unmarked__is_marked_by_cleaning_which_deletes_nothing_then(unmarked, capsys):
    Image.objects.update(trashed_at=timezone.now() - timedelta(days=400))
    call_command("images_clean")
    assert "got the mark of this site. No image was deleted" in capsys.readouterr().out
    assert Image.objects.count() == 5
    call_command("images_clean")
    assert Image.objects.count() == 0
    assert not any(are_there(unmarked))


def test_unmarked__storage_of_another_place_is_no_reason_to_forget(unmarked, settings, tmp_path):
    """An empty disk where the pictures should be, and records whose time has come."""
    settings.STORAGES = {
        **settings.STORAGES,
        "images": {
            "BACKEND": "images_app.storages.PrivateFileSystemStorage",
            "OPTIONS": {"location": tmp_path / "not mounted"},
        },
    }
    Image.objects.update(trashed_at=timezone.now() - timedelta(days=400))
    with pytest.raises(CommandError, match="has no mark"):
        call_command("images_clean")
    assert Image.objects.count() == 5
    assert not mark_if_known("images")


def test_unmarked__new_place_for_renditions_forgets_the_old_ones(pictures, settings, tmp_path):
    """As docs/how-to/storages.md says: they are made again there."""
    settings.STORAGES = {
        **settings.STORAGES,
        "image_renditions": {
            "BACKEND": "images_app.storages.PrivateFileSystemStorage",
            "OPTIONS": {"location": tmp_path / "new place", "allow_overwrite": True},
        },
    }
    assert fix() == 0
    assert not Rendition.objects.exists()
    make_renditions(pictures[0], specs_for(pictures[0], [get_settings().presets["thumb"]]))
    assert marks("image_renditions") == {name_of()}


# --- how much may go --------------------------------------------------------------------------


def strays(number):
    for each in range(number):
        storages["images"].save(f"ab/{each:032x}.jpg", ContentFile(b"bytes"))


@pytest.mark.parametrize(("number", "is_refused"), [(5, False), (6, True)])
def test_most__of_what_is_there_needs_a_word(pictures, number, is_refused, capsys):
    strays(number)
    if is_refused:
        with pytest.raises(CommandError, match=f"say --most {number}"):
            fix()
        assert Rendition.objects.count() == 5
        with pytest.raises(CommandError):
            fix("--most", str(number - 1))
        assert fix("--most", str(number)) == 0
    else:
        assert fix() == 0
    assert look() == 0


def test_most__no_record_at_all_needs_a_word(pictures):
    forget_records()
    with pytest.raises(CommandError, match="names 5 originals there; records name 0"):
        fix()
    assert all(are_there(pictures))


@pytest.mark.folder
def test_most__what_is_young_is_not_taken_for_known(pictures, private_folder):
    forget_records()
    strays(3)
    for path in private_folder.rglob(f"{0:030x}??.jpg"):
        os.utime(path, (time.time() - 10**5,) * 2)
    with pytest.raises(CommandError, match="records name 0"):
        fix("--grace", "60")


def test_most__many_need_a_word(pictures, monkeypatch):
    monkeypatch.setattr("images_app.reconciling.guarding.MANY", 2)
    strays(3)
    with pytest.raises(CommandError, match="--most 3"):
        fix()


def test_most__does_not_count_what_is_young(pictures):
    strays(9)
    call_command("images_reconcile", "--fix", "--grace", "60")
    assert storages["images"].exists(f"ab/{0:032x}.jpg")


# --- the quarantine ---------------------------------------------------------------------------


def test_quarantine__is_emptied_after_its_days(pictures, settings, monkeypatch, capsys):
    strays(2)
    assert fix() == 0
    call_command("images_clean")
    there = quarantine.find(storages["images"], f"ab/{0:032x}.jpg")
    assert there.startswith(f".images-app-quarantine/{timezone.now().date()}/ab/")
    later = timezone.now() + timedelta(days=30)
    monkeypatch.setattr(timezone, "now", lambda: later)
    capsys.readouterr()
    call_command("images_clean")
    assert "Deleted: 2 originals that were in quarantine." in capsys.readouterr().out
    assert not storages["images"].exists(there)


def test_quarantine__is_emptied_by_reconciling_too(pictures, monkeypatch):
    strays(1)
    assert fix() == 0
    later = timezone.now() + timedelta(days=30)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert fix() == 0
    assert quarantine.find(storages["images"], f"ab/{0:032x}.jpg") is None


def test_quarantine__keeps_what_a_record_names_again(pictures, monkeypatch):
    """A run that was resumed behind the originals has brought nothing back."""
    name = pictures[0].storage_name
    quarantine.put_away(storages["images"], name)
    later = timezone.now() + timedelta(days=99)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert quarantine.delete_expired("images") == 0
    assert quarantine.find(storages["images"], name)


def test_quarantine__leaves_what_is_not_ours(pictures):
    name = f"{quarantine.FOLDER}/2001-99-99/notes.txt"
    storages["images"].save(name, ContentFile(b"x"))
    call_command("images_clean")
    assert storages["images"].exists(name)


def test_quarantine__of_a_storage_that_knows_no_renaming(pictures, settings, tmp_path):
    plain = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": tmp_path / "plain"},
    }
    settings.STORAGES = {**settings.STORAGES, "images": plain}
    assert not hasattr(storages["images"], "rename")
    adopt("images")
    strays(2)
    assert fix("--most", "2") == 1  # the five are missing there
    name = f"ab/{1:032x}.jpg"
    assert not storages["images"].exists(name)
    assert quarantine.bring_back(storages["images"], name)
    with storages["images"].open(name) as file:
        assert file.read() == b"bytes"
    assert not quarantine.bring_back(storages["images"], name)


def test_rename__replaces_what_a_killed_run_has_left(pictures):
    storage = storages["images"]
    strays(1)
    there = f"{quarantine.FOLDER}/2026-01-01/ab/{0:032x}.jpg"
    storage.save(there, ContentFile(b"left"))
    storage.rename(f"ab/{0:032x}.jpg", there)
    with storage.open(there) as file:
        assert file.read() == b"bytes"
    assert not storage.exists(f"ab/{0:032x}.jpg")
    with pytest.raises(FileNotFoundError):
        storage.rename("ab/nothing.jpg", there)


@pytest.mark.folder
def test_shared__folder_of_two_aliases_loses_nothing(pictures, settings, files):
    """By mistake renditions lie where the originals do: E006 refuses it, housekeeping bears it."""
    options = {**settings.STORAGES["images"]["OPTIONS"], "allow_overwrite": True}
    both = {**settings.STORAGES["images"], "OPTIONS": options}
    Rendition.objects.all().delete()
    settings.STORAGES = {**settings.STORAGES, "image_renditions": both}
    hour_ago = time.time() - 3600
    for image in pictures:
        path = storages["images"].path(image.storage_name)
        os.utime(path, (hour_ago, hour_ago))
    before = files()
    fix("--most", "100")
    assert files() == before
    assert all(are_there(pictures))


# --- two databases, as processes --------------------------------------------------------------

SITE = """
import sys
import django
from django.conf import settings
from tests import settings as ours
settings.configure(**{k: v for k, v in vars(ours).items() if k.isupper()})
settings.DATABASES["default"]["NAME"] = sys.argv[1]
for alias, folder in (("images", "originals"), ("image_renditions", "renditions")):
    settings.STORAGES[alias] = {
        "BACKEND": "images_app.storages.PrivateFileSystemStorage",
        "OPTIONS": {"location": f"{sys.argv[2]}/{folder}"},
    }
django.setup()
from django.core.management import call_command
if sys.argv[3] == "begin":
    from images_app.ingest import ingest_image
    from tests.pictures import upload
    call_command("migrate", verbosity=0)
    for number in range(int(sys.argv[4])):
        ingest_image(upload(color=(number, 9, 9)))
else:
    call_command(*sys.argv[3:])
"""


@pytest.mark.slow
@pytest.mark.folder
def test_staging__on_the_bytes_of_production_deletes_none(tmp_path):
    def site(name, *arguments):
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SITE, tmp_path / name, tmp_path, *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=ROOT,
        )

    def originals():
        found = (tmp_path / "originals").glob("[0-9a-f][0-9a-f]/*.jpg")
        return sorted(path.name for path in found)

    assert site("production.sqlite3", "begin", "5").returncode == 0
    assert site("staging.sqlite3", "begin", "6").returncode == 0
    assert len(before := originals()) == 11
    fix = ("images_reconcile", "--fix", "--grace", "0")
    refused = site("staging.sqlite3", *fix, "--most", "99")
    assert refused.returncode == 1
    assert "belongs to the site" in refused.stderr
    assert originals() == before
    # The owner may, and what staging has put there comes back from quarantine by hand.
    assert "say --most 6" in site("production.sqlite3", *fix).stderr
    assert site("production.sqlite3", *fix, "--most", "6").returncode == 0
    assert len(originals()) == 5
    kept = (tmp_path / "originals/.images-app-quarantine").rglob("*.jpg")
    assert sorted([*originals(), *(path.name for path in kept)]) == before
