"""Every view answers 503 while the database fails, and goes on when it is back."""

from __future__ import annotations

import json
import logging

import pytest
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)
from django.urls import reverse

from images_app.access import Viewer
from images_app.database import database_failures_told, is_unavailable
from images_app.exceptions import StorageUnavailable
from images_app.models import PartialUpload
from images_app.renditions import rendition_url
from images_app.sharing import create_link
from images_app.urls import urlpatterns
from tests.databases import connection
from tests.pictures import upload

FAILURES = [OperationalError, InterfaceError, InternalError, DatabaseError]
OURS = [IntegrityError, DataError, ProgrammingError, NotSupportedError]
TUS = {"Tus-Resumable": "1.0.0"}
PART = {"content_type": "application/offset+octet-stream", "headers": {**TUS, "Upload-Offset": "0"}}
WITHOUT_DATABASE = {"no_original", "no_rendition"}


def requests(gallery, image, link, token, partial):
    """(name of the URL, method, URL, keywords of the client): each asks the database."""
    here = {"public_id": gallery.public_id}
    edits = json.dumps({"images": [{"id": str(image.public_id), "title": "New"}]})
    order = json.dumps({"images": [str(image.public_id)]})
    scripts = {"content_type": "application/json"}
    rendition = rendition_url(image, "thumb")
    into = {"gallery": str(gallery.public_id)}
    yield "gallery_list", "get", reverse("images_app:gallery_list"), {}
    yield "gallery", "get", gallery.get_absolute_url(), {}
    yield "image", "get", image.get_absolute_url(), {}
    yield "links", "get", reverse("images_app:links"), {}
    yield "gallery_links", "get", reverse("images_app:gallery_links", kwargs=here), {}
    days = {"data": {"level": "20", "days": "7"}}
    yield "gallery_links", "post", reverse("images_app:gallery_links", kwargs=here), days
    yield "image_links", "get", reverse("images_app:image_links", args=[image.public_id]), {}
    yield "add_images", "get", reverse("images_app:add_images", kwargs=here), {}
    files = {"data": {"images": upload()}}
    yield "add_images", "post", reverse("images_app:add_images", kwargs=here), files
    yield "arrange", "get", reverse("images_app:arrange", kwargs=here), {}
    places = {"image": image.public_id.hex, f"{image.public_id.hex}-position": "7"}
    places |= {f"{image.public_id.hex}-{name}": "0.1" for name in ("focal_x", "focal_y")}
    yield "arrange", "post", reverse("images_app:arrange", kwargs=here), {"data": places}
    order_url = reverse("images_app:order_images", kwargs=here)
    yield "order_images", "post", order_url, {"data": order, **scripts}
    yield "edit_images", "post", reverse("images_app:edit_images"), {"data": edits, **scripts}
    yield "revoke_link", "post", reverse("images_app:revoke_link", args=[link.public_id]), {}
    password = reverse("images_app:link_password", args=[link.public_id])
    yield "link_password", "post", password, {"data": {"password": "long enough"}}
    yield "shared", "get", reverse("images_app:shared", args=[token]), {}
    yield "shared_otherwise", "get", reverse("images_app:shared_otherwise", args=[f"{token}/x"]), {}
    yield "original", "get", image.original_url, {}
    yield "rendition", "get", rendition, {}
    yield "decision", "get", rendition.replace("/renditions/", "/decisions/"), {}
    to = reverse("images_app:upload", query=into)
    yield "upload", "post", to, {"data": {"file": upload(color=(9, 8, 7))}}
    yield "upload_place", "get", reverse("images_app:upload_place", query=into), {}
    plain = {"data": b"", "content_type": "application/octet-stream"}
    begin = {**plain, "headers": {**TUS, "Upload-Length": "9"}}
    yield "resumable", "post", reverse("images_app:resumable", query=into), begin
    part = reverse("images_app:resumable_part", args=[partial.public_id])
    yield "resumable_part", "patch", part, {"data": b"123456789", **PART}
    yield "resumable_part", "head", part, {"headers": TUS}
    yield "resumable_part", "delete", part, {"headers": TUS}


SPEAK_JSON = {"upload", "upload_place", "resumable", "resumable_part"}
SPEAK_JSON |= {"order_images", "edit_images"}


@pytest.fixture
def owner(make_user):
    return make_user("owner")


@pytest.fixture
def table(owner, make_gallery):
    gallery = make_gallery(owner=owner, images=1)
    image = gallery.images.get()
    link, token = create_link(Viewer(user=owner), gallery)
    partial = PartialUpload.objects.create(
        owner=owner, gallery=gallery, length=9, storage_alias="images"
    )
    return list(requests(gallery, image, link, token, partial))


def assert_told(name, method, response):
    assert response.status_code == 503, (name, method)
    assert response.headers["Retry-After"]
    assert response.headers["Cache-Control"] == "no-store"
    kind = "application/json" if name in SPEAK_JSON else "text/plain"
    assert response.headers["Content-Type"].startswith(kind), (name, method)
    if kind == "application/json" and method != "head":
        assert response.json()["error"]["code"] == "storage_unavailable"
    assert b"Traceback" not in response.content


def test_table__has_every_url(table):
    named = {pattern.name for pattern in urlpatterns}
    assert {name for name, *_ in table} == named - WITHOUT_DATABASE


@pytest.mark.parametrize("failure", FAILURES)
def test_view__while_nothing_can_be_read(client_of, owner, table, failure):
    client = client_of(owner)

    def fail(*args):
        raise failure("server closed the connection unexpectedly")

    for name, method, url, values in table:
        with connection.execute_wrapper(fail):
            assert_told(name, method, getattr(client, method)(url, **values))


WRITES = ("INSERT", "UPDATE", "DELETE")
WRITING = {
    *(("gallery_links", "post"), ("add_images", "post"), ("arrange", "post")),
    *(("order_images", "post"), ("edit_images", "post"), ("revoke_link", "post")),
    *(("link_password", "post"), ("shared", "get"), ("shared_otherwise", "get")),
    *(("rendition", "get"), ("upload", "post"), ("resumable", "post")),
    *(("resumable_part", "patch"), ("resumable_part", "delete")),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("failure", FAILURES)
def test_view__while_nothing_can_be_written(client_of, owner, table, failure, files):
    client, before = client_of(owner), files()

    def fail(execute, sql, params, many, context):
        if sql.startswith(WRITES):
            raise failure("cannot execute INSERT in a read-only transaction")
        return execute(sql, params, many, context)

    for name, method, url, values in table:
        with connection.execute_wrapper(fail):
            response = getattr(client, method)(url, **values)
        if (name, method) == ("add_images", "post"):
            assert response.status_code == 503
            assert response.headers["Retry-After"]
        elif (name, method) == ("order_images", "post"):
            assert response.status_code == 200  # one image has its place already
        elif (name, method) in WRITING:
            assert_told(name, method, response)
        else:
            assert response.status_code < 400, (name, method)
        response.close()
    assert files() == before


# --- a real server, see tests/wire/test_database_away.py ----------------------------------------


@pytest.fixture
def postgresql():
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL: IMAGES_TEST_DATABASE=postgresql")


@pytest.mark.django_db(transaction=True)
def test_server__that_takes_no_writes(postgresql, client_of, owner, table, files):
    client, before = client_of(owner), files()
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        for name, method, url, values in table:
            response = getattr(client, method)(url, **values)
            if (name, method) == ("add_images", "post"):
                assert (response.status_code, "Retry-After" in response.headers) == (503, True)
            elif (name, method) == ("order_images", "post") or (
                name,
                method,
            ) in WRITING:  # it locks the gallery's row
                assert_told(name, method, response)
            else:
                assert response.status_code < 400, (name, method)
            response.close()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
    assert files() == before


@pytest.mark.django_db(transaction=True)
def test_server__that_goes_away(postgresql, client_of, owner, table):
    import psycopg

    client, values = client_of(owner), connection.settings_dict
    place = {"host": values["HOST"], "port": values["PORT"], "user": values["USER"]}
    with psycopg.connect(**place, dbname="postgres", autocommit=True) as other:
        other.execute(f'ALTER DATABASE "{values["NAME"]}" ALLOW_CONNECTIONS false')
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        other.execute(ended, [values["NAME"]])
        try:
            for name, method, url, given in table:  # on the dead connection
                assert_told(name, method, getattr(client, method)(url, **given))
            for name, method, url, given in table:  # and where there is none to be had
                connection.close()
                assert_told(name, method, getattr(client, method)(url, **given))
            health = client.get("/readyz")
            assert (health.status_code, "Retry-After" in health.headers) == (503, True)
        finally:
            other.execute(f'ALTER DATABASE "{values["NAME"]}" ALLOW_CONNECTIONS true')
    connection.close()
    assert client.get(table[0][2]).status_code == 200


def test_view__goes_on_when_the_database_is_back(client_of, owner, table):
    client = client_of(owner)
    for name, method, url, values in table:
        response = getattr(client, method)(url, **values)
        assert response.status_code < 500, (name, method)
        response.close()


def test_view__begins_and_ends_transactions_of_requests_inside(
    client_of, owner, table, monkeypatch
):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    def refuse(self):
        raise OperationalError("could not connect to server")

    client = client_of(owner)
    monkeypatch.setattr("django.db.transaction.Atomic.__enter__", refuse)
    name, method, url, values = table[0]
    assert_told(name, method, getattr(client, method)(url, **values))


def test_view__of_uploads_is_in_no_transaction_of_the_request(rf):
    by_name = {pattern.name: pattern.callback for pattern in urlpatterns}
    for name in ("upload", "resumable", "resumable_part", "gallery"):
        assert connection.alias in by_name[name]._non_atomic_requests
    inner = {name: by_name[name].__wrapped__ for name in by_name}
    assert connection.alias in inner["upload"]._non_atomic_requests
    assert connection.alias not in getattr(inner["gallery"], "_non_atomic_requests", ())


def test_view__whose_fault_is_ours_is_no_503(client_of, owner, table):
    client = client_of(owner)
    client.raise_request_exception = False

    def fail(*args):
        raise ProgrammingError("syntax error at or near SELEKT")

    _name, method, url, values = table[0]
    with connection.execute_wrapper(fail):
        assert getattr(client, method)(url, **values).status_code == 500


def test_failure__is_logged_without_the_token(client_of, owner, table, caplog):
    def fail(*args):
        raise InternalError("read-only")

    ((_name, _method, url, _values),) = [row for row in table if row[0] == "shared"]
    client = client_of(owner)
    with caplog.at_level(logging.INFO), connection.execute_wrapper(fail):
        client.get(url)
    assert "share_link_failed" in caplog.text
    assert url.split("/")[-2] not in caplog.text


@pytest.mark.parametrize("failure", FAILURES)
def test_failures_told__are_the_databases(failure):
    assert is_unavailable(failure())
    with pytest.raises(StorageUnavailable), database_failures_told():
        raise failure


@pytest.mark.parametrize("failure", OURS)
def test_failures_told__are_not_ours(failure):
    assert not is_unavailable(failure())
    with pytest.raises(failure), database_failures_told():
        raise failure


def test_failures_told__of_a_role_that_may_only_read():
    class Refused(Exception):
        sqlstate = "42501"

    error = ProgrammingError("permission denied for table images_app_image")
    error.__cause__ = Refused()
    assert is_unavailable(error)
