"""Fixtures for every test: private storages in a folder of the test, and people."""

from __future__ import annotations

import copy

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries
from django.db.backends.base.base import BaseDatabaseWrapper

from images_app.ingest import ingest_image
from images_app.models import Gallery
from tests.pictures import upload


@pytest.fixture(autouse=True)
def one_connection(monkeypatch):
    """A response that a test closes itself leaves the connection of the test's transaction open."""
    monkeypatch.setattr(BaseDatabaseWrapper, "close_if_unusable_or_obsolete", lambda self: None)


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


@pytest.fixture(autouse=True)
def private_folder(settings, tmp_path):
    """Originals and renditions of a test live in its own folder."""
    changed = copy.deepcopy(settings.STORAGES)
    changed["images"]["OPTIONS"]["location"] = tmp_path / "images"
    changed["image_renditions"]["OPTIONS"]["location"] = tmp_path / "renditions"
    settings.STORAGES = changed
    return tmp_path


@pytest.fixture
def files(private_folder):
    """All files in the private storages, by their names below the test's folder."""

    def found():
        return sorted(
            path.relative_to(private_folder).as_posix()
            for path in private_folder.rglob("*")
            if path.is_file()
        )

    return found


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
