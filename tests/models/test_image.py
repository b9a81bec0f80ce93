"""The image record: its version, its URLs, and what the database refuses."""

from __future__ import annotations

import re
import uuid

import pytest
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import IntegrityError, transaction

from images_app.models import Image, get_image_model, image, shown_size
from tests.databases import DATABASE

pytestmark = pytest.mark.django_db


def version_of(picture) -> int:
    return Image.objects.values_list("version", flat=True).get(pk=picture.pk)


# --- version ----------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["focal_x", "focal_y"])
@pytest.mark.parametrize(
    "read",
    [
        lambda objects: objects.get(),
        lambda objects: objects.defer("version").get(),
        lambda objects: objects.defer("focal_x", "focal_y").get(),
        lambda objects: objects.only("title").get(),
        lambda objects: objects.first(),
    ],
)
def test_version__rises_with_a_moved_focal_point(make_image, read, field):
    make_image()
    found = read(Image.objects)
    setattr(found, field, 0.25)
    found.save()
    assert (found.version, version_of(found)) == (2, 2)


def test_version__rises_right_after_ingest(make_image):
    made = make_image()
    made.focal_x = 0.1
    made.save()
    assert version_of(made) == 2


def test_version__rises_once_for_each_move(make_image):
    made = make_image()
    versions = []
    for focal_x in (0.1, 0.1, 0.2, 0.5):
        made.focal_x = focal_x
        made.save()
        versions.append(version_of(made))
    assert versions == [2, 2, 3, 4]


def test_version__rises_with_update_fields(make_image):
    found = Image.objects.get(pk=make_image().pk)
    found.focal_x, found.title = 0.25, "not to be saved"
    found.save(update_fields=["focal_x"])
    found.refresh_from_db()
    assert (found.version, found.focal_x, found.title) == (2, 0.25, "cat")


def test_version__stays_while_the_focal_point_is_not_written(make_image):
    """Raised too early, it would be taken already when the new focal point comes."""
    found = Image.objects.get(pk=make_image().pk)
    found.focal_x = 0.25
    found.save(update_fields=["title"])
    assert version_of(found) == 1
    found.save(update_fields=(name for name in ["focal_x", "title"]))
    assert version_of(found) == 2


def test_version__stays_for_other_changes(make_image):
    found = Image.objects.get(pk=make_image().pk)
    found.title, found.alt_text, found.focal_x = "other", "text", 0.5
    found.save()
    assert version_of(found) == 1


def test_version__stays_when_the_focal_point_was_read_again(make_image):
    first = Image.objects.get(pk=make_image().pk)
    second = Image.objects.get(pk=first.pk)
    second.focal_x = 0.25
    second.save()
    first.refresh_from_db()
    first.save()
    assert (first.focal_x, version_of(first)) == (0.25, 2)


def test_version__rises_after_a_late_loaded_focal_point_moved(make_image):
    make_image()
    found = Image.objects.only("title").get()
    found.focal_x = found.focal_x / 2  # loads it, then moves it
    found.save()
    assert version_of(found) == 2
    found = Image.objects.only("title").get()
    found.focal_x = found.focal_x + 0.0  # loads it, and leaves it
    found.save()
    assert version_of(found) == 2


def test_version__is_part_of_every_url(make_image):
    made = make_image()
    before = made.original_url
    made.focal_y = 0.0
    made.save()
    assert made.original_url != before
    assert made.original_url.endswith("/2.jpg")


# --- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "file_name", "expected"),
    [("A cat", "cat.jpg", "A cat"), ("", "cat.jpg", "cat.jpg"), ("", "", None)],
)
def test_str__is_the_best_name_there_is(title, file_name, expected):
    made = Image(title=title, file_name=file_name)
    assert str(made) == (expected or str(made.public_id))


def test_urls__name_the_image_by_its_public_id_only(make_image):
    made = make_image()
    assert made.get_absolute_url() == f"/images/{made.public_id}/"
    assert made.original_url == f"/originals/{made.public_id}/1.jpg"
    assert made.public_id.version == 4


@pytest.mark.parametrize(
    ("image_format", "content_type", "extension"),
    [
        ("jpeg", "image/jpeg", "jpg"),
        ("png", "image/png", "png"),
        ("gif", "image/gif", "gif"),
        ("webp", "image/webp", "webp"),
        ("avif", "image/avif", "avif"),
    ],
)
def test_content_type__follows_the_format(image_format, content_type, extension):
    made = Image(format=image_format, file_name="lies.html")
    assert made.content_type == content_type
    assert made.original_url.endswith(f"/1.{extension}")


@pytest.mark.parametrize(
    ("alt_text", "title", "expected"), [("a cat", "Cat", "a cat"), ("", "Cat", "Cat"), ("", "", "")]
)
def test_alternative__is_the_text_else_the_title(alt_text, title, expected):
    assert Image(alt_text=alt_text, title=title).alternative == expected


def test_megapixels__are_width_by_height():
    assert Image(width=4000, height=2500).megapixels == 10.0


def test_focal_point__is_the_middle_by_default():
    assert Image().focal_point == (0.5, 0.5)


@pytest.mark.parametrize(
    ("orientation", "size"),
    [(n, (30, 20)) for n in (1, 2, 3, 4)] + [(n, (20, 30)) for n in (5, 6, 7, 8)],
)
def test_shown_size__swaps_from_orientation_5_on(orientation, size):
    assert shown_size(30, 20, orientation) == size


# --- what the database refuses ----------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {"width": 0},
        {"height": 0},
        {"byte_size": 0},
        {"frames": 0},
        {"version": 0},
        {"focal_x": -0.01},
        {"focal_x": 1.01},
        {"focal_y": -0.01},
        {"focal_y": 1.01},
        {"orientation": 0},
        {"orientation": 9},
        {"format": "svg"},
        {"format": "JPEG"},
        {"format": ""},
        {"width": None},
        {"public_id": None},
        {"checksum": None},
    ],
    ids=str,
)
def test_database__refuses(make_image, values):
    made = make_image()
    with pytest.raises(IntegrityError), transaction.atomic(using=DATABASE):
        Image.objects.filter(pk=made.pk).update(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"focal_x": 0.0, "focal_y": 1.0},
        {"orientation": 8},
        {"format": "avif"},
        {"width": 1, "height": 1, "byte_size": 1},
        {"owner": None},
    ],
    ids=str,
)
def test_database__takes(make_image, values):
    made = make_image()
    assert Image.objects.filter(pk=made.pk).update(**values) == 1


def test_database__refuses_a_public_id_twice(make_image):
    one, other = make_image(), make_image()
    with pytest.raises(IntegrityError), transaction.atomic(using=DATABASE):
        Image.objects.filter(pk=one.pk).update(public_id=other.public_id)


def test_database__takes_a_checksum_twice(make_image):
    assert make_image().checksum == make_image().checksum
    assert Image.objects.count() == 2


@pytest.mark.parametrize("value", ["red", "#12345", "#12345G", "#ABCDEF", "#123456\n"])
def test_dominant_color__is_six_digits(make_image, value):
    made = make_image()
    made.dominant_color = value
    with pytest.raises(ValidationError, match="dominant_color"):
        made.full_clean()


def test_ordering__is_newest_first(make_image):
    made = [make_image().pk for _ in range(3)]
    assert [found.pk for found in Image.objects.all()] == made[::-1]


# --- the model in use -------------------------------------------------------------------------


def test_get_image_model__is_ours_by_default():
    assert get_image_model() is Image


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nothing.Here", "no installed model"),
        ("images_app.Nothing", "no installed model"),
        ("nonsense", "no installed model"),
        ("auth.Group", "no AbstractImage"),
    ],
)
def test_get_image_model__says_what_is_wrong(monkeypatch, name, reason):
    monkeypatch.setattr(image, "IMAGE_MODEL", name)
    with pytest.raises(ImproperlyConfigured, match=re.escape(f"{name!r}")) as caught:
        get_image_model()
    assert reason in str(caught.value)


def test_public_id__is_random():
    assert len({Image().public_id for _ in range(10)}) == 10
    assert all(isinstance(Image().public_id, uuid.UUID) for _ in range(3))


@pytest.mark.django_db
def test_version__never_repeats_however_stale_the_instance(make_image):
    first, second = make_image(), Image.objects.get()
    first.focal_x = 0.0
    first.save()
    second.focal_x = 1.0
    second.save()
    assert (first.version, second.version) == (2, 3)


@pytest.mark.django_db
def test_version__is_not_written_back_by_who_changed_something_else(make_image):
    moved, stale = make_image(), Image.objects.get()
    moved.focal_x = 0.0
    moved.save()
    stale.title = "other"
    stale.save()
    found = Image.objects.get()
    assert (found.version, found.focal_x, found.title) == (2, 0.0, "other")


@pytest.mark.django_db
def test_version__that_was_raised_on_purpose_is_written(make_image):
    image = Image.objects.get(pk=make_image().pk)
    image.version += 1
    image.save()
    assert Image.objects.get().version == 2
