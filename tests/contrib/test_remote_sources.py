"""Fetched images as records: through ingest, refreshed, by command, task and admin."""

from __future__ import annotations

import datetime as dt
import logging
import os
import subprocess
import sys

import pytest
from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from images_app.contrib.remote import sources, tasks
from images_app.contrib.remote.apps import check_remote
from images_app.contrib.remote.conf import get_remote, parse_remote
from images_app.contrib.remote.models import RemoteSource
from images_app.contrib.remote.sources import due_sources, fetch_image, refresh
from images_app.exceptions import ImagesAppError, StorageUnavailable, UploadRefused
from images_app.models import Gallery, Image
from images_app.tasks import DirectTask
from tests.contrib.remote_servers import PUBLIC, Internet, running
from tests.contrib.test_remote import SERVERS, AnyHost, rows, send_png
from tests.models.test_swapped import OWN_ADMIN, OWN_MODEL, SETTINGS, URLS
from tests.parts import ROOT
from tests.pictures import body, picture

pytestmark = pytest.mark.django_db
URL = "http://good.test/a/red%20car.png?key=secret"
RED, BLUE = picture("PNG"), picture("PNG", color=(1, 2, 250))
EVERYTHING = ("add_image", "add_remotesource")


@pytest.fixture
def internet(monkeypatch, settings):
    settings.IMAGES_APP = {"REMOTE": {"HOSTS": ["good.test"], "MAX_SECONDS": 5}}
    with running() as public, running() as internal:
        made = Internet(public=public, internal=internal)
        made.names["good.test"] = [PUBLIC]
        public.behaviours["good.test"] = answering(RED)
        monkeypatch.setattr(sources, "network", made.network)
        yield made


def answering(content, **headers):
    """A server that knows its validators."""

    def behave(exchange):
        etag = headers.get("ETag")
        if etag and exchange.headers.get("if-none-match") == etag:
            exchange.answer("304 Not Modified", **headers)
        else:
            exchange.answer(body=content, Content_Type="image/png", **headers)

    return behave


@pytest.fixture
def staff(make_user):
    from django.contrib.auth.models import Permission

    user = make_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=EVERYTHING))
    return user


def served(image, user):
    """The original's bytes, as its owner gets them."""
    client = Client()
    client.force_login(user)
    return body(client.get(image.original_url))


# --- fetching ----------------------------------------------------------------------------------


def test_fetch__keeps_an_original_and_where_it_came_from(internet, make_user, make_gallery):
    internet.public.behaviours["good.test"] = answering(RED, ETag='"1"', Last_Modified="Monday")
    owner, gallery = make_user(), make_gallery()
    image = fetch_image(URL, owner=owner, gallery=gallery)
    assert (image.title, image.file_name, image.owner) == ("red car", "red car.png", owner)
    assert list(gallery.images.all()) == [image]
    assert served(image, owner) == RED
    source = image.remote_source
    assert (source.url, source.final_url) == (URL, URL)
    assert (source.etag, source.last_modified) == ('"1"', "Monday")
    assert (source.outcome, source.checksum) == ("fetched", image.checksum)
    assert source.fetched_at == source.checked_at
    assert str(source) == "http://good.test/a/red%20car.png"


def test_fetch__is_off_by_default(internet, settings):
    settings.IMAGES_APP = {}
    with pytest.raises(ImagesAppError) as caught:
        fetch_image(URL, owner=None)
    assert caught.value.code == "host_not_allowed"
    assert internet.looked_up == internet.connected == []


def test_fetch__obeys_the_policy_like_an_upload(internet, make_user, client_of):
    image = fetch_image(URL, owner=make_user())
    assert client_of(make_user("another")).get(image.original_url).status_code == 404


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"nothing of the kind", "not_an_image"),
        (RED[:60], "damaged"),
        (picture("BMP"), "format_not_allowed"),
        (b"", "empty"),
    ],
)
def test_fetch__has_the_gate_of_an_upload(internet, files, content, code):
    internet.public.behaviours["good.test"] = answering(content)
    with pytest.raises(UploadRefused) as caught:
        fetch_image(URL, owner=None)
    assert caught.value.code == code
    assert not Image.objects.exists()
    assert files() == []


def test_fetch__is_bounded_like_an_upload(internet, settings):
    settings.IMAGES_APP = {**settings.IMAGES_APP, "MAX_UPLOAD_BYTES": len(RED) - 1}
    with pytest.raises(UploadRefused) as caught:
        fetch_image(URL, owner=None)
    assert caught.value.code == "too_large"


def test_fetch__without_a_place_for_the_source_keeps_nothing(
    internet, files, monkeypatch, django_capture_on_commit_callbacks
):
    def fail(**values):
        raise DatabaseError

    monkeypatch.setattr(RemoteSource.objects, "create", fail)
    with django_capture_on_commit_callbacks(execute=True), pytest.raises(StorageUnavailable):
        fetch_image(URL, owner=None)
    assert not Image.objects.exists()
    assert files() == []


@pytest.mark.parametrize(
    "change",
    [
        {"is_staff": False},
        {"is_active": False},
        {"lacks": "add_image"},
        {"lacks": "add_remotesource"},
    ],
)
def test_fetch__is_for_staff_that_may_add(internet, staff, change):
    lacks = change.pop("lacks", None)
    staff.user_permissions.remove(*staff.user_permissions.filter(codename=lacks))
    for name, value in change.items():
        setattr(staff, name, value)
    with pytest.raises(PermissionDenied):
        fetch_image(URL, owner=staff, user=staff)
    assert internet.connected == []


def test_fetch__into_a_gallery_takes_leave_to_add_there(internet, staff, make_gallery):
    with pytest.raises(PermissionDenied):
        fetch_image(URL, owner=staff, user=staff, gallery=make_gallery())
    own = make_gallery(owner=staff)
    assert fetch_image(URL, owner=staff, user=staff, gallery=own) in own.images.all()


def test_log__has_no_path_and_no_key(internet, caplog):
    internet.public.behaviours["good.test"] = lambda e: e.answer("404 Not Found")
    with caplog.at_level(logging.DEBUG), pytest.raises(ImagesAppError):
        fetch_image(URL, owner=None)
    assert "not fetched: gone: http://good.test:80 answers 404" in caplog.text
    assert "secret" not in caplog.text
    assert "car" not in caplog.text


@pytest.mark.parametrize(("url", "expect", "why"), rows())
def test_list__lets_nothing_in_but_what_it_allows(
    internet, settings, monkeypatch, url, expect, why
):
    settings.IMAGES_APP = {**settings.IMAGES_APP, "MAX_UPLOAD_BYTES": 10**6}
    remote = AnyHost(max_seconds=0.8, read_seconds=1)
    monkeypatch.setattr(sources, "get_remote", lambda: remote)
    internet.public.behaviours |= SERVERS
    internet.names |= {name: [PUBLIC] for name in (*SERVERS, "example.com")}
    internet.names |= {"localhost": ["::1"], "localhost.localdomain": ["127.0.0.1"]}
    internet.names["cname-to-localhost.test"] = ["127.0.0.1"]
    answers = iter([[PUBLIC]] + 9 * [["127.0.0.1"]])
    internet.names["rebind.test"] = lambda: next(answers)
    if expect == "allow":
        fetch_image(url, owner=None)
    else:
        with pytest.raises(ImagesAppError):
            fetch_image(url, owner=None)
    assert Image.objects.count() == RemoteSource.objects.count() == (expect == "allow")
    assert internet.internal.connections == 0


# --- refreshing --------------------------------------------------------------------------------


@pytest.fixture
def fetched(internet, make_user):
    """An image, fetched long ago."""
    internet.public.behaviours["good.test"] = answering(RED, ETag='"1"', Last_Modified="Monday")
    image = fetch_image(URL, owner=make_user("owner"))
    long_ago = timezone.now() - dt.timedelta(days=9)
    RemoteSource.objects.update(fetched_at=long_ago, checked_at=long_ago)
    image.remote_source.refresh_from_db()
    return image


def again(image):
    """The image and its source as the database has them after a refresh; and the outcome."""
    outcome = refresh(image.remote_source)
    image = Image.objects.get(pk=image.pk)
    assert image.remote_source.outcome == outcome
    assert timezone.now() - image.remote_source.checked_at < dt.timedelta(minutes=1)
    return image, outcome


def is_new(moment):
    return timezone.now() - moment < dt.timedelta(minutes=1)


def test_refresh__of_the_same_is_a_304(internet, fetched):
    image, outcome = again(fetched)
    assert (outcome, image.version) == ("unchanged", 1)
    assert not is_new(image.remote_source.fetched_at)
    assert image.remote_source.checksum == image.checksum
    headers = internet.public.requests[-1].headers
    assert (headers["if-none-match"], headers["if-modified-since"]) == ('"1"', "Monday")


def test_refresh__of_the_same_bytes_under_another_validator(internet, fetched):
    internet.public.behaviours["good.test"] = answering(RED, ETag='"2"')
    image, outcome = again(fetched)
    assert (outcome, image.version) == ("unchanged", 1)
    assert (image.remote_source.etag, image.remote_source.last_modified) == ('"2"', "")


def test_refresh__of_other_bytes_replaces_the_original(
    internet, fetched, files, django_capture_on_commit_callbacks
):
    internet.public.behaviours["good.test"] = answering(BLUE, ETag='"2"')
    old_url = fetched.original_url
    with django_capture_on_commit_callbacks(execute=True):
        image, outcome = again(fetched)
    assert (outcome, image.version) == ("replaced", 2)
    assert (image.pk, image.title, image.owner) == (fetched.pk, fetched.title, fetched.owner)
    assert served(image, image.owner) == BLUE
    assert image.original_url != old_url
    assert image.remote_source.etag == '"2"'
    assert is_new(image.remote_source.fetched_at)
    assert len(files()) == 1
    image, outcome = again(image)
    assert (outcome, image.version) == ("unchanged", 2)


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        (lambda e: e.answer("404 Not Found"), "gone"),
        (lambda e: e.answer("500 Oops"), "no_image"),
        (lambda e: None, "unreachable"),
        (answering(RED[:60]), "damaged"),
        (answering(b""), "empty"),
        (lambda e: e.answer("302 Found", Location="http://other.test/"), "host_not_allowed"),
    ],
)
def test_refresh__that_fails_leaves_the_image_as_it_is(internet, fetched, behaviour, outcome):
    internet.public.behaviours["good.test"] = behaviour
    image, found = again(fetched)
    assert found == outcome
    assert served(image, image.owner) == RED
    assert image.remote_source.etag == '"1"'
    assert image.version == 1


def test_refresh__under_settings_that_name_the_host_no_more(internet, fetched, settings):
    settings.IMAGES_APP = {}
    assert again(fetched)[1] == "host_not_allowed"


def test_refresh__of_what_was_deleted_meanwhile(internet, fetched, monkeypatch):
    internet.public.behaviours["good.test"] = answering(BLUE)
    source = fetched.remote_source
    Image.objects.get(pk=fetched.pk).delete()
    assert refresh(source) == "image_gone"
    assert not RemoteSource.objects.exists()


def test_delivery__never_asks_the_source(internet, fetched):
    count = internet.public.connections
    for url in (fetched.original_url, fetched.get_absolute_url()):
        client = Client()
        client.force_login(fetched.owner)
        response = client.get(url)
        assert response.status_code == 200
        response.close()
    assert internet.public.connections == count


def test_due__are_the_oldest_and_none_in_the_trash(internet, fetched, make_user):
    other = fetch_image(URL, owner=None)
    assert [each.pk for each in due_sources(dt.timedelta())] == [fetched.pk, other.pk]
    assert [each.pk for each in due_sources(dt.timedelta(hours=1))] == [fetched.pk]
    Image.objects.filter(pk=fetched.pk).update(trashed_at=timezone.now())
    assert list(due_sources(dt.timedelta(hours=1))) == []


def test_task__refreshes(internet, fetched, django_capture_on_commit_callbacks):
    internet.public.behaviours["good.test"] = answering(BLUE)
    with django_capture_on_commit_callbacks(execute=True):
        tasks.enqueue_refresh(fetched.remote_source)
    fetched.refresh_from_db()
    assert fetched.version == 2


def test_task__without_tasks_is_a_direct_call(internet, fetched, monkeypatch):
    monkeypatch.setattr(tasks, "refresh_source", DirectTask(tasks.refresh_source.func))
    tasks.enqueue_refresh(fetched.remote_source)
    assert RemoteSource.objects.get().outcome == "unchanged"


def test_task__of_what_is_gone_or_in_the_trash_is_nothing(internet, fetched):
    Image.objects.update(trashed_at=timezone.now())
    assert tasks.refresh_source.call(fetched.pk) == tasks.refresh_source.call(4711) == ""


# --- the command -------------------------------------------------------------------------------


def test_command__fetches_into_a_gallery(internet, make_user, capsys):
    make_user("anna")
    call_command("images_fetch", URL, "http://good.test/b.png", owner="anna", gallery="Web")
    assert capsys.readouterr().out == "2 fetched, 0 failed.\n"
    gallery = Gallery.objects.get()
    assert (gallery.title, gallery.owner.username) == ("Web", "anna")
    assert [image.title for image in gallery.images.order_by("id")] == ["red car", "b"]
    call_command("images_fetch", URL, owner="anna", gallery="Web")
    assert Gallery.objects.get().images.count() == 3


def test_command__tells_what_failed_and_keeps_the_others(internet, make_user, capsys):
    make_user("anna")
    urls = ["http://evil.test/x\x1b.png?key=secret", URL]
    with pytest.raises(SystemExit, match="1"):
        call_command("images_fetch", *urls, owner="anna", gallery="Web")
    told = capsys.readouterr()
    assert told.out == "1 fetched, 1 failed.\n"
    assert "http://evil.test/x?.png: This is not the address" in told.err
    assert "secret" not in told.err
    assert Image.objects.count() == 1


def test_command__refreshes(internet, fetched, capsys):
    call_command("images_fetch", refresh=True, older_than=1)
    assert capsys.readouterr().out == "1 unchanged, 0 replaced, 0 failed.\n"
    call_command("images_fetch", refresh=True, older_than=1)
    assert capsys.readouterr().out == "0 unchanged, 0 replaced, 0 failed.\n"
    internet.public.behaviours["good.test"] = answering(BLUE)
    call_command("images_fetch", refresh=True)
    assert capsys.readouterr().out == "0 unchanged, 1 replaced, 0 failed.\n"
    internet.public.behaviours["good.test"] = lambda e: e.answer("410 Gone")
    with pytest.raises(SystemExit, match="1"):
        call_command("images_fetch", refresh=True)
    told = capsys.readouterr()
    assert told.out == "0 unchanged, 0 replaced, 1 failed.\n"
    assert told.err == "http://good.test/a/red%20car.png: gone\n"


@pytest.mark.parametrize(
    ("args", "options", "sentence"),
    [
        ([], {}, "Give --owner"),
        ([URL], {"owner": "anna"}, "Give --owner"),
        ([URL], {"refresh": True}, "takes no URL"),
        ([], {"refresh": True, "owner": "anna"}, "takes no URL"),
        ([URL], {"owner": "nobody", "gallery": "Web"}, "no user 'nobody'"),
        ([], {"refresh": True, "older_than": -1.0}, "--older-than"),
        ([], {"refresh": True, "older_than": float("nan")}, "--older-than"),
    ],
)
def test_command__refuses_what_makes_no_sense(internet, args, options, sentence):
    with pytest.raises(CommandError, match=sentence):
        call_command("images_fetch", *args, **options)


def test_command__names_a_setting_that_cannot_be_used(internet, settings):
    settings.IMAGES_APP = {"REMOTE": {"HOST": ["good.test"]}}
    with pytest.raises(CommandError, match="Did you mean 'HOSTS'"):
        call_command("images_fetch", refresh=True)


# --- settings ----------------------------------------------------------------------------------


def test_settings__have_defaults(settings):
    settings.IMAGES_APP = {}
    remote = get_remote()
    assert (remote.hosts, remote.ports, remote.max_redirects) == ((), (80, 443), 3)
    assert (remote.max_seconds, remote.connect_seconds, remote.read_seconds) == (30, 5, 10)


def test_settings__are_read():
    remote = parse_remote(
        {"HOSTS": ["A.test", ".B.test", "2606:2800:0::1"], "PORTS": [8080], "MAX_REDIRECTS": 0}
    )
    assert remote.hosts == ("a.test", ".b.test", "2606:2800::1")
    assert (remote.ports, remote.max_redirects) == ((8080,), 0)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"HOST": []}, "has no key 'HOST'. Did you mean 'HOSTS'?"),
        ({"HOSTS": "good.test"}, "['HOSTS'] must be a list"),
        ({"HOSTS": ["127.0.0.1"]}, "nothing is fetched from such addresses"),
        ({"HOSTS": ["::1"]}, "nothing is fetched from such addresses"),
        ({"HOSTS": ["*"]}, "cannot hold '*'"),
        ({"HOSTS": ["*.good.test"]}, "cannot hold '*.good.test'"),
        ({"HOSTS": ["http://good.test"]}, "cannot hold 'http://good.test'"),
        ({"HOSTS": ["good.test:80"]}, "cannot hold 'good.test:80'"),
        ({"HOSTS": ["."]}, "cannot hold '.'"),
        ({"HOSTS": [""]}, "cannot hold ''"),
        ({"HOSTS": [7]}, "cannot hold 7"),
        ({"HOSTS": [".8.8.8.8"]}, "cannot hold '.8.8.8.8'"),
        ({"HOSTS": [".::1"]}, "cannot hold '.::1'"),
        ({"PORTS": [0]}, "['PORTS'] cannot hold 0"),
        ({"PORTS": ["80"]}, "['PORTS'] cannot hold '80'"),
        ({"PORTS": [True]}, "['PORTS'] cannot hold True"),
        ({"MAX_SECONDS": 0}, "['MAX_SECONDS'] cannot be 0"),
        ({"MAX_SECONDS": float("nan")}, "['MAX_SECONDS'] cannot be nan"),
        ({"CONNECT_SECONDS": "5"}, "['CONNECT_SECONDS'] cannot be '5'"),
        ({"READ_SECONDS": -1}, "['READ_SECONDS'] cannot be -1"),
        ({"MAX_REDIRECTS": 1.5}, "['MAX_REDIRECTS'] cannot be 1.5"),
        ({"MAX_REDIRECTS": 21}, "['MAX_REDIRECTS'] cannot be 21"),
    ],
)
def test_settings__that_cannot_be_used_are_an_error_and_a_check(settings, given, sentence):
    with pytest.raises(ImproperlyConfigured) as caught:
        parse_remote(given)
    assert sentence in str(caught.value)
    settings.IMAGES_APP = {"REMOTE": given}
    assert [message.id for message in check_remote(None)] == ["images_app_remote.E001"]


def test_check__has_nothing_to_say_of_good_settings_or_of_others(settings):
    settings.IMAGES_APP = {"REMOTE": {"HOSTS": ["good.test"]}}
    assert check_remote(None) == []
    settings.IMAGES_APP = {"NONSENSE": 1}
    assert check_remote(None) == []


# --- the admin ---------------------------------------------------------------------------------

ADD = "admin:images_app_remote_remotesource_add"
LIST = "admin:images_app_remote_remotesource_changelist"


def grant(user, *codenames):
    from django.contrib.auth.models import Permission

    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))


def test_admin__fetches_and_tells_of_each_bad_address(internet, staff, client_of, make_gallery):
    gallery = make_gallery("Mine", owner=staff)
    make_gallery("Hidden")
    client = client_of(staff)
    page = body(client.get(reverse(ADD))).decode()
    assert "Mine" in page
    assert "Hidden" not in page
    assert "good.test" in page
    urls = f"{URL}\r\n\r\nhttp://evil.test/<b>\r\n{URL}\r\nhttp://good.test/b.png"
    response = client.post(reverse(ADD), {"urls": urls, "gallery": gallery.pk})
    text = body(response).decode()
    assert response.status_code == 200
    assert "http://evil.test/&lt;b&gt;: Images are not fetched from this host or port." in text
    assert "2 images were added." in text
    assert gallery.images.count() == 2
    assert {image.owner for image in gallery.images.all()} == {staff}
    response = client.post(reverse(ADD), {"urls": URL})
    assert response["Location"] == reverse(ADD)
    grant(staff, "view_remotesource")
    response = client.post(reverse(ADD), {"urls": URL})
    assert response["Location"] == reverse(LIST)


def test_admin__get_fetches_nothing(internet, staff, client_of):
    client_of(staff).get(reverse(ADD), {"urls": URL})
    assert internet.connected == []


def test_admin__asks_for_a_csrf_token(internet, staff):
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff)
    assert client.post(reverse(ADD), {"urls": URL}).status_code == 403
    assert internet.connected == []


@pytest.mark.parametrize("lacks", EVERYTHING)
def test_admin__is_for_staff_that_may_add(internet, staff, client_of, lacks):
    staff.user_permissions.remove(*staff.user_permissions.filter(codename=lacks))
    client = client_of(staff)
    assert client.get(reverse(ADD)).status_code == 403
    assert client.post(reverse(ADD), {"urls": URL}).status_code == 403
    assert internet.connected == []


def test_admin__takes_a_gallery_only_from_those_who_may_change_it(
    internet, staff, client_of, make_gallery
):
    hidden = make_gallery("Hidden")
    response = client_of(staff).post(reverse(ADD), {"urls": URL, "gallery": hidden.pk})
    assert response.context["form"].errors.keys() == {"gallery"}
    assert internet.connected == []


def test_admin__takes_no_more_than_ten_addresses(internet, staff, client_of):
    urls = "\n".join(f"http://good.test/{number}.png" for number in range(11))
    response = client_of(staff).post(reverse(ADD), {"urls": urls})
    assert "These are more than 10 addresses." in body(response).decode()
    assert internet.connected == []


def test_admin__starts_nothing_once_the_time_is_up(internet, staff, client_of, settings):
    settings.IMAGES_APP = {"REMOTE": {"HOSTS": ["good.test"], "MAX_SECONDS": 0.3}}
    internet.public.behaviours["good.test"] = lambda e: (e.wait(1), send_png(e))
    urls = "http://good.test/1.png\nhttp://good.test/2.png"
    response = client_of(staff).post(reverse(ADD), {"urls": urls})
    codes = [error.code for error in response.context["form"].errors.as_data()["urls"]]
    assert codes == ["unreachable", "no_time"]
    assert len(internet.connected) == 1


def test_admin__lists_the_sources_of_what_one_may_change(internet, fetched, staff, client_of):
    grant(staff, "view_remotesource")
    fetch_image("http://good.test/mine.png", owner=staff)
    client = client_of(staff)
    page = body(client.get(reverse(LIST))).decode()
    assert "mine.png" in page
    assert "car" not in page
    detail = "admin:images_app_remote_remotesource_change"
    assert client.get(reverse(detail, args=[fetched.pk])).status_code == 302
    mine = Image.objects.get(owner=staff)
    assert client.get(reverse(detail, args=[mine.pk])).status_code == 200


def test_admin__shows_no_query(internet, fetched, make_user, client_of):
    client = client_of(make_user("admin", is_staff=True, is_superuser=True))
    detail = reverse("admin:images_app_remote_remotesource_change", args=[fetched.pk])
    for url in (reverse(LIST), detail):
        page = body(client.get(url)).decode()
        assert "http://good.test/a/red%20car.png" in page
        assert "secret" not in page
    for lookup in ("url__contains", "final_url__contains"):
        response = client.get(reverse(LIST), {lookup: "secret"})
        assert response.status_code in {302, 400}


def test_admin__deletes_a_source_and_keeps_the_image(internet, fetched, make_user, client_of):
    stranger = make_user("stranger", is_staff=True)
    grant(stranger, "view_remotesource", "delete_remotesource")
    delete = reverse("admin:images_app_remote_remotesource_delete", args=[fetched.pk])
    assert client_of(stranger).post(delete, {"post": "yes"}).status_code == 302
    assert RemoteSource.objects.exists()
    grant(fetched.owner, "view_remotesource", "delete_remotesource")
    fetched.owner.is_staff = True
    fetched.owner.save()
    assert client_of(fetched.owner).post(delete, {"post": "yes"}).status_code == 302
    assert not RemoteSource.objects.exists()
    assert Image.objects.filter(pk=fetched.pk).exists()


def test_admin__lets_go_of_a_source_with_its_image(internet, fetched, make_user, rf):
    """Django asks for leave to delete all that a deletion takes along."""
    stranger = make_user("stranger", is_staff=True)
    grant(stranger, "view_remotesource", "delete_remotesource")
    request = rf.get("/")
    for user, expected in ((fetched.owner, True), (stranger, False)):
        request.user = user
        model_admin = admin.site.get_model_admin(RemoteSource)
        assert model_admin.has_delete_permission(request, fetched.remote_source) is expected


# --- a host's own image model --------------------------------------------------------------------

USE_OF_OWN_MODEL = """
from django.db import connection
from django.contrib.auth.models import User
from host.models import Photo
from images_app.contrib.remote import sources
from images_app.contrib.remote.models import RemoteSource
from tests.contrib.remote_servers import PUBLIC, Internet, running
from tests.contrib.test_remote import send_png

assert "images_app_image" not in connection.introspection.table_names()
with running() as public, running() as internal:
    internet = Internet(public=public, internal=internal, names={"good.test": [PUBLIC]})
    public.behaviours["good.test"] = send_png
    sources.network = internet.network
    image = sources.fetch_image("http://good.test/x.png", owner=None)
    assert isinstance(image, Photo)
    assert sources.refresh(image.remote_source) == "unchanged"
    image.delete()
assert not RemoteSource.objects.exists()
print("ok")
"""


def test_swapped__image_model_has_sources_too(tmp_path):
    (tmp_path / "host").mkdir()
    settings = SETTINGS.replace(
        '"images_app",\n', '"images_app",\n    "images_app.contrib.remote",\n'
    )
    settings += 'IMAGES_APP = {"REMOTE": {"HOSTS": ["good.test"]}}\n'
    files = {
        "settings.py": settings + 'IMAGES_APP_IMAGE_MODEL = "host.Photo"\n',
        "urls.py": URLS,
        "host/__init__.py": "",
        "host/models.py": OWN_MODEL,
        "host/admin.py": OWN_ADMIN,
        "use.py": f"import django\ndjango.setup()\n{USE_OF_OWN_MODEL}",
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    django = [sys.executable, "-m", "django"]
    for command in (
        [*django, "makemigrations", "host"],
        [*django, "makemigrations", "images_app_remote", "--check", "--dry-run"],
        [*django, "migrate", "-v0"],
        [*django, "check", "--fail-level", "WARNING"],
        [sys.executable, "use.py"],
    ):
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "settings",
                "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip() == "ok"
