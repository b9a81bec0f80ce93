"""Ingest: what the record says, when it is announced, and that a refusal leaves nothing."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import re

import pytest
from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.storage import storages
from django.core.files.uploadedfile import InMemoryUploadedFile, TemporaryUploadedFile
from django.db import DatabaseError, OperationalError, transaction
from django.utils import timezone
from PIL import ExifTags
from PIL import Image as PillowImage

from images_app.exceptions import StorageUnavailable, UploadRefused
from images_app.ingest import checksum_of, ingest_image
from images_app.models import CameraData, Gallery, GalleryItem, Image
from images_app.signals import image_ingested
from tests.databases import DATABASE
from tests.engines.test_structure import with_scans, with_texts
from tests.pictures import bomb_header, noise, picture, upload
from tests.test_exceptions import OF_FILES

pytestmark = pytest.mark.django_db
BASE = ExifTags.Base
GPS = {1: "N", 2: (48.0, 8.0, 24.0), 3: "E", 4: (11.0, 34.0, 12.0), 29: "2026:05:04"}


def bytes_of(image) -> bytes:
    with storages["images"].open(image.storage_name) as file:
        return file.read()


def exif(*, top=None, exposure=None, gps=None) -> PillowImage.Exif:
    made = PillowImage.Exif()
    for tag, value in (top or {}).items():
        made[tag] = value
    if exposure:
        made[ExifTags.IFD.Exif] = exposure
    if gps:
        made[ExifTags.IFD.GPSInfo] = gps
    return made


# --- the record -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image_format", "save", "expected"),
    [
        ("JPEG", {}, {"format": "jpeg"}),
        ("PNG", {}, {"format": "png"}),
        ("GIF", {}, {"format": "gif"}),
        ("WEBP", {}, {"format": "webp"}),
        ("AVIF", {}, {"format": "avif"}),
        (
            "GIF",
            {"save_all": True, "append_images": [PillowImage.new("RGB", (64, 48), "red")] * 2},
            {"format": "gif", "frames": 2},  # the encoder joins two that are the same
        ),
    ],
)
def test_record__tells_the_facts(make_image, image_format, save, expected):
    content = picture(image_format, **save)
    image = Image.objects.get(pk=make_image(name="wrong.name", content=content).pk)
    facts = {
        "width": 64,
        "height": 48,
        "orientation": 1,
        "frames": 1,
        "version": 1,
        "byte_size": len(content),
        "checksum": hashlib.sha256(content).hexdigest(),
        "storage_alias": "images",
        "file_name": "wrong.name",
        "owner": None,
        "trashed_at": None,
        "taken_at": None,
        **expected,
    }
    assert {name: getattr(image, name) for name in facts} == facts


@pytest.mark.parametrize(
    ("orientation", "size"),
    [(1, (64, 48)), (3, (64, 48)), (5, (48, 64)), (6, (48, 64)), (8, (48, 64)), (9, (64, 48))],
)
def test_record__has_the_size_as_shown(make_image, orientation, size):
    image = make_image(exif=exif(top={BASE.Orientation: orientation}))
    assert (image.width, image.height) == size
    assert image.orientation == (orientation if orientation <= 8 else 1)


@pytest.mark.parametrize(
    ("color", "channel"), [((250, 10, 10), 0), ((10, 250, 10), 1), ((10, 10, 250), 2)]
)
def test_record__has_the_dominant_color(make_image, color, channel):
    found = make_image(color=color, size=(300, 200)).dominant_color
    assert re.fullmatch("#[0-9a-f]{6}", found)
    values = [int(found[i : i + 2], 16) for i in (1, 3, 5)]
    assert values[channel] > 200
    assert sum(values) < 300


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("cat.jpg", "cat"),
        ("IMG_0042.JPG", "IMG 0042"),
        ("my_summer_2026_.jpeg", "my summer 2026"),
        ("no extension", "no extension"),
        ("two.dots.png", "two.dots"),
        ("Über_Straße 猫.jpg", "Über Straße 猫"),
        ("", ""),
    ],
)
def test_title__comes_from_the_name(name, title):
    file = File(io.BytesIO(picture()), name=name)
    assert ingest_image(file).title == title


def test_title__that_is_passed_wins(make_image):
    image = make_image(fields={"title": "A cat", "alt_text": "cat on a mat", "caption": "c"})
    assert (image.title, image.alt_text, image.caption) == ("A cat", "cat on a mat", "c")
    assert make_image(fields={"title": ""}).title == ""


@pytest.mark.parametrize(
    ("exposure", "expected"),
    [
        (
            {BASE.DateTimeOriginal: "2026:05:04 12:30:00"},
            lambda: timezone.make_aware(dt.datetime(2026, 5, 4, 12, 30)),  # noqa: DTZ001
        ),
        (
            {BASE.DateTimeOriginal: "2026:05:04 12:30:00", BASE.OffsetTimeOriginal: "+05:30"},
            lambda: dt.datetime(2026, 5, 4, 7, 0, tzinfo=dt.UTC),
        ),
        ({BASE.DateTimeOriginal: "0000:00:00 00:00:00"}, lambda: None),
        ({BASE.DateTimeOriginal: "yesterday"}, lambda: None),
        ({}, lambda: None),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns"])
def test_taken_at__is_read_where_we_are_or_where_the_camera_was(
    make_image, settings, exposure, expected, zone
):
    settings.TIME_ZONE = zone
    image = Image.objects.get(pk=make_image(exif=exif(exposure=exposure)).pk)
    assert image.taken_at == expected()


def test_taken_at__that_is_passed_wins(make_image):
    wanted = dt.datetime(1999, 12, 31, 23, 59, tzinfo=dt.UTC)
    exposure = {BASE.DateTimeOriginal: "2026:05:04 12:30:00"}
    image = make_image(exif=exif(exposure=exposure), fields={"taken_at": wanted})
    assert image.taken_at == wanted


@pytest.mark.parametrize("text", ["0001:01:01 00:00:00", "9999:12:31 23:59:59"])
@pytest.mark.parametrize("offset", ["+14:00", "-14:00", None])
def test_taken_at__at_the_ends_of_the_calendar_is_unknown(make_image, text, offset):
    """A camera with a broken clock: in another zone, the day would be off the calendar."""
    exposure = {BASE.DateTimeOriginal: text}
    if offset:
        exposure[BASE.OffsetTimeOriginal] = offset
    assert Image.objects.get(pk=make_image(exif=exif(exposure=exposure)).pk).taken_at is None


def test_camera_data__has_its_own_row(make_image):
    top = {BASE.Make: "Canon", BASE.Model: "Canon EOS R5"}
    exposure = {
        BASE.LensModel: "RF35mm F1.8",
        BASE.ExposureTime: 1 / 250,
        BASE.FNumber: 2.8,
        BASE.ISOSpeedRatings: 100,
        BASE.FocalLength: 35.0,
        BASE.BodySerialNumber: "SECRET-SERIAL",
    }
    image = make_image(exif=exif(top=top, exposure=exposure))
    data = CameraData.objects.get(image=image.pk)
    assert str(data) == "Canon EOS R5"
    assert data.lens == "RF35mm F1.8"
    assert data.exposure == "1/250 s · f/2.8 · ISO 100 · 35 mm"


def test_camera_data__is_absent_where_nothing_is_known(make_image):
    make_image(exif=exif(top={BASE.Orientation: 6}))
    assert not CameraData.objects.exists()


def test_record__never_tells_where_or_with_which_body(make_image):
    private = {
        BASE.BodySerialNumber: "SECRET-SERIAL",
        BASE.LensSerialNumber: "SECRET-SERIAL",
        BASE.CameraOwnerName: "SECRET-NAME",
        BASE.UserComment: b"ASCII\0\0\0SECRET-COMMENT",
        BASE.FNumber: 2.8,
    }
    top = {BASE.Artist: "SECRET-ARTIST", BASE.ImageDescription: "SECRET-PLACE"}
    image = make_image(exif=exif(top=top, exposure=private, gps=GPS), comment=b"SECRET-COMMENT")
    assert b"SECRET" in bytes_of(image)  # the original keeps all of it
    rows = [*Image.objects.values(), *CameraData.objects.values()]
    assert len(rows) == 2
    told = repr(rows)
    assert "SECRET" not in told
    for field in (field for row in rows for field in row):
        assert not re.search("gps|latitude|longitude|place|serial", field)


def test_original__is_kept_as_it_came(make_image, files):
    content = picture(exif=exif(gps=GPS))
    image = make_image(content=content)
    assert bytes_of(image) == content
    assert files() == [f"images/{image.storage_name}"]


def test_owner_and_gallery__are_taken(make_user, make_gallery, make_image):
    owner, gallery = make_user(), make_gallery()
    image = make_image(owner=owner, gallery=gallery)
    assert Image.objects.get().owner == owner
    assert list(gallery.images.all()) == [image]


# --- names ------------------------------------------------------------------------------------

HOSTILE_NAMES = (
    "../../etc/passwd",
    "..\\..\\windows\\system32\\cat.jpg",
    "/etc/passwd",
    "C:\\cat.jpg",
    "cat.jpg/../../x.jpg",
    "..",
    ".",
    ".htaccess",
    "cat.php",
    "cat.jpg.php",
    "cat.jpg\x00.php",
    "cat\r\nSet-Cookie: a=b.jpg",
    'cat".jpg',
    "<script>alert(1)</script>.jpg",
    "cat\u202egpj.exe",
    "cat\u2028.jpg",
    "\ud800.jpg",
    "cat;rm -rf ~.jpg",
    "%2e%2e%2fcat.jpg",
    "x" * 3000 + ".jpg",
    "猫" * 300 + ".jpg",
    "CON.jpg",
    "cat.jpg:stream",
    "   .jpg",
    "~root.jpg",
    "-rf.jpg",
    "*.jpg",
    "{{ 7*7 }}.jpg",
)


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
def test_name__in_storage_is_ours(files, name):
    image = Image.objects.get(pk=ingest_image(File(io.BytesIO(picture()), name=name)).pk)
    assert re.fullmatch(r"[0-9a-f]{2}/[0-9a-f]{32}\.jpg", image.storage_name)
    assert files() == [f"images/{image.storage_name}"]
    assert len(image.file_name) <= 150
    assert not re.search(r"[\x00-\x1f/\\:\u2028\u202e]|\A\.", image.file_name)
    image.full_clean()


def test_name__differs_for_the_same_file_twice(make_image):
    one, other = make_image(), make_image()
    assert one.checksum == other.checksum
    assert one.storage_name != other.storage_name


def test_extension__follows_the_content(make_image):
    assert make_image(name="cat.gif", content=picture("WEBP")).storage_name.endswith(".webp")


# --- the file ---------------------------------------------------------------------------------


@pytest.mark.parametrize("is_good", [True, False])
def test_file__stays_open(is_good):
    file = upload(content=picture() if is_good else b"no picture")
    try:
        ingest_image(file)
    except UploadRefused:
        assert not is_good
    assert not file.closed
    assert file.seek(0) == 0
    assert file.read(2) == (b"\xff\xd8" if is_good else b"no")


def test_file__is_read_from_its_start():
    content = picture()
    file = upload(content=content)
    file.seek(0, 2)
    assert ingest_image(file).byte_size == len(content)


def in_memory(content):
    return InMemoryUploadedFile(io.BytesIO(content), "images", "a.jpg", None, len(content), None)


def temporary(content):
    file = TemporaryUploadedFile("a.jpg", "image/jpeg", len(content), None)
    file.write(content)
    file.flush()
    return file


def unnamed(content):
    return File(io.BytesIO(content))


@pytest.mark.parametrize("make", [in_memory, temporary, unnamed])
def test_file__may_be_of_any_kind(make):
    content = noise((900, 700))
    with make(content) as file:
        image = ingest_image(file)
    assert image.checksum == hashlib.sha256(content).hexdigest()


def test_checksum_of__reads_the_whole_file_from_its_start():
    content = noise()
    file = upload(content=content)
    file.read(7)
    assert checksum_of(file) == hashlib.sha256(content).hexdigest()


# --- the announcement -------------------------------------------------------------------------


@pytest.fixture
def announced():
    """The images that were announced, as the database had them then."""
    heard = []

    def listen(sender, image, **kwargs):
        heard.append((sender, image, Image.objects.filter(pk=image.pk).exists()))

    image_ingested.connect(listen)
    yield heard
    image_ingested.disconnect(listen)


def test_signal__comes_after_the_commit(announced, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        image = ingest_image(upload())
        assert announced == []
    assert announced == [(Image, image, True)]


@pytest.mark.django_db(transaction=True)
def test_signal__comes_only_if_the_outer_transaction_commits(announced):
    def ingest_and_fail():
        with transaction.atomic(using=DATABASE):
            ingest_image(upload())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        ingest_and_fail()
    assert announced == []
    with transaction.atomic(using=DATABASE):
        image = ingest_image(upload())
        assert announced == []
    assert announced == [(Image, image, True)]


def test_signal__does_not_come_for_what_is_refused(announced, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True), pytest.raises(UploadRefused):
        ingest_image(upload(content=b"no picture"))
    assert announced == []


# --- failures ---------------------------------------------------------------------------------


@pytest.fixture
def nothing_kept(files):
    """Whether neither a file nor a row is left."""

    def check() -> bool:
        rows = [model.objects.count() for model in (Image, CameraData, GalleryItem)]
        return files() == [] and rows == [0, 0, 0]

    return check


BOUNDED = "images_app.engines.bounded.BoundedEngine"
REFUSALS = {
    "empty": (b"", {}),
    "too_large": (noise(), {"MAX_UPLOAD_BYTES": 1000}),
    "not_an_image": (b"Hello, I am no picture.", {}),
    "format_not_allowed": (b"%!PS-Adobe-3.0 EPSF-3.0\n", {}),
    "format_not_allowed by settings": (picture("GIF"), {"FORMATS": ["jpeg"]}),
    "too_many_pixels": (picture(size=(101, 100)), {"MAX_PIXELS": 10_000}),
    "too_many_pixels in the header": (bomb_header(60_000, 60_000), {}),
    "too_many_frames": (
        picture(
            "GIF",
            save_all=True,
            append_images=[PillowImage.new("RGB", (64, 48), c) for c in ("red", "green", "blue")],
        ),
        {"MAX_FRAMES": 3},
    ),
    "animation_too_large": (
        picture("GIF", save_all=True, append_images=[PillowImage.new("RGB", (64, 48), "red")]),
        {"MAX_ANIMATION_PIXELS": 64 * 48 * 2 - 1},
    ),
    "too_many_scans": (with_scans(100), {}),
    "too_many_texts": (with_texts(1001), {}),
    "too_complex": (
        noise((1500, 1500), "PNG"),
        {"ENGINE": {"BACKEND": BOUNDED, "OPTIONS": {"memory_bytes": 2 * 2**20}}},
    ),
    "damaged": (picture(size=(400, 300))[:-900], {}),
    "damaged header": (b"\xff\xd8\xff\xe0" + b"\0" * 200, {}),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusal__leaves_no_file_and_no_row(settings, make_gallery, nothing_kept, case):
    content, changes = REFUSALS[case]
    settings.IMAGES_APP = changes
    with pytest.raises(UploadRefused) as caught:
        ingest_image(upload(content=content), gallery=make_gallery())
    assert caught.value.code == case.split()[0]
    assert nothing_kept()


def test_refusals__are_all_in_the_table():
    assert {case.split()[0] for case in REFUSALS} == OF_FILES


def test_size_gate__is_exact(settings):
    content = picture()
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": len(content)}
    ingest_image(upload(content=content))
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": len(content) - 1}
    with pytest.raises(UploadRefused, match="too_large"):
        ingest_image(upload(content=content))


class Long(File):
    """A file of a megabyte, that counts what was read of it."""

    def __init__(self):
        super().__init__(io.BytesIO(), name="long.jpg")
        self.given = 0

    def seek(self, offset, whence=0):
        return 0

    def chunks(self, chunk_size=None):
        while self.given < 1000:
            self.given += 1
            yield b"\xff" * 1000


def test_size_gate__stops_reading_early(settings, nothing_kept):
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": 10_000}
    file = Long()
    with pytest.raises(UploadRefused, match="too_large"):
        ingest_image(file)
    assert file.given == 11
    assert nothing_kept()


def test_refusal__comes_before_any_later_look(settings, monkeypatch):
    """What is too large is not probed, what has too many pixels not decoded."""
    monkeypatch.setattr(PillowImage, "open", lambda *args, **kwargs: pytest.fail("opened"))
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": 100}
    with pytest.raises(UploadRefused, match="too_large"):
        ingest_image(upload())
    monkeypatch.undo()
    monkeypatch.setattr(PillowImage.Image, "load", lambda *args: pytest.fail("decoded"))
    with pytest.raises(UploadRefused, match="too_many_pixels"):
        ingest_image(upload(content=bomb_header(60_000, 60_000)))


class OfTheStore(Exception):
    """What an object store's own library raises; no OSError."""


@pytest.mark.parametrize("error", [OSError("/secret/path"), OfTheStore("bucket")], ids=repr)
def test_storage__that_fails_leaves_no_row(monkeypatch, caplog, nothing_kept, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(storages["images"], "_save", fail)
    with pytest.raises(StorageUnavailable) as caught:
        ingest_image(upload())
    assert nothing_kept()
    assert caught.value.status_code == 503
    assert "secret" not in str(caught.value)
    assert "code=storage_unavailable storage=images" in caplog.text


def break_save(monkeypatch):
    def fail(self, *args, **kwargs):
        raise DatabaseError

    monkeypatch.setattr(Image, "save", fail)


def break_append(monkeypatch):
    def fail(self, image, position):
        raise DatabaseError

    monkeypatch.setattr(Gallery, "append", fail)


def break_camera(monkeypatch):
    def fail(*args, **kwargs):
        raise DatabaseError

    monkeypatch.setattr(CameraData.objects, "create", fail)


@pytest.mark.parametrize("break_it", [break_save, break_append, break_camera])
def test_database__that_fails_leaves_no_file(
    monkeypatch, make_gallery, nothing_kept, announced, break_it
):
    gallery = make_gallery()
    break_it(monkeypatch)
    file = upload(exif=exif(top={BASE.Make: "Canon"}))
    with pytest.raises(StorageUnavailable):
        ingest_image(file, gallery=gallery)
    assert nothing_kept()
    assert announced == []


def test_database__that_is_full_or_locked_is_told_as_unavailable(monkeypatch, nothing_kept, caplog):
    def fail(self, *args, **kwargs):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(Image, "save", fail)
    with pytest.raises(StorageUnavailable):
        ingest_image(upload())
    assert nothing_kept()
    assert "code=database_unavailable" in caplog.text


def test_position__is_kept_whatever_arrives_first(make_gallery):
    gallery = make_gallery()
    start = gallery.next_position()
    for number in (2, 0, 1):
        ingest_image(upload(f"{number}.jpg"), gallery=gallery, position=start + 10 * number)
    ingest_image(upload("last.jpg"), gallery=gallery)
    names = gallery.items.order_by("position").values_list("image__file_name", flat=True)
    assert list(names) == ["0.jpg", "1.jpg", "2.jpg", "last.jpg"]


@pytest.mark.parametrize(
    ("limits", "code"),
    [({"MAX_USER_BYTES": 100}, "quota_user"), ({"MAX_GALLERY_IMAGES": 1}, "quota_gallery")],
)
def test_quota__is_kept_by_every_way_in(
    settings, make_user, make_gallery, nothing_kept, limits, code
):
    gallery = make_gallery(images=1)
    before = Image.objects.count()
    settings.IMAGES_APP = limits
    with pytest.raises(UploadRefused) as caught:
        ingest_image(upload(), owner=make_user(), gallery=gallery)
    assert (caught.value.code, Image.objects.count()) == (code, before)


def test_stripping__keeps_camera_and_time_in_the_record_and_the_place_nowhere(settings):
    settings.IMAGES_APP = {"STRIP_ORIGINALS": True}
    taken = {BASE.DateTimeOriginal: "2024:05:06 07:08:09"}
    found = exif(top={BASE.Make: "Canon", BASE.Orientation: 6}, exposure=taken, gps=GPS)
    image = ingest_image(upload(exif=found))
    kept = bytes_of(image)
    assert (image.camera_data.make, image.taken_at.year, image.orientation) == ("Canon", 2024, 6)
    assert not hasattr(image, "location_data")
    assert b"Canon" not in kept
    assert dict(PillowImage.open(io.BytesIO(kept)).getexif()) == {BASE.Orientation: 6}
    assert (image.byte_size, image.checksum) == (len(kept), hashlib.sha256(kept).hexdigest())


@pytest.mark.parametrize("trailer", [b"", b"\xff\xf5GPS of a panorama"])
def test_stripping__of_a_picture_without_an_end_gives_it_one(settings, trailer):
    settings.IMAGES_APP = {"STRIP_ORIGINALS": True}
    content = picture()
    kept = bytes_of(ingest_image(upload(content=content.removesuffix(b"\xff\xd9") + trailer)))
    assert kept == content


def test_interruption__leaves_no_file(monkeypatch, nothing_kept):
    def interrupt(self, *args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Image, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ingest_image(upload())
    assert nothing_kept()


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"title": "x" * 201}, ValidationError),
        ({"focal_x": 1.5}, ValidationError),
        ({"nonsense": 1}, TypeError),
    ],
)
def test_fields__that_make_no_sense_leave_nothing(nothing_kept, fields, error):
    with pytest.raises(error):
        ingest_image(upload(), **fields)
    assert nothing_kept()


def test_receiver__that_fails_takes_nothing_away(
    make_image, files, django_capture_on_commit_callbacks
):
    """Whoever listens, the image is in."""

    def fail(**kwargs):
        raise RuntimeError("listener")

    image_ingested.connect(fail)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            image = make_image()
    finally:
        image_ingested.disconnect(fail)
    assert Image.objects.get() == image
    assert len(files()) == 1
