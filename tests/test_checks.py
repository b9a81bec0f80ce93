"""The system checks: silent where all is well, and an error before private images are public."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from django.core import checks as django_checks
from django.core.files.storage import FileSystemStorage, Storage
from django.db import connections

from images_app import checks
from images_app.conf import get_engine
from images_app.models import image as image_module
from images_app.storages import PrivateFileSystemStorage
from tests.databases import DATABASE

PLAIN = "django.core.files.storage.FileSystemStorage"


class RemoteStorage(Storage):
    """A storage without paths, whose URLs cannot be judged from here."""

    def url(self, name):
        return pytest.fail("not to be asked")


class OwnUrlStorage(FileSystemStorage):
    """A storage whose URLs are its own affair."""

    def url(self, name):
        return f"/signed/{name}"


class PlainChild(FileSystemStorage):
    """A storage with Django's URLs."""


class UrlessChild(FileSystemStorage):
    """A storage with Django's URLs, and none."""

    base_url = None


def ids(messages):
    return [message.id for message in messages]


def change(settings, alias, **storage):
    changed = copy.deepcopy(settings.STORAGES)
    changed[alias] = storage
    settings.STORAGES = changed


@pytest.mark.django_db  # Django 6.1 asks the database in a check of its own
def test_check__is_silent_with_an_empty_dict(settings):
    settings.IMAGES_APP = {}
    assert django_checks.run_checks() == []


def test_check__is_registered():
    registered = django_checks.registry.registry.registered_checks
    assert {checks.check_settings, checks.check_storages, checks.check_image_model} <= registered
    assert "security" in checks.check_storages.tags


@pytest.mark.parametrize("alias", ["images", "image_renditions"])
def test_e001__a_missing_storage(settings, alias):
    changed = dict(settings.STORAGES)
    del changed[alias]
    settings.STORAGES = changed
    (message,) = checks.check_storages(None)
    assert message.id == "images_app.E001"
    assert message.msg.startswith(f"STORAGES lacks '{alias}';")
    assert checks.STORAGES_TO_PASTE in message.hint


def test_e001__names_both(settings):
    settings.STORAGES = {"default": {"BACKEND": PLAIN}, "staticfiles": {"BACKEND": PLAIN}}
    (message,) = checks.check_storages(None)
    assert message.msg.startswith("STORAGES lacks 'images' and 'image_renditions';")


def test_e001__what_it_says_to_paste_is_silent(settings, tmp_path):
    names = {"STORAGES": dict(settings.STORAGES), "BASE_DIR": tmp_path}
    exec(checks.STORAGES_TO_PASTE, names)
    settings.STORAGES = names["STORAGES"]
    assert checks.check_storages(None) == []


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"PAGE_SIZ": 5},
        {"PAGE_SIZE": 0},
        {"PRESETS": {"x": {}}},
        {"POLICY": {"BACKEND": "nowhere.Policy"}},
        {"ENGINE": {"BACKEND": "nowhere.Engine"}},
        {"DELIVERY": {"BACKEND": "nowhere.Delivery"}},
        {
            "PRESETS": {
                "twin": {
                    "fit": "cover",
                    "width": 320,
                    "height": 320,
                    "formats": ["jpeg"],
                    "level": "view",
                }
            }
        },
    ],
    ids=["no dict", "key", "value", "preset", "policy", "engine", "delivery", "twin"],
)
def test_e002__settings_that_cannot_be_used(settings, value):
    settings.IMAGES_APP = value
    (message,) = checks.check_settings(None)
    assert message.id == "images_app.E002"
    assert "IMAGES_APP" in message.msg


@pytest.mark.parametrize(
    "storage",
    [
        {"BACKEND": "nowhere.Storage"},
        {"BACKEND": "images_app.storages.PrivateFileSystemStorage"},
        {"BACKEND": PLAIN, "OPTIONS": {"colour": 1}},
        {"OPTIONS": {}},
    ],
    ids=["no such class", "no location", "no such option", "no backend"],
)
@pytest.mark.parametrize("alias", ["images", "image_renditions"])
def test_e003__a_storage_that_cannot_be_made(settings, alias, storage):
    change(settings, alias, **storage)
    (message,) = checks.check_storages(None)
    assert message.id == "images_app.E003"
    assert message.msg.startswith(f"STORAGES['{alias}'] cannot be used: ")


@pytest.mark.parametrize("name", ["nowhere.Image", "nonsense", "auth.Group"])
def test_e004__no_image_model(monkeypatch, name):
    monkeypatch.setattr(image_module, "IMAGE_MODEL", name)
    (message,) = checks.check_image_model(None)
    assert message.id == "images_app.E004"
    assert repr(name) in message.msg


def test_e004__is_silent_for_ours():
    assert not issubclass(Group, image_module.AbstractImage)
    assert checks.check_image_model(None) == []


def public_folder(settings, name, folder):
    setattr(settings, name, [folder] if name == "STATICFILES_DIRS" else folder)


@pytest.mark.parametrize(
    "name", ["MEDIA_ROOT", "STATIC_ROOT", "WHITENOISE_ROOT", "STATICFILES_DIRS"]
)
@pytest.mark.parametrize(
    ("public", "is_reachable"),
    [
        ("", True),  # the test's folder, which holds both storages
        ("images", True),
        ("images/below", False),
        ("imag", False),
        ("elsewhere", False),
    ],
)
@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["text", "path"])
def test_e005__a_private_folder_inside_a_public_one(
    settings, tmp_path, name, public, is_reachable, kind
):
    public_folder(settings, name, kind(tmp_path / public))
    messages = checks.check_storages(None)
    found = [m.msg for m in messages if m.msg.startswith("STORAGES['images']")]
    assert set(ids(messages)) == ({"images_app.E005"} if is_reachable else set())
    assert found == (
        [f"STORAGES['images'] keeps private images in {name}, which is served to anyone."]
        if is_reachable
        else []
    )


def test_e005__names_each_storage(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    assert [m.msg.split("'")[1] for m in checks.check_storages(None)] == [
        "images",
        "image_renditions",
    ]


@pytest.mark.parametrize("pair", [tuple, list])
def test_e005__static_folders_may_have_a_prefix(settings, tmp_path, pair):
    settings.STATICFILES_DIRS = [pair(("prefix", str(tmp_path)))]
    assert set(ids(checks.check_storages(None))) == {"images_app.E005"}


def test_e005__follows_links(settings, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "images")
    settings.MEDIA_ROOT = tmp_path / "link"
    assert ids(checks.check_storages(None)) == ["images_app.E005"]


def test_e005__follows_links_of_the_private_folder(settings, tmp_path):
    (tmp_path / "public").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "public")
    change(
        settings,
        "images",
        BACKEND="images_app.storages.PrivateFileSystemStorage",
        OPTIONS={"location": tmp_path / "link" / "images"},
    )
    settings.MEDIA_ROOT = tmp_path / "public"
    assert ids(checks.check_storages(None)) == ["images_app.E005"]


def test_e005__unset_folders_are_none(settings):
    settings.MEDIA_ROOT, settings.STATIC_ROOT, settings.STATICFILES_DIRS = "", None, []
    assert checks.check_storages(None) == []


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        (PLAIN, ["images_app.W001"]),
        (f"{__name__}.PlainChild", ["images_app.W001"]),
        (f"{__name__}.UrlessChild", []),
        (f"{__name__}.OwnUrlStorage", []),
        ("images_app.storages.PrivateFileSystemStorage", []),
    ],
)
def test_w001__a_storage_with_urls_for_anyone(settings, tmp_path, backend, expected):
    change(settings, "images", BACKEND=backend, OPTIONS={"location": tmp_path / "images"})
    assert ids(checks.check_storages(None)) == expected


def test_w001__a_storage_without_paths_is_not_asked(settings):
    change(settings, "images", BACKEND=f"{__name__}.RemoteStorage")
    assert checks.check_storages(None) == []


def test_storage_of_the_tests__is_private(settings, tmp_path):
    assert settings.STORAGES["images"]["BACKEND"].endswith(PrivateFileSystemStorage.__name__)
    assert settings.STORAGES["images"]["OPTIONS"]["location"] == tmp_path / "images"


def test_e005__another_storage_with_urls(settings, tmp_path):
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path, "base_url": "/files/"},
        },
    }
    assert set(ids(checks.check_storages(None))) == {"images_app.E005"}


def test_e005__static_files_of_an_app(settings):
    folder = Path(apps.get_app_config("images_app").path) / "static" / "secret"
    changed = copy.deepcopy(settings.STORAGES)
    changed["images"]["OPTIONS"]["location"] = folder
    settings.STORAGES = changed
    assert ids(checks.check_storages(None)) == ["images_app.E005"]


@pytest.mark.parametrize(("first", "second"), [("a", "a"), ("a", "a/b"), ("a/b", "a")])
def test_e006__both_in_one_folder(settings, tmp_path, first, second):
    changed = copy.deepcopy(settings.STORAGES)
    changed["images"]["OPTIONS"]["location"] = tmp_path / first
    changed["image_renditions"]["OPTIONS"]["location"] = tmp_path / second
    settings.STORAGES = changed
    assert ids(checks.check_storages(None)) == ["images_app.E006"]


def test_e007__a_relative_folder(settings):
    changed = copy.deepcopy(settings.STORAGES)
    changed["images"]["OPTIONS"]["location"] = "private/images"
    settings.STORAGES = changed
    assert ids(checks.check_storages(None)) == ["images_app.E007"]


def test_gzip__needs_no_warning_for_images_leave_as_they_are(settings):
    settings.MIDDLEWARE = ["django.middleware.gzip.GZipMiddleware", *settings.MIDDLEWARE]
    assert django_checks.run_checks() == []


@pytest.mark.parametrize(
    ("engine", "options", "expected"),
    [
        ("django.db.backends.sqlite3", {}, ["images_app.W006"]),
        ("django.db.backends.sqlite3", {"transaction_mode": "DEFERRED"}, ["images_app.W006"]),
        ("django.db.backends.sqlite3", {"transaction_mode": "IMMEDIATE"}, []),
        ("django.db.backends.postgresql", {}, []),
    ],
)
def test_w006__sqlite_whose_writers_do_not_wait(monkeypatch, engine, options, expected):
    given = {"default": {"ENGINE": engine, "OPTIONS": options}}
    monkeypatch.setattr(django_settings, "DATABASES", given)
    assert ids(checks.check_sqlite(None)) == expected
    registry = django_checks.registry.registry
    assert checks.check_sqlite in registry.deployment_checks
    assert checks.check_sqlite not in registry.registered_checks


def test_e008__a_format_without_a_decoder(settings, monkeypatch):
    settings.IMAGES_APP = {"FORMATS": ["jpeg", "heic"]}
    monkeypatch.setattr(get_engine(), "input_formats", frozenset({"jpeg", "png"}))
    (message,) = checks.check_settings(None)
    assert message.id == "images_app.E008"
    assert "heic" in message.msg
    assert "images-app[heif]" in message.hint
    settings.IMAGES_APP = {"FORMATS": ["jpeg"]}
    assert checks.check_settings(None) == []


def test_w003__memory_too_small_for_the_pixels(settings):
    settings.IMAGES_APP = {"MAX_PIXELS": 500_000_000}
    (message,) = checks.check_values(None)
    assert message.id == "images_app.W003"
    assert "10000000000" in message.hint
    settings.IMAGES_APP = {"MAX_PIXELS": 60_000_000}
    assert checks.check_values(None) == []
    settings.IMAGES_APP = {"MAX_PIXELS": 60_000_000, "WATERMARKS": {"proof": {"text": "PROOF"}}}
    (message,) = checks.check_values(None)
    assert "1920000000" in message.hint


def test_w004__a_thumbnail_that_previewers_may_not_see(settings):
    settings.IMAGES_APP = {"THUMBNAIL_PRESET": "ladder"}
    (message,) = checks.check_values(None)
    assert message.id == "images_app.W004"
    settings.IMAGES_APP = {"QUUX": 1}  # which E002 says
    assert checks.check_values(None) == []


@pytest.mark.parametrize(
    ("backend", "complaints"),
    [
        ("StreamingDelivery", 0),
        ("NginxDelivery", 0),
        ("XSendfileDelivery", 0),
        ("RedirectDelivery", 2),
    ],
)
def test_delivery__that_cannot_hand_over_is_said_so(settings, backend, complaints):
    settings.IMAGES_APP = {"DELIVERY": {"BACKEND": f"images_app.delivery.{backend}"}}
    found = list(checks.check_delivery(None))
    assert [message.id for message in found] == ["images_app.W005"] * complaints


def test_delivery__is_not_judged_where_more_is_amiss(settings):
    settings.IMAGES_APP = {"DELIVERY": {"BACKEND": "nowhere"}}
    assert list(checks.check_delivery(None)) == []


@pytest.mark.parametrize(
    "signing",
    [
        {"BACKEND": "images_app.signing.SecureLinkSigner"},
        {"BACKEND": "images_app.signing.SecureLinkSigner", "OPTIONS": {"secret": "short"}},
        {"BACKEND": "images_app.signing.DjangoSigner", "OPTIONS": {"lifetime": 0}},
        {"BACKEND": "images_app.delivery.NginxDelivery"},
        {"OPTIONS": {}},
    ],
)
def test_signing__that_cannot_be_used_is_an_error(settings, signing):
    settings.IMAGES_APP = {"SIGNING": signing}
    [message] = checks.check_settings(None)
    assert message.id == "images_app.E002"
    assert "SIGNING" in message.msg


@pytest.mark.parametrize(
    ("url", "is_there"),
    [
        ("login", True),
        ("/login/", True),
        ("/login/?by=mail", True),
        ("admin:login", True),
        ("https://login.example.org/", True),
        ("//login.example.org/", True),
        ("/accounts/login/", False),
        ("no_such_name", False),
    ],
)
def test_login__that_leads_nowhere_is_told(settings, url, is_there):
    settings.LOGIN_URL = url
    assert ids(checks.check_login(None)) == ([] if is_there else ["images_app.W011"])


class UsersElsewhere:
    """Users are in a database in which no images are."""

    def db_for_write(self, model, **hints):
        return "people" if model._meta.app_label == "accounts" else None

    db_for_read = db_for_write


@pytest.mark.parametrize(("name", "expected"), [("people", ["images_app.E010"]), ("images", [])])
def test_e010__users_in_another_database(settings, monkeypatch, name, expected):
    ours = connections.settings[DATABASE]
    place = {**ours, "NAME": ours["NAME"] if name == "images" else name}
    monkeypatch.setitem(connections.settings, "people", place)
    settings.DATABASE_ROUTERS = ["tests.test_checks.UsersElsewhere", *settings.DATABASE_ROUTERS]
    messages = list(checks.check_databases(None))
    assert [message.id for message in messages] == expected
    assert all("'people'" in message.msg for message in messages)


def test_w006__a_database_may_be_empty(settings, monkeypatch):
    monkeypatch.setitem(settings.DATABASES, "empty", {})
    assert "empty" not in "".join(message.msg for message in checks.check_sqlite(None))
