"""Temporary files: where the settings say, also where nothing else can be written to."""

from __future__ import annotations

import ast
import tempfile
from pathlib import Path

import pytest
from django.urls import reverse

from images_app.conf import get_engine
from images_app.exceptions import StorageUnavailable
from images_app.ingest import ingest_image
from images_app.temporary import temporary_file
from tests.parts import ROOT
from tests.pictures import upload
from tests.views.test_resumable import Tus

MAKERS = {"TemporaryFile", "SpooledTemporaryFile", "NamedTemporaryFile", "mkstemp", "mkdtemp"}


@pytest.fixture
def read_only(monkeypatch, settings, tmp_path):
    """A root file system that takes no files: the system's folder for temporary ones is none."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "read-only"))
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "read-only")
    return tmp_path


@pytest.fixture
def a_folder(read_only, settings):
    """The same, but for the folder that the host has given."""
    folder = read_only / "given"
    folder.mkdir()
    settings.FILE_UPLOAD_TEMP_DIR = str(folder)
    return folder


def calls(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in MAKERS:
                yield f"{path.name}:{node.lineno}", {keyword.arg for keyword in node.keywords}


def test_every_temporary_file__has_its_folder_said():
    found = dict(call for path in (ROOT / "images_app").rglob("*.py") for call in calls(path))
    assert found
    assert [place for place, keywords in found.items() if "dir" not in keywords] == []


@pytest.mark.parametrize("stripped", [False, True])
def test_image__is_taken_in_and_shown_on_a_read_only_root(
    client_of, make_user, make_gallery, a_folder, settings, stripped
):
    settings.IMAGES_APP = {"STRIP_ORIGINALS": stripped}
    owner = make_user("owner")
    gallery = make_gallery(owner=owner)
    url = f"{reverse('images_app:upload')}?gallery={gallery.public_id}"
    response = client_of(owner).post(url, {"file": upload("cat.jpg")})
    assert response.status_code == 201, response.content
    shown = client_of(owner).get(response.json()["image"]["thumbnail"])
    assert shown.status_code == 200
    shown.close()


def test_parts__are_taken_in_on_a_read_only_root(client_of, make_user, make_gallery, a_folder):
    owner = make_user("owner")
    tus = Tus(client_of(owner), make_gallery(owner=owner))
    assert tus.begin(10).status_code == 201


def test_upload__without_any_folder_is_a_503_in_json(
    client_of, make_user, make_gallery, read_only, settings, files
):
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0  # every file is written to disk
    owner = make_user("owner")
    gallery = make_gallery(owner=owner)
    url = f"{reverse('images_app:upload')}?gallery={gallery.public_id}"
    response = client_of(owner).post(url, {"file": upload("cat.jpg")})
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "storage_unavailable"
    assert response["Retry-After"]
    assert files() == []


def test_upload_in_memory__without_any_folder_is_a_503_in_json(
    client_of, make_user, make_gallery, read_only, files
):
    owner = make_user("owner")
    gallery = make_gallery(owner=owner)
    url = f"{reverse('images_app:upload')}?gallery={gallery.public_id}"
    response = client_of(owner).post(url, {"file": upload("cat.jpg")})
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "storage_unavailable"
    assert files() == []


def test_ingest__without_any_folder_says_that_it_cannot(db, read_only, files):
    with pytest.raises(StorageUnavailable):
        ingest_image(upload("cat.jpg"))
    assert files() == []


def test_temporary_file__is_nameless_and_in_the_folder(a_folder):
    with temporary_file() as file:
        file.write(b"some")
        assert list(a_folder.iterdir()) == []


def test_engine__keeps_the_folder_that_its_own_options_name(settings, tmp_path):
    settings.IMAGES_APP = {
        "ENGINE": {
            "BACKEND": "images_app.engines.bounded.BoundedEngine",
            "OPTIONS": {"temporary_folder": str(tmp_path)},
        }
    }
    settings.FILE_UPLOAD_TEMP_DIR = "/elsewhere"
    assert get_engine().temporary_folder == str(tmp_path)
