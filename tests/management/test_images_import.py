"""images_import: a tree of files comes in, once, and every failure is named."""

from __future__ import annotations

import io
import sys

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from images_app.management.progress import Progress
from images_app.models import Gallery, Image
from tests.pictures import bomb_header, picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(make_user):
    return make_user("anna")


@pytest.fixture
def tree(tmp_path):
    """Write files, by names and contents, into a folder and answer with it."""
    folder = tmp_path / "photographs"
    folder.mkdir()

    def write(contents):
        for name, content in contents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder

    return write


@pytest.fixture
def run(owner):
    """Run the command; answer with exit code, output and errors."""

    def run(folder, gallery="Summer", user="anna"):
        out, err = io.StringIO(), io.StringIO()
        try:
            call_command(
                "images_import", folder, gallery=gallery, owner=user, stdout=out, stderr=err
            )
        except SystemExit as stop:
            return stop.code, out.getvalue(), err.getvalue()
        return 0, out.getvalue(), err.getvalue()

    return run


def shade(number: int) -> bytes:
    """A picture unlike the others."""
    return picture(color=(number, 90, 90))


def titles() -> list[str]:
    return [item.image.title for item in Gallery.objects.get().items.all()]


def test_import__brings_in_a_tree_in_the_order_of_names(tree, run, owner):
    folder = tree(
        {
            "c.jpg": shade(1),
            "a.png": picture("PNG"),
            "deep/er/b.webp": picture("WEBP"),
            "deep/a.jpg": shade(2),
        }
    )
    assert run(folder) == (0, "4 imported, 0 already there, 0 failed.\n", "")
    assert titles() == ["a", "c", "a", "b"]
    gallery = Gallery.objects.get()
    assert (gallery.title, gallery.owner, gallery.visibility) == ("Summer", owner, "private")
    assert set(Image.objects.values_list("owner", flat=True)) == {owner.pk}


def test_import__twice_skips_all(tree, run, files):
    folder = tree({"a.jpg": shade(1), "b.jpg": shade(2), "copy of a.jpg": shade(1)})
    assert run(folder)[1] == "2 imported, 1 already there, 0 failed.\n"
    before = files()
    assert run(folder) == (0, "0 imported, 3 already there, 0 failed.\n", "")
    assert files() == before
    assert Gallery.objects.count() == 1


def test_import__goes_on_where_it_stopped(tree, run):
    run(tree({"a.jpg": shade(1)}))
    folder = tree({"a.jpg": shade(1), "b.jpg": shade(2)})
    assert run(folder)[1] == "1 imported, 1 already there, 0 failed.\n"
    assert titles() == ["a", "b"]


def test_import__takes_what_is_in_the_trash_or_elsewhere_anew(tree, run):
    folder = tree({"a.jpg": shade(1)})
    run(folder)
    assert run(folder, gallery="Winter")[1] == "1 imported, 0 already there, 0 failed.\n"
    Image.objects.filter(galleries__title="Summer").update(trashed_at="2026-01-01T00:00Z")
    assert run(folder)[1] == "1 imported, 0 already there, 0 failed.\n"


def test_import__fills_the_owners_gallery_not_that_of_another(tree, run, owner, make_gallery):
    foreign, own = make_gallery("Summer"), make_gallery("Summer", owner=owner)
    run(tree({"a.jpg": shade(1)}))
    assert (foreign.items.count(), own.items.count()) == (0, 1)
    assert Gallery.objects.count() == 2


def test_import__skips_hidden_files_and_links(tree, run, tmp_path):
    folder = tree(
        {
            "a.jpg": shade(1),
            ".hidden.jpg": shade(2),
            ".thumbnails/b.jpg": shade(3),
            "deep/.DS_Store": b"no picture",
        }
    )
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.jpg").write_bytes(shade(4))
    (folder / "link.jpg").symlink_to(outside / "secret.jpg")
    (folder / "linked").symlink_to(outside)
    (folder / "broken.jpg").symlink_to(outside / "nothing.jpg")
    assert run(folder) == (0, "1 imported, 0 already there, 0 failed.\n", "")
    assert titles() == ["a"]


def test_import__names_each_failure_and_keeps_the_others(tree, run, files):
    folder = tree(
        {
            "a.jpg": shade(1),
            "b/text.jpg": b"Hello, I am no picture.",
            "c.pdf": b"%PDF-1.7 and so on",
            "d.png": bomb_header(60_000, 60_000),
            "e.jpg": b"",
            "f.jpg": shade(2),
        }
    )
    code, out, err = run(folder)
    assert code == 1
    assert out == "2 imported, 0 already there, 4 failed.\n"
    lines = err.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["b/text.jpg", "c.pdf", "d.png", "e.jpg"]
    assert "Allowed are JPEG" in lines[0]
    assert "PDF" in lines[1]
    assert "more pixels than allowed (50 megapixels)" in lines[2]
    assert lines[3] == "e.jpg: The file is empty."
    assert titles() == ["a", "f"]
    assert len([name for name in files() if name.startswith("images/")]) == 2


def test_import__goes_on_after_a_file_that_cannot_be_read(tree, run, monkeypatch):
    folder = tree({"a.jpg": shade(1), "b.jpg": shade(2)})
    path_type = type(folder)
    open_file = path_type.open

    def refuse(self, *args, **kwargs):
        if self.name == "a.jpg":
            raise PermissionError(13, "Permission denied", str(self))
        return open_file(self, *args, **kwargs)

    monkeypatch.setattr(path_type, "open", refuse)
    assert run(folder) == (
        1,
        "1 imported, 0 already there, 1 failed.\n",
        "a.jpg: Permission denied\n",
    )


def test_import__names_a_failing_storage(tree, run, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("/secret/path")

    monkeypatch.setattr(storages["images"], "_save", fail)
    code, _, err = run(tree({"a.jpg": shade(1)}))
    assert code == 1
    assert err == "a.jpg: The storage cannot be reached right now. Try again in a moment.\n"


def test_import__of_an_empty_folder_is_fine(tree, run):
    assert run(tree({})) == (0, "0 imported, 0 already there, 0 failed.\n", "")


def test_import__wants_a_folder(tree, run):
    folder = tree({"a.jpg": shade(1)})
    for path in (folder / "a.jpg", folder / "nothing"):
        with pytest.raises(CommandError, match="is not a folder"):
            run(path)
    assert not Gallery.objects.exists()


@pytest.mark.parametrize("name", ["nobody", "ANNA", "", "anna "])
def test_import__wants_a_user(tree, run, name):
    with pytest.raises(CommandError, match="There is no user"):
        run(tree({"a.jpg": shade(1)}), user=name)
    assert not Gallery.objects.exists()


@pytest.mark.parametrize("missing", ["--gallery", "--owner"])
def test_import__wants_gallery_and_owner(tmp_path, missing):
    given = {"--gallery": "Summer", "--owner": "anna"}
    del given[missing]
    arguments = [part for pair in given.items() for part in pair]
    with pytest.raises(CommandError, match=missing):
        call_command("images_import", str(tmp_path), *arguments)


# --- progress ---------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress__is_one_line_on_a_terminal(tree, run, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    run(tree({"a.jpg": shade(1), "b.jpg": b"", "c.jpg": shade(3)}))
    drawn = terminal.getvalue()
    assert "\n" not in drawn
    assert "1/3 a.jpg" in drawn
    assert f"[{'#' * 24}] 3/3 c.jpg" in drawn
    assert drawn.endswith("\r\x1b[K")


def test_progress__is_silent_where_nobody_watches(tree, run, capsys):
    run(tree({"a.jpg": shade(1), "b.jpg": b""}))
    assert capsys.readouterr() == ("", "")


def test_progress__is_drawn_now_and_then_and_at_the_end():
    terminal = Terminal()
    progress = Progress(terminal, 1000)
    for number in range(1000):
        progress.step(f"{number}.jpg")
    assert 2 <= terminal.getvalue().count("\r") < 500
    assert f"[{'#' * 24}] 1000/1000 999.jpg" in terminal.getvalue()


def test_progress__cuts_long_names():
    terminal = Terminal()
    Progress(terminal, 2).step("x" * 500)
    assert terminal.getvalue() == f"\r\x1b[K[{'#' * 12}{'-' * 12}] 1/2 {'x' * 40}"
