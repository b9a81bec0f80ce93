"""images_demo: people, galleries and pictures to look at."""

from __future__ import annotations

import io
import re
import sys

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from images_app.access import Level, Viewer
from images_app.models import Gallery, Grant, Image
from project.demo.management.commands import images_demo
from project.demo.pictures import SIZES, landscape
from tests.pictures import opened, picture

pytestmark = pytest.mark.django_db
PEOPLE = ("viewer", "editor", "admin")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Fewer pictures, painted smaller; one test below paints a real one."""
    monkeypatch.delenv("IMAGES_DEMO_PASSWORD", raising=False)
    rows = [
        (*row[:3], range(i * 2, i * 2 + 2), row[4]) for i, row in enumerate(images_demo.GALLERIES)
    ]
    monkeypatch.setattr(images_demo, "GALLERIES", tuple(rows))
    monkeypatch.setattr(images_demo, "landscape", lambda number: picture(color=(number, 9, 9)))


def run(**options) -> str:
    out = io.StringIO()
    call_command("images_demo", no_serve=True, stdout=out, **options)
    return out.getvalue()


def user(name):
    return get_user_model().objects.get(username=name)


def passwords(output) -> dict[str, str]:
    return dict(re.findall(r"^  (\w+) +(\S+)$", output, re.MULTILINE))


def test_demo__makes_three_people_with_their_roles():
    printed = passwords(run())
    assert tuple(printed) == PEOPLE
    for name, password in printed.items():
        assert len(password) >= 12
        assert user(name).check_password(password)
    roles = {name: (user(name).is_staff, user(name).is_superuser) for name in PEOPLE}
    assert roles == {"viewer": (False, False), "editor": (True, False), "admin": (True, True)}
    editor = user("editor")
    for permission in ("add_image", "change_gallery", "delete_image", "add_grant"):
        assert editor.has_perm(f"images_app.{permission}")
    assert editor.has_perm("accounts.view_user")
    assert not editor.has_perm("accounts.change_user")
    assert user("viewer").get_all_permissions() == set()


def test_demo__shows_each_visibility_and_hides_one_from_viewer():
    run()
    assert set(Gallery.objects.values_list("visibility", flat=True)) == {
        "private",
        "members",
        "public",
    }
    seen = {
        name: {gallery.title for gallery in Gallery.objects.visible_to(Viewer(user=user(name)))}
        for name in PEOPLE
    }
    everything = {row[0] for row in images_demo.GALLERIES}
    assert seen["viewer"] == everything - {"Not for viewer"}
    assert seen["editor"] == seen["admin"] == everything
    assert set(Grant.objects.values_list("user__username", "level")) == {("viewer", Level.VIEW)}


def test_demo__twice_changes_nothing(files):
    first = passwords(run())
    before = files(), [model.objects.count() for model in (Gallery, Image, Grant)]
    again = run()
    assert "as printed when it was made" in again
    assert not any(password in again for password in first.values())
    assert (files(), [model.objects.count() for model in (Gallery, Image, Grant)]) == before
    for name, password in first.items():
        assert user(name).check_password(password)


def test_demo__takes_passwords_from_the_environment(monkeypatch):
    first = passwords(run())
    monkeypatch.setenv("IMAGES_DEMO_PASSWORD", "correct horse battery")
    assert "correct horse battery" in run()
    for name in PEOPLE:
        assert user(name).check_password("correct horse battery")
        assert not user(name).check_password(first[name])


def test_demo__makes_a_gallery_anew_that_was_deleted():
    run()
    Gallery.objects.filter(title="Postcards").delete()
    run()
    assert Gallery.objects.get(title="Postcards").images.count() == 2


def test_demo__brings_photographs_in(tmp_path, capsys):
    folder = tmp_path / "photographs"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(picture(color=(1, 2, 3)))
    run(photos=folder)
    run(photos=folder)
    gallery = Gallery.objects.get(title="Photographs")
    assert [image.title for image in gallery.images.all()] == ["a"]
    assert gallery.owner == user("editor")
    assert gallery in Gallery.objects.visible_to(Viewer(user=user("viewer")))
    assert "1 imported" in capsys.readouterr().out


def test_demo__goes_on_without_photographs_that_fail(tmp_path, capsys):
    folder = tmp_path / "photographs"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"no picture")
    (folder / "b.jpg").write_bytes(picture())
    assert "Logins:" in run(photos=folder)
    assert "the demo has the others" in capsys.readouterr().err
    assert Gallery.objects.get(title="Photographs").images.count() == 1


def test_demo__wants_a_folder_of_photographs(tmp_path):
    with pytest.raises(CommandError, match="is not a folder"):
        run(photos=tmp_path / "nothing")
    assert not Gallery.objects.exists()


def test_demo__becomes_a_server(monkeypatch, settings, tmp_path):
    """On this machine only; with one process, several threads."""
    settings.STATIC_ROOT = tmp_path / "static"
    started = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(images_demo.os, "execv", lambda *command: started.append(command))
    out = io.StringIO()
    call_command("images_demo", port=8123, stdout=out)
    ((program, command),) = started
    assert program == command[0] == sys.executable
    assert command[command.index("--bind") + 1] == "127.0.0.1:8123"
    assert "http://127.0.0.1:8123/" in out.getvalue()
    assert (tmp_path / "static" / "images_app" / "images_app.css").is_file()


@pytest.mark.parametrize("number", range(2))
def test_landscape__is_a_picture_that_is_always_the_same(number):
    content = landscape(number)
    assert opened(content).size == SIZES[number]
    assert content == landscape(number)
    assert content != landscape(number + 6)
    assert opened(content).getexif().get_ifd(0x8825)  # so that one can see that nobody shows it
