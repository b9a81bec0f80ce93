"""The settings of docs/how-to/storages.md: pasted, they pass every check."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest
from django.conf import global_settings
from django.core import checks
from django.core.files.storage import storages

from images_app.checks import check_recorded_storages
from images_app.storages import private_storages, private_storages_in
from tests.databases import DATABASE
from tests.parts import ROOT, need

TEXT = (ROOT / "docs" / "how-to" / "storages.md").read_text()
DJANGO = "django.core.files.storage"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
SECTIONS = {
    section.partition("\n")[0]: found[1]
    for section in TEXT.split("\n## ")[1:]
    if (found := BLOCK.search(section))
}
# Which class each block gives, and the library that it needs.
EXPECTED = {
    "A folder": ("PrivateFileSystemStorage", ""),
    "S3 and compatible": ("PrivateS3Storage", "boto3"),
    "Google Cloud Storage": ("PrivateGoogleCloudStorage", "google.cloud.storage"),
    "Azure Blob Storage": ("PrivateAzureStorage", "azure.storage.blob"),
    "The database": ("DatabaseStorage", ""),
}
pytestmark = [
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:google"),
]


def is_installed(library):
    try:
        return not library or find_spec(library) is not None
    except ModuleNotFoundError:
        return False


def test_docs__have_a_block_for_each_storage():
    assert list(SECTIONS) == list(EXPECTED)


@pytest.mark.django_db
@pytest.mark.parametrize("section", EXPECTED)
def test_settings__pasted_pass_every_check(settings, tmp_path, section):
    expected, library = EXPECTED[section]
    need(library, is_there=is_installed(library))
    own = {**settings.STORAGES, "default": {"BACKEND": f"{DJANGO}.InMemoryStorage"}, "mine": {}}
    own["mine"] = own["default"]
    apps = list(settings.INSTALLED_APPS)
    names = {"BASE_DIR": tmp_path, "INSTALLED_APPS": apps, "STORAGES": own}
    exec(SECTIONS[section], names)
    settings.STORAGES = names["STORAGES"]
    settings.IMAGES_APP = {}
    assert checks.run_checks() == []
    for alias in ("images", "image_renditions"):
        assert type(storages[alias]).__name__ == expected
    # What the project had before is still there.
    kept = {alias: given for alias, given in own.items() if not alias.startswith("image")}
    assert names["STORAGES"].items() >= kept.items()


@pytest.mark.parametrize("section", EXPECTED)
def test_settings__pasted_into_new_ones_keep_djangos(tmp_path, section):
    names = {"BASE_DIR": tmp_path, "INSTALLED_APPS": []}
    exec(SECTIONS[section], names)
    assert names["STORAGES"].items() >= global_settings.STORAGES.items()


def test_storages__handed_in_are_taken():
    given = {"default": {"BACKEND": "theirs"}}
    for made in (
        private_storages("/folder", given),
        private_storages_in("some.Storage", {}, given),
    ):
        assert set(made) == {"default", "images", "image_renditions"}
        assert made["default"] == given["default"]


def test_storages__have_places_of_their_own_below_a_location():
    made = private_storages_in("some.Storage", {"location": "/deep/", "bucket": "b"}, {})
    assert made == {
        "images": {
            "BACKEND": "some.Storage",
            "OPTIONS": {"bucket": "b", "location": "deep/originals"},
        },
        "image_renditions": {
            "BACKEND": "some.Storage",
            "OPTIONS": {"bucket": "b", "location": "deep/renditions", "allow_overwrite": True},
        },
    }


def test_docs__write_no_settings_of_storages_twice():
    """Two blocks with places of their own would send a site's images to two places."""
    others = [path for path in (ROOT / "docs").rglob("*.md") if path.name != "storages.md"]
    assert [path.name for path in others if '"location": "' in path.read_text()] == []


@pytest.mark.django_db
def test_recorded_storages__that_are_not_set_are_told(make_image):
    image = make_image()
    assert check_recorded_storages(None, databases=[DATABASE]) == []
    type(image).objects.update(storage_alias="lost")
    (message,) = check_recorded_storages(None, databases=[DATABASE])
    assert (message.id, "'lost'" in message.msg) == ("images_app.E009", True)
    assert check_recorded_storages(None) == []
