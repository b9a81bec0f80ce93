"""People: values of an export, and hosts whose users and images are unlike ours."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import textwrap

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

from images_app.models import Image
from images_app.people import (
    Belongings,
    Exported,
    count_belongings,
    delete_person,
    export_person,
    hand_over,
)
from images_app.people.names import damaged_name
from images_app.people.writing import make_private_folder, write_json
from tests.models.test_swapped import ROOT, SETTINGS

# --- JSON -------------------------------------------------------------------------------------


def dumped(value):
    file = io.BytesIO()
    write_json(file, value)
    return file.getvalue().decode()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (dict, {}),
        (lambda: iter(()), []),
        (lambda: iter((1, "ü", None)), [1, "ü", None]),
        (lambda: {"a": iter(({"b": iter(())}, {"b": iter((1,))}))}, {"a": [{"b": []}, {"b": [1]}]}),
        (lambda: {"list": [1, {"x": True}], "f": 0.5}, {"list": [1, {"x": True}], "f": 0.5}),
        (lambda: {'qu"ote': "line\nbreak \u202e"}, {'qu"ote': "line\nbreak \u202e"}),
        (lambda: {"broken": "\ud800"}, {"broken": "?"}),
    ],
)
def test_json__is_json(make, expected):
    assert json.loads(dumped(make())) == expected


def test_json__is_written_while_it_is_read():
    """Or a million images would have to fit into memory."""
    file, lengths = io.BytesIO(), []

    def parts():
        for number in range(5):
            lengths.append(file.tell())
            yield {"number": number}

    write_json(file, {"parts": parts()})
    assert len(set(lengths)) == 5


def test_folder__is_never_open_to_others(tmp_path, monkeypatch):
    """Not even for the moment before its mode is set."""
    monkeypatch.setattr(type(tmp_path), "chmod", lambda self, mode: None)
    previous = os.umask(0)
    try:
        make_private_folder(tmp_path / "out")
    finally:
        os.umask(previous)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("name", "expected"),
    [("000001-a.jpg", "000001-a.damaged.jpg"), ("000001.jpg", "000001.damaged.jpg")],
)
def test_names__of_damaged_bytes_say_so(name, expected):
    assert damaged_name(name) == expected


# --- the functions behind the commands --------------------------------------------------------


def test_export__answers_with_numbers(make_user, make_image, tmp_path):
    anna = make_user("anna")
    make_image(owner=anna)
    assert export_person(anna, tmp_path / "out") == Exported(images=1, failed=0)


def test_belongings__of_a_person_with_nothing(make_user, make_image):
    make_image()
    nothing = Belongings(
        images=0, trashed=0, hung_elsewhere=0, galleries=0, grants=0, links=0, entries=0
    )
    assert count_belongings(make_user("anna")) == nothing
    assert not nothing.owns_anything


def test_belongings__that_hang_where_nobody_owns_hang_elsewhere(
    make_user, make_image, make_gallery
):
    anna = make_user("anna")
    own = make_gallery(owner=anna)
    for gallery in (make_gallery(owner=None), own, own):
        make_image(owner=anna, gallery=gallery)
    assert count_belongings(anna).hung_elsewhere == 1


def test_delete__of_what_is_handed_over_is_a_contradiction(make_user, make_image):
    anna, berta = make_user("anna"), make_user("berta")
    make_image(owner=anna)
    with pytest.raises(ValidationError) as caught:
        delete_person(anna, hand_over_to=berta, delete_images=True)
    assert caught.value.code == "contradiction"
    assert Image.objects.get().owner == anna


@pytest.mark.parametrize("way", ["stale", "gone"])
def test_hand_over__asks_the_database_who_is_active(make_user, make_image, way):
    anna, berta = make_user("anna"), make_user("berta")
    make_image(owner=anna)
    row = get_user_model().objects.filter(pk=berta.pk)
    row.update(is_active=False) if way == "stale" else row.delete()
    with pytest.raises((ValidationError, get_user_model().DoesNotExist)):
        hand_over(anna, berta)
    assert Image.objects.get().owner == anna


# --- other hosts ------------------------------------------------------------------------------

URLS = """
from django.urls import include, path

urlpatterns = [path("", include("images_app.urls"))]
"""
HOST = """
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from images_app.models import AbstractImage


class ShownPeople(BaseUserManager):
    def get_queryset(self):
        return super().get_queryset().filter(is_hidden=False)


class Person(AbstractBaseUser):
    email = models.EmailField(primary_key=True)
    is_hidden = models.BooleanField(default=False)
    USERNAME_FIELD = "email"
    objects = ShownPeople()


class ShownPhotos(models.Manager):
    def get_queryset(self):
        return super().get_queryset().filter(is_draft=False)


class Photo(AbstractImage):
    licence = models.CharField(max_length=40, default="CC0")
    is_draft = models.BooleanField(default=False)
    objects = ShownPhotos()

    class Meta(AbstractImage.Meta):
        pass
"""
STORY = """
import json
from pathlib import Path
from django.conf import settings
from django.core.management import CommandError, call_command
from host.models import Person, Photo
from images_app import ingest_image
from images_app.models import Gallery, Grant, ShareLink
from tests.pictures import upload

anna = Person.objects.create(email="anna@example.org", is_hidden=True)
berta = Person.objects.create(email="berta@example.org")
gallery = Gallery.objects.create(title="Pets", owner=anna)
shown = ingest_image(upload("shown.jpg"), owner=anna, gallery=gallery, licence="mine")
draft = ingest_image(upload("draft.jpg"), owner=anna, is_draft=True)
Grant.objects.create(gallery=gallery, user=berta, level=20)
ShareLink.objects.create(gallery=gallery, created_by=anna, token_hash="a" * 64)

call_command("images_export", "anna@example.org", "out")
told = json.loads(Path("out/export.json").read_text())
assert told["person"] == "anna@example.org"
assert [row["further"] for row in told["images"]] == [
    {"licence": "mine", "is_draft": "False"}, {"licence": "CC0", "is_draft": "True"}
], told["images"]
assert [row["to_user"] for row in told["grants_given"]] == ["berta@example.org"]
assert told["galleries"][0]["images"][0]["title"] == "shown"

names = ["anna@example.org", "berta@example.org"]
call_command("images_hand_over", *names, "--gallery", "Pets", "--keep-links")
assert ShareLink.objects.get().created_by == berta
assert not Grant.objects.exists()
try:
    call_command("images_delete_user", names[0], "--delete-images", "--keep-account", "--no-input")
except CommandError as error:
    assert "no field is_active" in str(error), error
else:
    raise AssertionError
assert Photo._base_manager.count() == 2
call_command("images_delete_user", names[0], "--hand-over-to", names[1], "--no-input")
assert set(Photo._base_manager.values_list("owner", flat=True)) == {names[1]}
call_command("images_delete_user", names[1], "--delete-images", "--no-input")
assert not Photo._base_manager.exists() and not Gallery.objects.exists()
assert not Person._base_manager.exists() and not ShareLink.objects.exists()
private = settings.BASE_DIR / "private"
left = [path for path in private.glob("*/[!.]*/**/*") if path.is_file()]  # but for the marks
assert left == [], left
print("all well")
"""


def test_host__with_other_users_and_images(tmp_path):
    """Users by e-mail, without groups, is_active, or a number; managers that hide some rows."""
    settings = SETTINGS + textwrap.dedent(
        """
        INSTALLED_APPS.remove("django.contrib.admin")
        AUTH_USER_MODEL = "host.Person"
        IMAGES_APP_IMAGE_MODEL = "host.Photo"
        """
    )
    for name, text in {
        "settings.py": settings,
        "urls.py": URLS,
        "host/__init__.py": "",
        "host/models.py": HOST,
        "host/migrations/__init__.py": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    for arguments in (
        ["-m", "django", "makemigrations", "host", "--verbosity", "0"],
        ["-m", "django", "migrate", "--verbosity", "0"],
        ["-c", f"import django\ndjango.setup()\n{STORY}"],
    ):
        said = in_project(tmp_path, arguments)
    assert said.endswith("all well\n")


def in_project(folder, arguments):
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("DJANGO_", "IMAGES_", "COV_"))},
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
