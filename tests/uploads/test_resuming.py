"""Parts in the storage: races that one wins, leftovers that are found, ends that leave nothing."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.http import Http404
from django.utils import timezone

from images_app.access import Viewer
from images_app.exceptions import BytesGone, OffsetMismatch, StorageUnavailable, UploadRefused
from images_app.ingest import ingest_image
from images_app.models import Image, PartialUpload
from images_app.uploads import Target, expire, orphaned_parts, resuming, take_in
from images_app.uploads.resuming import append, begin, drop, find_upload, finish
from tests.databases import DATABASE, connection
from tests.pictures import noise, picture

pytestmark = pytest.mark.django_db(transaction=True)
NOWHERE = Target(gallery=None)


@pytest.fixture
def viewer(make_user):
    return Viewer(user=make_user("owner"))


def arrived(viewer, content, *, target=NOWHERE, parts=3):
    """An upload all of whose parts are there."""
    upload = begin(viewer, target, length=len(content))
    step = len(content) // parts + 1
    for start in range(0, len(content), step):
        part = content[start : start + step]
        append(upload, start, io.BytesIO(part), len(part))
    return upload


def test_parts__lie_in_the_storage_of_originals(viewer, files):
    upload = arrived(viewer, b"x" * 300)
    folder = f"images/partial/{upload.public_id}"
    found = [name.rpartition("-")[0] for name in files()]
    assert found == [f"{folder}/{offset}" for offset in (0, 101, 202)]
    assert upload.is_complete


def test_parts__lie_where_the_settings_say(viewer, settings, files):
    settings.IMAGES_APP = {"STORAGE": "image_renditions"}
    upload = arrived(viewer, b"x" * 300)
    assert files()[0].startswith("renditions/partial/")
    settings.IMAGES_APP = {}
    drop(upload)  # each knows its own storage
    assert files() == []


def test_finish__joins_the_parts_in_their_order(viewer, files):
    content = noise()
    upload = arrived(viewer, content, parts=7)
    taken = finish(find_upload(viewer.user, upload.public_id), viewer, NOWHERE, file_name="a.jpg")
    image = Image.objects.get()
    assert (taken.image, taken.is_new) == (image, True)
    assert image.public_id == upload.public_id
    with storages["images"].open(image.storage_name) as kept:
        assert kept.read() == content
    assert len(files()) == 1


def test_append__at_a_place_that_is_taken_keeps_nothing(viewer, files):
    upload = begin(viewer, NOWHERE, length=10)
    late = PartialUpload.objects.get()
    append(upload, 0, io.BytesIO(b"first"), 5)
    with pytest.raises(OffsetMismatch) as caught:
        append(late, 0, io.BytesIO(b"second"), 6)
    assert caught.value.params == {"offset": 5}
    assert len(files()) == 1
    assert PartialUpload.objects.get().offset == 5


def test_append__to_what_was_dropped_meanwhile_keeps_nothing(viewer, files):
    upload = begin(viewer, NOWHERE, length=10)
    late = PartialUpload.objects.get()
    drop(upload)
    with pytest.raises(Http404):
        append(late, 0, io.BytesIO(b"x"), 1)
    assert files() == []


def test_append__that_is_not_recorded_keeps_nothing(viewer, files, monkeypatch):
    upload = begin(viewer, NOWHERE, length=10)

    def fail(*args, **kwargs):
        raise RuntimeError("the database is gone")

    monkeypatch.setattr("images_app.models.partial_upload.PartialUploadQuerySet.update", fail)
    with pytest.raises(RuntimeError):
        append(upload, 0, io.BytesIO(b"x"), 1)
    assert files() == []


@pytest.mark.django_db(transaction=True)
def test_append__of_several_at_once_one_wins(make_user, files):
    viewer = Viewer(user=make_user("owner"))
    upload = begin(viewer, NOWHERE, length=1000)
    barrier = Barrier(6)

    def send(number):
        try:
            mine = PartialUpload.objects.get(pk=upload.pk)
            barrier.wait(10)
            append(mine, 0, io.BytesIO(b"%d" % number * 100), 100)
        except OffsetMismatch:
            return None
        finally:
            connection.close()
        return number

    with ThreadPoolExecutor(6) as pool:
        winners = [number for number in pool.map(send, range(6)) if number is not None]
    upload.refresh_from_db()
    assert (len(winners), upload.offset, len(upload.parts), len(files())) == (1, 100, 1, 1)
    with storages["images"].open(upload.parts[0]) as kept:
        assert kept.read() == b"%d" % winners[0] * 100


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("duplicates", ["ask", "add", "use"])
def test_finish__of_several_at_once_makes_one_image(make_user, files, duplicates):
    viewer = Viewer(user=make_user("owner"))
    target = Target(gallery=None, duplicates=duplicates)
    upload = arrived(viewer, picture(), target=target)
    barrier = Barrier(4)

    def end(_number):
        try:
            mine = find_upload(viewer.user, upload.public_id)
            barrier.wait(10)
            return finish(mine, viewer, target, file_name="a.jpg").image.pk
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        made = set(pool.map(end, range(4)))
    assert made == {Image.objects.get().pk}
    assert len(files()) == 1


@pytest.mark.parametrize("duplicates", ["ask", "add", "use"])
def test_finish__when_another_has_just_done_so_tells_the_same(
    viewer, monkeypatch, files, duplicates
):
    upload, target = arrived(viewer, picture()), Target(gallery=None, duplicates=duplicates)
    file = ContentFile(picture(), "a.jpg")
    image = ingest_image(file, owner=viewer.user, public_id=upload.public_id)
    known, asked = resuming._made_of, []

    def not_yet(*args):
        asked.append(args)
        return known(*args) if len(asked) > 1 else None

    monkeypatch.setattr(resuming, "_made_of", not_yet)
    assert finish(upload, viewer, target, file_name="a.jpg").image == image
    assert Image.objects.count() == 1
    assert sum("partial" not in name for name in files()) == 1


def test_finish__after_a_crash_behind_the_record_tells_of_it(viewer, monkeypatch, files):
    upload = arrived(viewer, picture())
    with monkeypatch.context() as patched:
        patched.setattr(resuming, "_settle", crash)
        with pytest.raises(KeyboardInterrupt):
            finish(upload, viewer, NOWHERE, file_name="a.jpg")
    taken = finish(upload, viewer, NOWHERE, file_name="a.jpg")
    assert (taken.image, taken.is_new) == (Image.objects.get(), False)
    assert not PartialUpload.objects.unfinished().exists()
    assert len(files()) == 1


def crash(*args, **kwargs):
    raise KeyboardInterrupt


@pytest.mark.parametrize("is_lost", [True, False])
def test_finish__with_a_part_that_is_lost_or_cut_ends_it(viewer, files, is_lost):
    upload = arrived(viewer, picture())
    storages["images"].delete(upload.parts[1])
    if not is_lost:
        storages["images"].save(upload.parts[1], ContentFile(b"short"))
    with pytest.raises(BytesGone):
        finish(upload, viewer, NOWHERE, file_name="a.jpg")
    assert not PartialUpload.objects.exists()
    assert files() == []


def test_finish__refused_leaves_nothing(viewer, files):
    upload = arrived(viewer, b"no image at all")
    with pytest.raises(UploadRefused):
        finish(upload, viewer, NOWHERE, file_name="a.jpg")
    assert files() == []
    assert not PartialUpload.objects.exists()


def test_delete__that_the_storage_refuses_is_found_later(viewer, monkeypatch, files):
    upload = arrived(viewer, b"x" * 300)
    with monkeypatch.context() as patched:
        patched.setattr(storages["images"].__class__, "delete", crash_of_storage)
        drop(upload)
    assert len(files()) == 3
    assert sorted(name for _, name in orphaned_parts()) == sorted(upload.parts)


def crash_of_storage(*args):
    raise StorageUnavailable


def test_expire__removes_what_nobody_goes_on_with(viewer, files):
    now = timezone.now()
    old, new = arrived(viewer, b"x" * 300), arrived(viewer, b"y" * 300)
    PartialUpload.objects.filter(pk=old.pk).update(touched_at=now - timedelta(days=1))
    assert expire(now) == 1
    assert list(PartialUpload.objects.all()) == [new]
    assert all(str(new.public_id) in name for name in files())
    assert len(files()) == 3
    assert expire(now) == 0


def test_expire__by_the_setting(viewer, settings):
    settings.IMAGES_APP = {"UPLOAD_DAYS": 7}
    begin(viewer, NOWHERE, length=5)
    assert expire(timezone.now() + timedelta(days=6)) == 0
    assert expire(timezone.now() + timedelta(days=7, seconds=5)) == 1


def test_expire__forgets_finished_ones_and_keeps_their_images(viewer, files):
    upload = arrived(viewer, picture())
    finish(upload, viewer, NOWHERE, file_name="a.jpg")
    assert expire(timezone.now() + timedelta(days=2)) == 1
    assert Image.objects.count() == 1
    assert len(files()) == 1


def test_parts__of_deleted_people_go_with_them(viewer, files):
    arrived(viewer, b"x" * 300)
    kept = arrived(Viewer(user=type(viewer.user).objects.create_user("b")), b"y" * 300)
    viewer.user.delete()
    assert len(files()) == 3
    assert all(str(kept.public_id) in name for name in files())


def test_orphans__of_an_upload_without_a_row_go(viewer, files):
    gone = arrived(viewer, b"x" * 300)
    PartialUpload.objects.filter(pk=gone.pk)._raw_delete(DATABASE)
    assert [alias for alias, _ in orphaned_parts()] == ["images"] * 3
    expire(timezone.now())
    assert files() == []


@pytest.mark.folder
def test_orphans__include_what_a_kill_has_left_and_nothing_else(viewer, files, private_folder):
    storages["images"].save("ab/abcdef.jpg", ContentFile(b"an original"))
    folder = private_folder / "images" / "partial"
    going_on = begin(viewer, NOWHERE, length=10)
    for name in (f"{going_on.public_id}/0", "nonsense/0", f"{'0' * 32}/.partial-abc"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    found = {name for _, name in orphaned_parts()}
    assert found == {"partial/nonsense/0", f"partial/{'0' * 32}/.partial-abc"}
    expire(timezone.now())
    assert files() == ["images/ab/abcdef.jpg", f"images/partial/{going_on.public_id}/0"]


def test_take_in__strangers_files_are_not_told(viewer, make_image):
    make_image()
    assert take_in(ContentFile(picture(), "a.jpg"), viewer, NOWHERE).is_new
