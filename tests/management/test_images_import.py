"""images_import: a tree or an archive comes in, once, and every failure is named."""

from __future__ import annotations

import io
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from images_app.ingest import ingest_image
from images_app.management.commands import images_import
from images_app.management.progress import Progress
from images_app.models import Gallery, Image
from tests.parts import CORPUS, need
from tests.pictures import bomb_header, noise, picture

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
def archive(tmp_path):
    """Write a ZIP of names and contents, and answer with its path."""

    def write(contents):
        path = tmp_path / "photographs.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
            for name, content in contents.items():
                opened.writestr(name, content)
        return path

    return write


@pytest.fixture(params=["tree", "archive"])
def packed(request):
    """The same files as a tree and as an archive."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def run(owner):
    """Run the command; answer with exit code, output and errors."""

    def run(path, gallery="Summer", user="anna", **options):
        out, err = io.StringIO(), io.StringIO()
        given = {"gallery": gallery, "owner": user, **options}
        try:
            call_command("images_import", path, **given, stdout=out, stderr=err)
        except SystemExit as stop:
            return stop.code, out.getvalue(), err.getvalue()
        return 0, out.getvalue(), err.getvalue()

    return run


def shade(number: int) -> bytes:
    """A picture unlike the others."""
    return picture(color=(number, 90, 90))


def titles() -> list[str]:
    return [item.image.title for item in Gallery.objects.get().items.all()]


def test_import__brings_in_a_tree_in_the_order_of_names(packed, run, owner):
    folder = packed(
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


def test_import__twice_skips_all(packed, run, files):
    folder = packed({"a.jpg": shade(1), "b.jpg": shade(2), "copy of a.jpg": shade(1)})
    assert run(folder)[1] == "2 imported, 1 already there, 0 failed.\n"
    before = files()
    assert run(folder) == (0, "0 imported, 3 already there, 0 failed.\n", "")
    assert files() == before
    assert Gallery.objects.count() == 1


def test_import__goes_on_where_it_stopped(packed, run):
    run(packed({"a.jpg": shade(1)}))
    folder = packed({"a.jpg": shade(1), "b.jpg": shade(2)})
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


BESIDE = {
    "Thumbs.db": b"no picture",
    "a.AAE": b"<plist>",
    "a.jpg.json": b"{}",
    "a.MOV": b"no picture",
    "deep/.Spotlight-V100/b.jpg": b"no picture",
    "@eaDir/a.jpg/SYNOPHOTO_THUMB_S.jpg": shade(8),
    "#recycle/old.jpg": shade(9),
    "__MACOSX/._a.jpg": b"\0\5\x16\7",
}


def test_import__counts_what_stands_beside_pictures_and_takes_none_of_it(packed, run):
    folder = packed({**BESIDE, "a.jpg": shade(1)})
    assert run(folder) == (0, "1 imported, 0 already there, 4 no pictures, 0 failed.\n", "")
    assert titles() == ["a"]


def test_dry_run__names_what_stands_beside_pictures(packed, run):
    code, out, _ = run(packed({"a.jpg": shade(1), "a.MOV": b"x"}), dry_run=True)
    lines = ["a.jpg: new", "a.MOV: no picture"]
    total = "1 would be imported, 0 already there, 1 no pictures, 0 failed."
    assert (code, sorted(out.splitlines())) == (0, sorted([*lines, total]))


@pytest.mark.parametrize("contents", [{}, {"a.jpg": b"no picture"}, {"Thumbs.db": b"x"}], ids=str)
def test_import__leaves_no_empty_gallery_of_its_own(tree, run, contents, owner):
    run(tree(contents))
    assert not Gallery.objects.exists()
    Gallery.objects.create(title="Summer", owner=owner)
    run(tree(contents))
    assert Gallery.objects.count() == 1


def test_import__that_is_stopped_keeps_the_gallery_of_what_came(tree, run, monkeypatch):
    taken = []

    def stop_at_the_second(file, **fields):
        if taken:
            raise KeyboardInterrupt
        taken.append(ingest_image(file, **fields))

    monkeypatch.setattr(images_import, "ingest_image", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        run(tree({"a.jpg": shade(1), "b.jpg": shade(2)}))
    assert titles() == ["a"]


def test_import__names_each_failure_and_keeps_the_others(packed, run, files):
    folder = packed(
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


@pytest.fixture
def opening(monkeypatch):
    """Have something done, or fail, just before a file of that name is opened."""
    open_file = os.open

    def arrange(name, act):
        def opened(path, *args, **kwargs):
            if path == name:
                act()
            return open_file(path, *args, **kwargs)

        monkeypatch.setattr(images_import.os, "open", opened)

    return arrange


def failing(error):
    def fail():
        raise error

    return fail


def test_import__goes_on_after_a_file_that_cannot_be_read(tree, run, opening):
    folder = tree({"a.jpg": shade(1), "b.jpg": shade(2)})
    opening("a.jpg", failing(PermissionError(13, "Permission denied", "/secret/a.jpg")))
    expected = "1 imported, 0 already there, 1 failed.\n", "a.jpg: Permission denied\n"
    assert run(folder) == (1, *expected)


def test_import__goes_on_after_a_folder_that_cannot_be_read(tree, run, monkeypatch):
    folder = tree({"a/a.jpg": shade(1), "b.jpg": shade(2)})
    list_folder = os.scandir

    def refuse(path):
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", path)
        return list_folder(path)

    monkeypatch.setattr(images_import.os, "scandir", refuse)
    expected = "1 imported, 0 already there, 1 failed.\n", "a: Permission denied\n"
    assert run(folder) == (1, *expected)


def replaced_by(path, make):
    """Act as somebody who swaps a file or a folder for something else."""

    def act():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        make(path)

    return act


@pytest.mark.parametrize(
    ("swapped", "make", "reason"),
    [
        ("deep/a.jpg", lambda path: None, "No such file or directory"),
        ("deep/a.jpg", lambda path: path.symlink_to("/etc/passwd"), "symbolic links"),
        ("deep/a.jpg", os.mkfifo, "no ordinary file"),
        ("deep/a.jpg", Path.mkdir, "Is a directory"),
        ("deep", lambda path: path.symlink_to(path.parent.parent / "outside"), "Not a directory"),
    ],
)
def test_import__of_what_is_swapped_meanwhile_is_an_error_of_that_file(
    tree, run, opening, tmp_path, swapped, make, reason
):
    folder = tree({"deep/a.jpg": shade(1), "z.jpg": shade(2)})
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.jpg").write_bytes(shade(3))
    act = replaced_by(folder / swapped, make)
    opening(Path(swapped).name, act)
    code, out, err = run(folder)
    assert (code, out) == (1, "1 imported, 0 already there, 1 failed.\n")
    assert err.startswith("deep/a.jpg: ")
    assert reason in err
    assert titles() == ["z"]


@pytest.mark.parametrize("change", [b"more", None])
def test_import__of_what_changes_while_it_is_read_is_an_error_of_that_file(
    tree, run, monkeypatch, change
):
    folder = tree({"a.jpg": shade(1), "b.jpg": shade(2)})
    copied = images_import.copied

    def changing(source, name, *, most):
        if name == "a.jpg" and change:
            with (folder / name).open("ab") as opened:
                opened.write(change)
        elif name == "a.jpg":
            os.utime(folder / name, (1, 1))
        return copied(source, name, most=most)

    monkeypatch.setattr(images_import, "copied", changing)
    code, _, err = run(folder)
    assert (code, err) == (1, "a.jpg: The file changed while it was read. Try again.\n")
    assert titles() == ["b"]


def test_import__waits_for_no_pipe_and_opens_no_device(tree, run):
    folder = tree({"a.jpg": shade(1)})
    os.mkfifo(folder / "pipe.jpg")
    assert run(folder) == (0, "1 imported, 0 already there, 0 failed.\n", "")


def test_import__follows_the_link_that_it_was_given(tree, run, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tree({"a.jpg": shade(1)}))
    assert run(link)[1] == "1 imported, 0 already there, 0 failed.\n"


def test_import__prints_names_without_what_a_terminal_obeys(tree, run):
    folder = tree({"a\n\x1b[2Jb.jpg": b"text"})
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.jpg"))).write_bytes(b"text")
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfc.jpg"))).write_bytes(shade(1))
    code, out, err = run(folder)
    assert (code, out) == (1, "1 imported, 0 already there, 2 failed.\n")
    assert {line.split(":")[0] for line in err.splitlines()} == {"a??[2Jb.jpg", "??.jpg"}
    assert Image.objects.get().file_name == "??.jpg"


def test_import__of_a_file_that_is_too_large_copies_no_more_than_that(tree, run, settings):
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": 10_000}
    folder = tree({"a.jpg": shade(1), "b.jpg": noise((400, 300))})
    code, out, err = run(folder)
    assert (code, out) == (1, "1 imported, 0 already there, 1 failed.\n")
    assert "b.jpg: The file is larger than the allowed 9.8" in err


# --- archives ---------------------------------------------------------------------------------


def test_archive__of_good_and_bad_entries_gives_the_good_ones(archive, run):
    inner = archive({"a.jpg": shade(9)}).read_bytes()
    path = archive(
        {
            "__MACOSX/._b.jpg": b"resources",
            ".DS_Store": b"",
            "a/": b"",
            "a/text.txt": b"Hello",
            "a/z.zip": inner,
            "b10.jpg": shade(10),
            "b9.jpg": shade(9),
            "c.jpg": shade(8)[:-50],
        }
    )
    code, out, err = run(path)
    assert (code, out) == (1, "2 imported, 0 already there, 3 failed.\n")
    assert [line.split(":")[0] for line in err.splitlines()] == ["a/text.txt", "a/z.zip", "c.jpg"]
    assert "ZIP archive" in err
    assert titles() == ["b9", "b10"]


def test_archive__that_shows_an_attack_changes_nothing(archive, run, files):
    path = archive({"a.jpg": shade(1), "../b.jpg": shade(2)})
    with pytest.raises(CommandError, match=r"a name that leads out of it: \.\./b\.jpg"):
        run(path)
    assert not Gallery.objects.exists()
    assert not [name for name in files() if name.startswith("images/")]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"max_entries": 2}, "more than 2 entries"),
        ({"max_total": 0}, "unpacks to more than"),
        ({"max_entries": 3, "max_total": 1}, None),
    ],
)
def test_archive__bounds_can_be_set(archive, run, options, reason):
    path = archive({f"{n}.jpg": shade(40 * n) for n in range(3)})
    if reason is None:
        assert run(path, **options)[1] == "3 imported, 0 already there, 0 failed.\n"
        return
    with pytest.raises(CommandError, match=reason):
        run(path, **options)


def test_archive__that_cannot_be_opened_is_told(archive, run, monkeypatch):
    path = archive({"a.jpg": shade(1)})

    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied", "/secret")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(CommandError, match=r"photographs.zip: Permission denied"):
        run(path)


CORPUS_REFUSED = (
    *("5000_entries", "slip_absolute", "slip_backslash", "slip_dotdot", "slip_drive"),
    *("encrypted_flag", "truncated"),
)


@pytest.mark.parametrize("name", [*CORPUS_REFUSED, "nested_bomb", "long_name", "ok_3_images"])
def test_corpus__is_let_in_as_its_manifest_says(name, run, files, tmp_path):
    path = CORPUS / "archives" / f"gen__zip_{name}.zip"
    need("the corpus", is_there=path.exists())
    if name in CORPUS_REFUSED:
        with pytest.raises(CommandError):
            run(path)
    else:
        code, out, _ = run(path)
        assert (code, out) == {
            "nested_bomb": (1, "0 imported, 0 already there, 50 failed.\n"),
            "long_name": (0, "1 imported, 0 already there, 0 failed.\n"),
            # They are one picture under three names.
            "ok_3_images": (0, "1 imported, 2 already there, 0 failed.\n"),
        }[name]
    assert {Path(file).parts[0] for file in files()} <= {"images", "renditions"}


# --- dry run and stripping --------------------------------------------------------------------


def test_dry_run__lists_and_changes_nothing(packed, run, files):
    contents = {"a.jpg": shade(1), "b.jpg": b"text", "c.jpg": shade(1), "d.jpg": shade(2)}
    path, before = packed(contents), files()
    code, out, err = run(path, dry_run=True)
    assert code == 1
    assert out.splitlines() == [
        "a.jpg: new",
        "c.jpg: already there",
        "d.jpg: new",
        "2 would be imported, 1 already there, 1 failed.",
    ]
    assert err.startswith("b.jpg: ")
    assert files() == before
    assert not Gallery.objects.exists()
    run(path)
    assert run(path, dry_run=True)[1].endswith("0 would be imported, 3 already there, 1 failed.\n")


def test_import__twice_skips_what_is_stripped_on_the_way(packed, run, settings):
    settings.IMAGES_APP = {"STRIP_ORIGINALS": True}
    path = packed({"a.jpg": picture(comment=b"PRIVATE"), "b.png": picture("PNG")})
    assert run(path)[1] == "2 imported, 0 already there, 0 failed.\n"
    assert run(path)[1] == "0 imported, 2 already there, 0 failed.\n"


@pytest.mark.parametrize("title", ["", "x" * 201, "a\nb"])
def test_import__wants_a_title_that_can_be_read(tree, run, title):
    with pytest.raises(CommandError, match="title of a gallery"):
        run(tree({}), gallery=title)
    assert not Gallery.objects.exists()


def test_import__names_a_failing_storage(tree, run, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("/secret/path")

    monkeypatch.setattr(storages["images"], "_save", fail)
    code, _, err = run(tree({"a.jpg": shade(1)}))
    assert code == 1
    assert err == "a.jpg: The storage cannot be reached right now. Try again in a moment.\n"


def test_import__of_an_empty_folder_is_fine(tree, run):
    assert run(tree({})) == (0, "0 imported, 0 already there, 0 failed.\n", "")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.jpg", "a.jpg: This is no ZIP archive"),
        ("nothing", "nothing does not exist"),
        ("pipe", "pipe is neither a folder nor a ZIP archive"),
    ],
)
def test_import__wants_a_folder_or_an_archive(tree, run, name, reason):
    folder = tree({"a.jpg": shade(1)})
    os.mkfifo(folder / "pipe")
    with pytest.raises(CommandError, match=reason):
        run(folder / name)
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
