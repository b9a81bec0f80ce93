"""What an attack on the ways in has tried: each of these went wrong once, or might have."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone

from images_app import stripping
from images_app.access import Right, Viewer
from images_app.ingest import ingest_image
from images_app.models import Gallery, GalleryItem, Grant, Image, PartialUpload
from images_app.models.gallery import LAST_POSITION
from images_app.moving import Mover
from images_app.ownership import is_mark
from images_app.renditions import rendition_url
from images_app.replacing import replace_original
from images_app.trash import delete_trashed
from images_app.uploads import Target, gate
from images_app.uploads.resuming import append, begin, finish
from images_app.views import editing
from images_app.views import upload as upload_views
from tests.databases import DATABASE
from tests.pictures import noise, picture, upload

pytestmark = pytest.mark.django_db(transaction=True)
TUS = {"Tus-Resumable": "1.0.0"}
PART = "application/offset+octet-stream"
BACKEND = "images_app.storages.PrivateFileSystemStorage"


@pytest.fixture
def owner(make_user):
    return make_user("owner")


@pytest.fixture
def gallery(make_gallery, owner):
    return make_gallery(owner=owner)


@pytest.fixture
def their_client(client_of, owner):
    client = client_of(owner)
    client.raise_request_exception = False
    return client


def send(client, gallery, file=None, **query):
    url = "/images/upload/"
    query = {"gallery": str(gallery.public_id), **query}
    return client.post(url, {"file": file or upload()}, query_params=query)


def post_json(client, url, data):
    return client.post(url, json.dumps(data), content_type="application/json")


def begun(client, gallery, length):
    url = f"/uploads/?gallery={gallery.public_id}"
    headers = {**TUS, "Upload-Length": str(length)}
    return client.post(url, b"", content_type=PART, headers=headers).headers["Location"]


def send_part(client, url, offset, content):
    headers = {**TUS, "Upload-Offset": str(offset)}
    return client.generic("PATCH", url, content, PART, headers=headers)


# --- records and bytes -------------------------------------------------------------------------


def test_replacing__is_not_undone_by_who_saves_a_stale_image():
    image = ingest_image(upload(content=noise((64, 64))))
    stale = Image.objects.get(pk=image.pk)
    replace_original(image, upload("b.png", picture("PNG", (30, 20))))
    stale.title = "new"
    stale.save()
    found = Image.objects.get(pk=image.pk)
    with storages[found.storage_alias].open(found.storage_name) as file:
        content = file.read()
    facts = (found.title, found.checksum, found.byte_size, found.format, found.width)
    assert facts == ("new", hashlib.sha256(content).hexdigest(), len(content), "png", 30)


def made_old(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    for path in found:
        os.utime(path, (time.time() - 10**5,) * 2)
    return found


def reconcile(*storages_to_search):
    with contextlib.suppress(SystemExit):
        call_command("images_reconcile", "--fix", storage=list(storages_to_search))


def test_reconcile__deletes_nothing_where_two_aliases_lead_to_one_folder(
    settings, tmp_path, client_of, owner, gallery
):
    """E006 refuses that; but whoever calls the command from a task is not checked."""
    both = {"BACKEND": BACKEND, "OPTIONS": {"location": tmp_path / "one", "allow_overwrite": True}}
    settings.STORAGES = {**settings.STORAGES, "images": both, "image_renditions": both}
    image = ingest_image(upload(), owner=owner, gallery=gallery)
    client_of(owner).get(rendition_url(image, "thumb")).close()
    found = made_old(tmp_path / "one")
    before = [path for path in found if not is_mark(path.relative_to(tmp_path).as_posix())]
    assert len(before) == 2
    reconcile()
    assert all(path.exists() for path in before)


def test_reconcile__leaves_what_was_moved_a_moment_ago_to_its_readers(settings, tmp_path):
    cold = {"BACKEND": BACKEND, "OPTIONS": {"location": tmp_path / "cold"}}
    settings.STORAGES = {**settings.STORAGES, "cold": cold}
    image = ingest_image(upload())
    former = Path(storages["images"].path(image.storage_name))
    made_old(former.parent)
    Mover("cold").move(image)
    reconcile("images")
    assert former.exists()


def test_trash__restored_and_trashed_again_stays(make_image):
    image, now = make_image(), timezone.now()
    Image.objects.update(trashed_at=now - timedelta(days=40))
    expired = Image.objects.get(pk=image.pk)
    Image.objects.update(trashed_at=now)
    assert not delete_trashed(expired)
    assert Image.objects.get().trashed_at == now


# --- bodies ------------------------------------------------------------------------------------


def test_override__reads_no_body_for_its_token(their_client, owner, gallery, monkeypatch, settings):
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": 1000}
    spooled = []
    monkeypatch.setattr(
        TemporaryFileUploadHandler,
        "receive_data_chunk",
        lambda self, data, start: spooled.append(len(data)),
    )
    url = begun(their_client, gallery, 1000)
    stranger = Client(enforce_csrf_checks=True)
    stranger.force_login(owner)
    stranger.cookies["csrftoken"] = "a" * 32
    large = io.BytesIO(b"x" * 4 * 2**20)
    headers = {**TUS, "X-HTTP-Method-Override": "DELETE"}
    response = stranger.post(url, {"file": large}, headers=headers)
    assert (response.status_code, spooled) == (415, [])
    assert PartialUpload.objects.exists()


@pytest.mark.parametrize("length", ["²", "9" * 5000])
def test_length__that_is_none_is_refused(their_client, gallery, length):
    for client in (their_client, Client(raise_request_exception=False)):
        response = client.generic(
            "POST",
            f"/images/upload/?gallery={gallery.public_id}",
            content_type="multipart/form-data; boundary=x",
            CONTENT_LENGTH=length,
        )
        assert response.status_code in {400, 401}


def test_full_disk__while_stripping_is_told(settings, their_client, gallery, monkeypatch):
    def fail(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    settings.IMAGES_APP = {"STRIP_ORIGINALS": True}
    monkeypatch.setattr(stripping, "_copy", fail)
    assert send(their_client, gallery).status_code == 503
    assert not Image.objects.exists()


# --- places ------------------------------------------------------------------------------------


def test_position__of_one_upload_jams_no_other(their_client, gallery):
    assert send(their_client, gallery, position=LAST_POSITION).status_code == 201
    place = "/images/upload/place/"
    following = their_client.get(place, query_params={"gallery": str(gallery.public_id)}).json()
    response = send(their_client, gallery, position=following["next"], duplicates="add")
    assert response.status_code == 201
    GalleryItem.objects.update(position=2**31 - 1)
    assert gallery.next_position() == LAST_POSITION


# --- what changes meanwhile --------------------------------------------------------------------


@pytest.fixture
def helper(make_user, gallery):
    user = make_user("helper")
    Grant.objects.create(user=user, gallery=gallery, right=Right.CHANGE.value)
    return user


def test_right__lost_while_the_body_comes_counts_no_more(client_of, helper, gallery, monkeypatch):
    parse = gate._parse

    def slowly(request):
        Grant.objects.all().delete()
        parse(request)

    monkeypatch.setattr(gate, "_parse", slowly)
    assert send(client_of(helper), gallery).status_code == 404
    assert not Image.objects.exists()


def test_gallery__deleted_while_the_body_comes_is_absent(their_client, gallery, monkeypatch):
    take_in = upload_views.take_in

    def gone(*args, **kwargs):
        Gallery.objects.all().delete()
        return take_in(*args, **kwargs)

    monkeypatch.setattr(upload_views, "take_in", gone)
    assert send(their_client, gallery).status_code == 404
    assert not Image.objects.exists()


def test_upload__whose_image_is_in_the_trash_already_is_gone(their_client, gallery, owner):
    """Whoever made it was killed before the upload was settled."""
    content = noise()
    url = begun(their_client, gallery, len(content))
    made = PartialUpload.objects.get()
    ingest_image(upload(content=content), owner=owner, public_id=made.public_id)
    Image.objects.update(trashed_at=timezone.now())
    assert send_part(their_client, url, 0, content).status_code == 410
    assert not PartialUpload.objects.exists()


def test_upload__finished_in_a_transaction_that_is_rolled_back_can_be_finished_again(
    owner, gallery
):
    content, viewer, target = noise(), Viewer(user=owner), Target(gallery=gallery)
    coming = begin(viewer, target, length=len(content))
    append(coming, 0, io.BytesIO(content), len(content))
    with transaction.atomic(using=DATABASE):
        finish(coming, viewer, target, file_name="a.jpg")
        transaction.set_rollback(True, using=DATABASE)
    finish(PartialUpload.objects.get(), viewer, target, file_name="a.jpg")
    assert Image.objects.count() == 1


def test_edit__of_what_is_deleted_meanwhile_tells_so_and_saves_the_rest(
    their_client, make_image, owner, monkeypatch
):
    gone, kept = make_image(owner=owner), make_image(owner=owner)
    save = editing._save

    def deleting(image, values):
        Image.objects.filter(pk=gone.pk).delete()
        return save(image, values)

    monkeypatch.setattr(editing, "_save", deleting)
    edits = [{"id": str(image.public_id), "title": "new"} for image in (gone, kept)]
    answer = post_json(their_client, "/images/edit/", {"images": edits}).json()
    assert list(answer["errors"]) == [str(gone.public_id)]
    assert Image.objects.get().title == "new"


# --- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "edit",
    [{"focal_x": 10**400}, {"title": "\ud800"}, {"alt_text": "\ud83d"}, {"title": "x" * 10**5}],
)
def test_edit__with_a_value_that_no_database_keeps_is_an_error_of_its_image(
    their_client, make_image, owner, edit
):
    bad, good = make_image(owner=owner), make_image(owner=owner)
    edits = [
        {"id": str(bad.public_id), **edit},
        {"id": str(good.public_id), "title": "new"},
    ]
    answer = post_json(their_client, "/images/edit/", {"images": edits})
    assert answer.status_code == 200
    assert list(answer.json()["errors"]) == [str(bad.public_id)]
    assert Image.objects.get(pk=good.pk).title == "new"


@pytest.mark.parametrize("number", ["9" * 30, "9" * 5000])
def test_trash__numbers_beyond_all_keys_choose_nothing(admin_client, number):
    data = {"chosen": number, "act": "restore"}
    assert admin_client.post("/admin/images_app/image/trash/", data).status_code == 302


# --- what is told ------------------------------------------------------------------------------


def test_duplicate__tells_the_file_name_to_who_may_have_the_file(
    their_client, client_of, make_user, make_gallery, gallery, owner
):
    """It stands on no page that those see who may only look."""
    content = noise()
    shown = make_gallery("shown", owner=owner, visibility="members")
    file = upload("patient.jpg", content)
    ingest_image(file, owner=owner, gallery=shown, title="x")
    told = send(their_client, gallery, upload("mine.jpg", content)).json()["images"][0]
    assert told["file_name"] == "patient.jpg"
    other = make_user("other")
    answer = send(client_of(other), make_gallery(owner=other), upload("mine.jpg", content))
    assert answer.status_code == 409
    assert b"patient" not in answer.content


def test_admin__filters_by_no_place(admin_client, make_image):
    make_image()
    for query in ("location_data__isnull=0", "location_data__latitude__gt=1"):
        assert admin_client.get(f"/admin/images_app/image/?{query}").status_code == 400
