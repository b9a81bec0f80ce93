"""Fixtures for every test: private storages of the test's own, and people.

IMAGES_TEST_STORAGE=s3 or =database has every test that names no storage itself run on a real S3
server, or on the database; tests of files in a folder (``@pytest.mark.folder``) are skipped then.
IMAGES_TEST_DATABASE says in which database the records are, see tests/databases.py.
"""

from __future__ import annotations

import copy
import os
import uuid
from functools import partial

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.files.storage import storages
from django.core.signals import request_finished, request_started
from django.db import DEFAULT_DB_ALIAS, close_old_connections, reset_queries
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import RequestFactory

from images_app.ingest import ingest_image
from images_app.models import Gallery
from images_app.ownership import is_mark
from tests.databases import DATABASE, DATABASES, WANTED, connection
from tests.pictures import upload
from tests.storages.s3server import s3_server

STORAGE = os.environ.get("IMAGES_TEST_STORAGE", "filesystem")
ALIASES = {"images": "images", "image_renditions": "renditions"}
"""The storages of every test, and what their files are called by ``files``."""


_RENDITIONS = "tests/test_renditions.py::test_"
_EXPORT = "tests/management/test_images_export.py::test_export__"
ABOUT_A_FOLDER = (
    "tests/test_checks.py::",
    "tests/test_moving.py::",
    f"{_RENDITIONS}locate__makes_once",
    f"{_RENDITIONS}names__are_a_function_of_the_identity",
    f"{_RENDITIONS}locate__makes_another_for_a_new_version",
    f"{_RENDITIONS}row__that_is_absent_is_made_again",
    f"{_RENDITIONS}row__without_bytes_heals_itself",
    f"{_RENDITIONS}row__of_another_storage_heals_into_the_present_one",
    f"{_RENDITIONS}storage__that_cannot_be_asked_is_said_so",
    f"{_RENDITIONS}race__is_one_encode",
    f"{_RENDITIONS}several__are_made_from_one_decode",
    f"{_RENDITIONS}several__whose_rows_another_has_written_keep_their_bytes",
    f"{_RENDITIONS}ancestor__that_is_damaged_is_passed_over",
    f"{_RENDITIONS}cache__never_keeps_a_file_of_another_length",
    f"{_RENDITIONS}cache__of_a_storage_that_breaks_while_it_is_read",
    "tests/views/test_files.py::test_503__is_for_a_storage_that_cannot_be_asked",
    f"{_EXPORT}names_each_failure_and_has_the_others",
    f"{_EXPORT}that_is_stopped_leaves_no_half_file",
)
"""Tests that look into the folder, or put a failure into the folder's way of opening files."""
COUNTS_QUERIES = (
    "tests/views/test_files.py::test_queries__",
    "tests/views/test_signed.py::test_signed__needs_no_session_and_no_query",
    "tests/test_housekeeping.py::test_image__with_many_renditions_costs_as_much_as_with_few",
    f"{_EXPORT}of_200_images_asks_as_often_as_of_two",
    "tests/management/test_images_delete_user.py::test_delete__of_200_images_does_not_ask",
    "tests/views/test_taken_away.py::test_trashed__many_by_few_queries",
)
"""Tests that count queries, to which a storage in the database adds its own."""
READS_ELSEWHERE = (
    "tests/views/test_rewriting.py::",
    "tests/views/test_taken_away.py::test_trashed__while_its_bytes_are_read_is_not_kept",
)
"""Tests that read in another thread, or beside a deletion, outside the test's transaction."""

ABOUT_THE_DEMO = (
    "tests/management/test_images_demo.py::",
    "tests/project/test_login.py::test_demo__",
)
"""Tests of the demo's own command."""
NOT_IN_MARIADB = (
    # It has no unique index of some rows: that there is one level for each, only the forms see to.
    "tests/models/test_grant.py::test_database__takes_the_same_only_once",
    "tests/models/test_grant.py::test_database__has_one_level_but_several_rights",
    # To its usual collation, capitals are no other letters.
    "tests/models/test_grant.py::test_database__knows_levels_and_rights[right-values3-False]",
    "tests/models/test_image.py::test_database__refuses[{'format': 'JPEG'}]",
)
"""Constraints that MariaDB cannot hold; told in docs/how-to/databases.md."""
NOT_IN_A_COPY = (
    "tests/models/test_grant.py::test_full_clean__names_the_pair",
    "tests/test_admin_policy.py::test_gallery_change__takes_no_invisible_cover",
    "tests/test_admin.py::test_items__an_image_is_hung_by_hand",
)
"""Forms of Django's, which look in the copy for what a field points at; told there, too."""


def pytest_collection_modifyitems(items):
    """Skip what does not hold on the storage that the tests run on, and say why."""
    for item in items if WANTED != DEFAULT_DB_ALIAS else ():
        _allow_databases(item)
        if DATABASE != DEFAULT_DB_ALIAS and item.nodeid.startswith(ABOUT_THE_DEMO):
            item.add_marker(pytest.mark.skip(reason="the demo has one database, the default one"))
        if WANTED == "mariadb" and item.nodeid.startswith(NOT_IN_MARIADB):
            item.add_marker(pytest.mark.skip(reason="MariaDB cannot hold it"))
        if WANTED == "replica" and item.nodeid.startswith(NOT_IN_A_COPY):
            item.add_marker(pytest.mark.skip(reason="Django's forms look in the copy"))
    if STORAGE == "filesystem":
        return
    for item in items:
        if item.get_closest_marker("folder") or item.nodeid.startswith(ABOUT_A_FOLDER):
            item.add_marker(pytest.mark.skip(reason=f"about files in a folder, not {STORAGE}"))
        elif STORAGE == "database" and item.nodeid.startswith(COUNTS_QUERIES):
            item.add_marker(pytest.mark.skip(reason="the database storage makes queries too"))
        elif STORAGE == "database" and item.nodeid.startswith(READS_ELSEWHERE):
            item.add_marker(pytest.mark.skip(reason="its rows are seen by the test alone"))


def _allow_databases(item):
    """Let a test that uses the database use that of this run; see tests/databases.py."""
    marker = item.get_closest_marker("django_db")
    if marker or {"db", "transactional_db", "live_server"} & set(item.fixturenames):
        given = marker.kwargs if marker else {}
        item.add_marker(pytest.mark.django_db(**{**given, "databases": DATABASES}), append=False)


@pytest.fixture
def django_assert_num_queries(django_assert_num_queries):
    """Count the queries to the database of this run."""
    return partial(django_assert_num_queries, connection=connection)


@pytest.fixture
def django_assert_max_num_queries(django_assert_max_num_queries):
    """Count the queries to the database of this run."""
    return partial(django_assert_max_num_queries, connection=connection)


@pytest.fixture
def django_capture_on_commit_callbacks(django_capture_on_commit_callbacks):
    """Capture what waits for the commit of the database of this run."""
    return partial(django_capture_on_commit_callbacks, using=DATABASE)


@pytest.fixture(autouse=True)
def one_connection(monkeypatch):
    """A response that a test closes itself leaves the connection of the test's transaction open."""
    monkeypatch.setattr(BaseDatabaseWrapper, "close_if_unusable_or_obsolete", lambda self: None)


@pytest.fixture(autouse=True)
def path_as_sent(monkeypatch):
    """Django's client tells what was sent as gunicorn does: without it, no signature holds."""
    generic = RequestFactory.generic

    def told(self, method, path, *args, **extra):
        return generic(self, method, path, *args, **{"RAW_URI": str(path), **extra})

    monkeypatch.setattr(RequestFactory, "generic", told)


@pytest.fixture
def database_left_alone():
    """Closing a response looks after the database's connections, as Django's test client knows."""
    request_finished.disconnect(close_old_connections)
    request_started.disconnect(close_old_connections)
    request_started.disconnect(reset_queries)
    yield
    request_started.connect(reset_queries)
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


@pytest.fixture(scope="session")
def object_store(tmp_path_factory):
    """OPTIONS of storages on a real S3 server; none where the tests run on something else."""
    if STORAGE != "s3":
        yield {}
        return
    with s3_server(tmp_path_factory.mktemp("s3") / "data") as endpoint:
        yield endpoint.options


@pytest.fixture(autouse=True)
def private_folder(settings, tmp_path, object_store):
    """Originals and renditions of a test live in its own folder."""
    changed = copy.deepcopy(settings.STORAGES)
    for alias, name in ALIASES.items():
        changed[alias] = _storage(changed[alias], tmp_path / name, object_store)
    settings.STORAGES = changed
    return tmp_path


def _storage(given, folder, object_store):
    options = {"allow_overwrite": True} if folder.name == "renditions" else {}
    if STORAGE == "filesystem":
        return {**given, "OPTIONS": {**given["OPTIONS"], "location": folder}}
    options["location"] = f"{uuid.uuid4().hex}/{folder.name}"
    if STORAGE == "s3":
        backend = "tests.storages.one_client.OneClientS3Storage"
        options = {**object_store, **options}
    else:
        backend = "images_app.contrib.dbstorage.storage.DatabaseStorage"
    return {"BACKEND": backend, "OPTIONS": options}


@pytest.fixture
def files(private_folder):
    """All files in the private storages but the site's marks, by names below the test's folder."""

    def found():
        names = {
            path.relative_to(private_folder).as_posix()
            for path in private_folder.rglob("*")
            if path.is_file()
        }
        for alias, folder in ALIASES.items() if STORAGE != "filesystem" else ():
            names.update(f"{folder}/{name}" for name in _walk(storages[alias]))
        return sorted(name for name in names if not is_mark(name))

    return found


def _walk(storage, folder=""):
    folders, names = storage.listdir(folder)
    yield from (f"{folder}{name}" for name in names)
    for name in folders:
        yield from _walk(storage, f"{folder}{name}/")


@pytest.fixture
def make_user(db):
    """Make a user; ``permissions`` are codenames of the app."""

    def make(name="someone", *, permissions=(), **fields):
        user = get_user_model().objects.create_user(name, password="secret", **fields)
        user.user_permissions.set(
            Permission.objects.filter(
                content_type__app_label="images_app", codename__in=permissions
            )
        )
        return user

    return make


@pytest.fixture
def make_image(db):
    """Ingest an image; keywords are those of tests.pictures.upload."""

    def make(*, owner=None, gallery=None, fields=None, **kwargs):
        return ingest_image(upload(**kwargs), owner=owner, gallery=gallery, **(fields or {}))

    return make


@pytest.fixture
def make_gallery(db):
    """Make a gallery; ``images`` is how many pictures hang in it."""

    def make(title="Holidays", *, visibility="private", owner=None, images=0):
        gallery = Gallery.objects.create(title=title, visibility=visibility, owner=owner)
        for number in range(images):
            file = upload(f"{number}.jpg", color=(number * 7 % 256, 99, 99))
            ingest_image(file, owner=owner, gallery=gallery)
        return gallery

    return make


@pytest.fixture
def client_of(client):
    """A client that is logged in as a user."""

    def logged_in(user):
        client.force_login(user)
        return client

    return logged_in


@pytest.fixture(scope="module")
def chromium():
    """A browser for the tests of a module."""
    from tests.browser.chromium import launched  # which not everybody has

    with launched() as browser:
        yield browser
