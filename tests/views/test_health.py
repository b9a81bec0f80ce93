"""Health: alive, ready, and nothing told to strangers."""

from __future__ import annotations

import pytest
from django.core.files.storage import InMemoryStorage
from django.db import OperationalError
from django.urls import reverse

from tests.databases import connection


class DownStorage(InMemoryStorage):
    """A storage that does not answer."""

    def exists(self, name):
        raise ConnectionError("secret-host:9000")


def test_healthz__answers_without_database_or_session(client, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        response = client.get(reverse("healthz"))
    assert (response.status_code, response.content) == (200, b"ok")
    assert response.headers["Cache-Control"] == "no-store"
    assert not response.cookies


def test_readyz__when_all_is_well(client, db):
    response = client.get(reverse("readyz"))
    assert (response.status_code, response.content) == (200, b"ok")
    assert "Retry-After" not in response.headers


def is_not_ready(client, caplog):
    response = client.get(reverse("readyz"))
    assert (response.status_code, response.content) == (503, b"not ready")
    assert response.headers["Retry-After"] == "5"
    assert response.headers["Cache-Control"] == "no-store"
    assert [r.message for r in caplog.records if r.name == "images_app.health"] == [
        "code=not_ready"
    ]


@pytest.mark.parametrize("alias", ["images", "image_renditions"])
def test_readyz__when_a_storage_does_not_answer(client, db, settings, caplog, alias):
    settings.STORAGES = {**settings.STORAGES, alias: {"BACKEND": f"{__name__}.DownStorage"}}
    is_not_ready(client, caplog)


def test_readyz__when_a_storage_is_not_set(client, db, settings, caplog):
    changed = dict(settings.STORAGES)
    del changed["images"]
    settings.STORAGES = changed
    is_not_ready(client, caplog)


def test_readyz__when_the_database_does_not_answer(client, monkeypatch, caplog):
    def refuse():
        raise ConnectionRefusedError("secret-host:5432")

    monkeypatch.setattr(connection, "cursor", refuse)
    is_not_ready(client, caplog)


def test_readyz__when_a_kept_connection_has_died(client, db, caplog):
    # Such a connection hands out cursors still; only a query finds out.
    def refuse(execute, sql, params, many, context):
        raise OperationalError("server closed the connection unexpectedly")

    with connection.execute_wrapper(refuse):
        is_not_ready(client, caplog)
