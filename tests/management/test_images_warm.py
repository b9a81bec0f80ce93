"""images_warm: makes what is missing, goes on where it stopped, names what failed."""

from __future__ import annotations

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from images_app.engines.bounded import BoundedEngine
from images_app.models import Image, Rendition

pytestmark = pytest.mark.django_db


def warm(capsys, *arguments):
    call_command("images_warm", *arguments)
    return capsys.readouterr().out.strip()


def test_warm__makes_all_then_nothing(make_image, capsys, monkeypatch):
    decodes, render = [], BoundedEngine.render

    def counted(self, source, outputs, **kwargs):
        decodes.append(len(outputs))
        return render(self, source, outputs, **kwargs)

    monkeypatch.setattr(BoundedEngine, "render", counted)
    make_image()
    make_image(size=(400, 300))
    # thumb and the ladder's three formats: one rung of it for 64 pixels, two for 400
    assert warm(capsys) == "11 renditions made, 0 images failed."
    assert decodes == [7, 4]
    assert warm(capsys) == "0 renditions made, 0 images failed."


def test_warm__takes_galleries_and_presets(make_image, make_gallery, capsys):
    make_image()
    make_image(gallery=make_gallery("Chosen"))
    chosen = ["--gallery", "Chosen", "--preset", "thumb"]
    assert warm(capsys, *chosen) == "1 renditions made, 0 images failed."
    assert Rendition.objects.get().image.galleries.get().title == "Chosen"


def test_warm__names_what_fails_and_does_the_rest(make_image, capsys):
    lost, _ = make_image(name="lost.jpg"), make_image()
    storages[lost.storage_alias].delete(lost.storage_name)
    with pytest.raises(SystemExit) as caught:
        call_command("images_warm", "--preset", "thumb")
    said = capsys.readouterr()
    assert caught.value.code == 1
    assert said.out.strip() == "1 renditions made, 1 images failed."
    assert f"{lost.pk} lost: The file of this image is gone." in said.err


def test_warm__leaves_the_trash_alone(make_image, capsys):
    image = make_image()
    Image.objects.filter(pk=image.pk).update(trashed_at=image.created_at)
    assert warm(capsys) == "0 renditions made, 0 images failed."


def test_warm__knows_its_presets():
    with pytest.raises(CommandError, match="No preset huge; there are thumb, ladder"):
        call_command("images_warm", "--preset", "huge")
