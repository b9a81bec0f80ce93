"""The rendition record: one identity, one name, one row."""

from __future__ import annotations

import uuid

import pytest
from django.db import IntegrityError, transaction

from images_app.models import Rendition, RenditionLease
from images_app.models.rendition import rendition_name
from images_app.renditions import rendition_url
from images_app.specs import EXTENSIONS
from tests.databases import DATABASE

pytestmark = pytest.mark.django_db
PUBLIC_ID = uuid.UUID("12345678-1234-4234-8234-123456789abc")


@pytest.fixture
def make_rendition(make_image):
    image = make_image()

    def make(**changes):
        values = {
            "image": image,
            "version": 1,
            "fingerprint": "0123456789abcdef",
            "format": "jpeg",
            "width": 32,
            "height": 24,
            "byte_size": 700,
            "storage_alias": "image_renditions",
            **changes,
        }
        with transaction.atomic(using=DATABASE):
            return Rendition.objects.create(**values)

    return make


@pytest.mark.parametrize(("image_format", "extension"), EXTENSIONS.items())
def test_rendition_name__is_a_function_of_the_identity(image_format, extension):
    name = rendition_name(PUBLIC_ID, 3, "0123456789abcdef", image_format)
    assert name == f"{PUBLIC_ID}/3/0123456789abcdef.{extension}"


def test_storage_name__is_how_the_url_ends(make_image):
    image = make_image()
    url = rendition_url(image, "thumb")
    fingerprint = url.rsplit("/", 1)[1].split(".")[0]
    rendition = Rendition(image=image, version=1, fingerprint=fingerprint, format="jpeg")
    assert url.endswith(f"/{rendition.storage_name}")
    assert str(rendition) == rendition.storage_name


def test_database__has_one_row_for_one_identity(make_rendition):
    make_rendition()
    with pytest.raises(IntegrityError):
        make_rendition(width=99)


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"fingerprint": "fedcba9876543210"}, {"format": "webp"}], ids=str
)
def test_database__tells_identities_apart(make_rendition, change):
    make_rendition()
    make_rendition(**change)
    assert Rendition.objects.count() == 2


def test_database__refuses_an_unknown_format(make_rendition):
    with pytest.raises(IntegrityError):
        make_rendition(format="svg")


def test_rendition__goes_with_its_image(make_rendition):
    make_rendition().image.delete()
    assert not Rendition.objects.exists()


def test_lease__says_of_what(make_image):
    lease = RenditionLease(image=make_image(), fingerprint="0123456789abcdef")
    assert str(lease) == f"0123456789abcdef of {lease.image_id}"
