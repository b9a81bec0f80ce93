"""The German translation: complete, faithful to its placeholders, compiled, and shown."""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import translation

import images_app
from images_app.archives import ArchiveRefused
from images_app.contrib.remote.exceptions import RemoteRefused
from images_app.exceptions import (
    BytesGone,
    ImagesAppError,
    RenderFailed,
    StorageUnavailable,
    UploadRefused,
)

FOLDER = Path(images_app.__file__).parent / "locale/de/LC_MESSAGES"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\{.*?\}\}|\{\w*\}")
KEYWORD = re.compile(r'(msgctxt|msgid_plural|msgid|msgstr(?:\[\d\])?) (".*")')


def read_catalog():
    """The entries of the .po, each a dict of keyword and text; the header is the first."""
    entries = []
    for block in (FOLDER / "django.po").read_text(encoding="utf-8").strip().split("\n\n"):
        entry, keyword = {"flags": ""}, ""
        for line in block.splitlines():
            if line.startswith("#,"):
                entry["flags"] += line
            elif found := KEYWORD.fullmatch(line):
                keyword = found[1]
                entry[keyword] = ast.literal_eval(found[2])
            elif line.startswith('"'):
                entry[keyword] += ast.literal_eval(line)
        entries.append(entry)
    return entries


HEADER, *ENTRIES = read_catalog()


def translations_of(entry):
    """The German of an entry, by the English it stands for."""
    if "msgid_plural" not in entry:
        return [(entry["msgid"], entry["msgstr"])]
    return [(entry["msgid"], entry["msgstr[0]"]), (entry["msgid_plural"], entry["msgstr[1]"])]


@pytest.fixture(scope="module")
def compiled():
    with (FOLDER / "django.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


@pytest.fixture
def german():
    with translation.override("de"):
        yield


def test_header__names_language_and_plurals():
    assert HEADER["msgid"] == ""
    assert "Project-Id-Version: images_app\n" in HEADER["msgstr"]
    assert "Language: de\n" in HEADER["msgstr"]
    assert "Plural-Forms: nplurals=2; plural=(n != 1);\n" in HEADER["msgstr"]


def test_catalog__is_complete():
    assert len(ENTRIES) > 100
    missing = [
        english for entry in ENTRIES for english, german in translations_of(entry) if not german
    ]
    assert missing == []


def test_catalog__leaves_nothing_fuzzy_or_obsolete():
    assert "fuzzy" not in HEADER["flags"]
    assert [entry["msgid"] for entry in ENTRIES if "fuzzy" in entry["flags"]] == []
    assert "#~" not in (FOLDER / "django.po").read_text(encoding="utf-8")


def test_catalog__keeps_the_placeholders():
    changed = [
        english
        for entry in ENTRIES
        for english, german in translations_of(entry)
        if sorted(PLACEHOLDER.findall(english)) != sorted(PLACEHOLDER.findall(german))
    ]
    assert changed == []


def test_catalog__holds_every_public_message():
    errors = [ImagesAppError, BytesGone, StorageUnavailable, RenderFailed]
    messages = (
        {error.public_message for error in errors}
        | set(UploadRefused.reasons.values())
        | set(RemoteRefused.reasons.values())
        | set(ArchiveRefused.reasons.values())
    )
    assert messages <= {entry["msgid"] for entry in ENTRIES}


def test_compiled__is_up_to_date(compiled):
    expected = {}
    for entry in ENTRIES:
        context = f"{entry['msgctxt']}\x04" if "msgctxt" in entry else ""
        message = context + entry["msgid"]
        if "msgid_plural" in entry:
            expected |= {(message, number): entry[f"msgstr[{number}]"] for number in (0, 1)}
        else:
            expected[message] = entry["msgstr"]
    found = {message: text for message, text in compiled._catalog.items() if message}
    assert found == expected


@pytest.mark.usefixtures("german")
def test_gallery_list__is_german(client, make_gallery):
    make_gallery("Sommer", visibility="public", images=2)
    make_gallery("Winter", visibility="public", images=1)
    text = client.get(reverse("images_app:gallery_list")).content.decode()
    assert '<html lang="de"' in text
    assert '<h1 class="ia-title">Galerien</h1>' in text
    assert "<span>2 Bilder</span>" in text
    assert "<span>1 Bild</span>" in text
    assert "Öffentlich" in text
    assert "Galleries" not in text


@pytest.fixture
def staff(client_of, make_user):
    permissions = ["add_image", "view_image", "view_gallery", "change_gallery"]
    return client_of(make_user("editor", permissions=permissions, is_staff=True))


@pytest.mark.usefixtures("german")
def test_upload__is_refused_in_german(staff):
    file = SimpleUploadedFile("text.jpg", b"Hello, I am no picture.")
    response = staff.post(reverse("admin:images_app_image_add"), {"images": [file]})
    (error,) = response.context["form"].errors["images"]
    assert error.startswith("text.jpg: Dies ist kein Bild, das hier gelesen werden kann.")
    assert "Nicht alles wurde hinzugefügt" in response.content.decode()


@pytest.mark.usefixtures("german")
def test_admin_action__is_german(staff, make_gallery):
    url, gallery = reverse("admin:images_app_gallery_changelist"), make_gallery(images=1)
    assert "Sichtbarkeit der ausgewählten Galerien ändern" in staff.get(url).content.decode()
    chosen = {"action": "change_visibility", "_selected_action": [gallery.pk]}
    text = staff.post(url, chosen).content.decode()
    assert "Wer darf diese Galerien und alle Bilder darin sehen?" in text
    assert "Privat: Eigentümer, Mitarbeiter und wer eine Freigabe hat (1 Bild)" in text
    response = staff.post(url, {**chosen, "confirmed": "yes", "visibility": "members"}, follow=True)
    assert "1 Galerie hat eine neue Sichtbarkeit." in response.content.decode()
