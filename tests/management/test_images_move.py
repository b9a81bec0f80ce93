"""images_move: says what it does, refuses what cannot be meant, and tells what it left alone."""

from __future__ import annotations

import json

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from images_app.management.commands import images_move
from images_app.models import Image

pytestmark = pytest.mark.django_db(transaction=True)
TABLE = "images_app.contrib.dbstorage.storage.DatabaseStorage"
PLAIN = "django.core.files.storage.FileSystemStorage"


@pytest.fixture(autouse=True)
def elsewhere(settings, tmp_path):
    """Two more storages, and a public one."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": PLAIN},
        "archive": {"BACKEND": TABLE, "OPTIONS": {"location": "archive"}},
        "cellar": {"BACKEND": TABLE, "OPTIONS": {"location": "cellar"}},
    }


def move(*arguments):
    call_command("images_move", "--grace", "0", *arguments)


def fails(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        move(*arguments)
    assert caught.value.code == 1
    return capsys.readouterr()


def where():
    return list(Image.objects.order_by("pk").values_list("storage_alias", flat=True))


def test_move__takes_all_or_those_of_one_storage(make_image, capsys):
    make_image()
    make_image()
    move("--to", "archive")
    assert capsys.readouterr().out.strip() == "2 originals moved, 0 skipped, 0 failed."
    make_image()
    move("--to", "cellar", "--from", "archive")
    assert where() == ["cellar", "cellar", "images"]
    capsys.readouterr()
    move("--to", "cellar", "--from", "archive")
    assert capsys.readouterr().out.strip() == "0 originals moved, 0 skipped, 0 failed."


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_move__reads_batch_by_batch(make_image, batch):
    for _ in range(5):
        make_image()
    move("--to", "archive", "--batch", str(batch))
    assert where() == ["archive"] * 5


def test_move__takes_the_trash_along(make_image):
    image = make_image()
    Image.objects.update(trashed_at=image.created_at)
    move("--to", "archive")
    assert where() == ["archive"]


def test_json__is_one_line(make_image, capsys):
    image = make_image()
    move("--to", "archive", "--json")
    assert json.loads(capsys.readouterr().out) == {
        "moved": 1,
        "bytes": image.byte_size,
        "skipped": 0,
        "failed": 0,
        "remaining": 0,
    }


def test_dry_run__says_what_is_where_and_moves_nothing(make_image, capsys):
    first, second = make_image(), make_image()
    length = first.byte_size + second.byte_size
    move("--to", "archive", "--dry-run")
    assert capsys.readouterr().out.splitlines() == [
        f"images: 2 ({length} bytes)",
        "2 originals would be moved.",
    ]
    move("--to", "archive", "--dry-run", "--json")
    assert json.loads(capsys.readouterr().out) == {
        "would_move": 2,
        "from": {"images": {"images": 2, "bytes": length}},
    }
    assert where() == ["images", "images"]


def test_failure__is_told_and_the_others_go(make_image, capsys):
    lost, _ = make_image(name="lost.jpg"), make_image()
    storages["images"].delete(lost.storage_name)
    said = fails(capsys, "--to", "archive")
    assert said.out.strip() == "1 originals moved, 0 skipped, 1 failed."
    assert f"{lost.pk} lost: bytes_gone: " in said.err
    assert where() == ["images", "archive"]


def test_full__the_run_ends_after_a_few_refusals(make_image, capsys, monkeypatch):
    for _ in range(images_move._MOST_REFUSALS + 2):
        make_image()

    def full(name, content, max_length=None):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storages["archive"], "save", full)
    said = fails(capsys, "--to", "archive")
    assert said.out.splitlines() == [
        "0 originals moved, 0 skipped, 5 failed.",
        "Stopped, since the storage takes nothing: 2 were not tried.",
    ]
    assert said.err.count("not_stored: No space left on device") == 5
    assert set(where()) == {"images"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "nowhere"], "nowhere is no alias .* there are .*archive"),
        (["--to", "image_renditions"], "image_renditions is no alias"),
        (["--to", "archive", "--from", "archive"], "are the same"),
        (["--to", "archive", "--batch", "0"], "--batch"),
        (["--to", "archive", "--grace", "-1"], "--grace"),
        (["--to", "default"], "keeps private images in MEDIA_ROOT"),
        (["--to", "below"], "share a folder"),
    ],
)
def test_refusal__of_what_cannot_be_meant(make_image, settings, arguments, message):
    below = {"BACKEND": TABLE, "OPTIONS": {"location": "archive/below"}}
    settings.STORAGES = {**settings.STORAGES, "below": below}
    make_image()
    with pytest.raises(CommandError, match=message):
        move(*arguments)
    assert where() == ["images"]
