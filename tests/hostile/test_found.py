"""Small files that other programs got wrong, by both ways of uploading, each with its right value.

They lie beside the repository (``../shared/found``, or where IMAGES_FOUND points) with the values
that a browser paints of them.
"""

from __future__ import annotations

import datetime as dt
import io
import os
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone
from PIL import Image as Picture

from images_app.conf import get_settings
from images_app.models import Image
from images_app.renditions import rendition_url
from tests.parts import ROOT, need

pytestmark = pytest.mark.django_db
FOUND = Path(os.environ.get("IMAGES_FOUND", ROOT.parent / "shared" / "found"))
BOUND = 14  # of 255, between a rendition and what a browser paints
JAPAN = dt.timezone(dt.timedelta(hours=9))
TAKEN = dt.datetime(2021, 2, 3, 4, 5, 6)  # noqa: DTZ001 (as the camera writes it)

RED_FIELD = {
    "cicp-p3.png": (240, 0, 0),
    "cicp-pq.png": (255, 0, 0),
    "gamma1.png": (239, 96, 96),
    "avif-nclx-p3.avif": (241, 0, 0),
    "png-icc-1.5mb.png": (241, 0, 0),
    "png-ztxt-2mb.png": (220, 30, 30),
    "png-bad-text-crc.png": (220, 30, 30),
    "no-eoi.jpg": (220, 30, 30),
    "progressive-no-eoi.jpg": (220, 30, 30),
    "samsung-no-eoi-trailer.jpg": (220, 30, 30),
    "xmp-orientation.jpg": (220, 30, 30),
    "xmp-orientation.png": (220, 30, 30),
}
TRANSPARENT = {  # a point, and whether nothing is to be seen there
    ("anim-transparent.webp", (180, 40)): True,
    ("anim-transparent.webp", (60, 40)): False,
    ("gif-small-frame.gif", (10, 10)): True,
    ("gif-small-frame.gif", (60, 40)): False,
    ("rgb16-trns-lowbyte.png", (30, 40)): True,
    ("rgb16-trns-lowbyte.png", (90, 40)): False,
}
TIMES = {
    "date-slashes.jpg": TAKEN,
    "date-digitized.jpg": TAKEN,
    "date-inline-zone.jpg": TAKEN.replace(tzinfo=JAPAN),
    "date-offsettime-only.jpg": TAKEN.replace(tzinfo=JAPAN),
    "date-modify-only.jpg": None,  # the time of a change is not that of an exposure
}


@pytest.fixture(params=["script", "form"])
def add(request, settings, client_of, make_user, make_gallery):
    """Upload a file of those found, and return its image."""
    need("the found files", is_there=FOUND.exists())
    whole = {"width": 240, "quality": {"jpeg": 95}, "formats": ["png", "jpeg"]}
    settings.IMAGES_APP = {
        "PRESETS": {"whole": whole},
        "FORMATS": ["jpeg", "png", "gif", "webp", "avif", "heic"],
    }
    owner = make_user("owner")
    gallery, client = make_gallery(owner=owner), client_of(owner)

    def added(name):
        file = SimpleUploadedFile(name, (FOUND / name).read_bytes())
        if request.param == "script":
            response = client.post(
                f"{reverse('images_app:upload')}?gallery={gallery.public_id}", {"file": file}
            )
            assert response.status_code == 201, response.content
        else:
            page = reverse("images_app:add_images", args=[gallery.public_id])
            response = client.post(page, {"images": [file]})
            assert response.status_code == 302, response.content
        image = Image.objects.get()
        image.get_picture = lambda image_format: shown(client, image, image_format)
        return image

    return added


def shown(client, image, image_format):
    """The pixels of a rendition as wide as the original."""
    response = client.get(rendition_url(image, "whole", image_format=image_format))
    assert response.status_code == 200
    with Picture.open(io.BytesIO(b"".join(response))) as picture:
        picture.load()
        return picture


def is_near(color, expected):
    return all(abs(one - other) <= BOUND for one, other in zip(color, expected, strict=True))


def test_found__are_all_here():
    need("the found files", is_there=FOUND.exists())
    names = {path.name for path in FOUND.iterdir()} - {"README.md"}
    tested = {*RED_FIELD, *(name for name, _ in TRANSPARENT), *TIMES}
    # The last one says nothing of its colours: neither a profile, nor code points of any box.
    assert names == tested | {"text-utf8.jpg", "text-iso-65535.jpg", "p3.heic"}


@pytest.mark.parametrize("name", RED_FIELD)
def test_colors__are_those_that_a_browser_paints(add, name):
    image = add(name)
    assert (image.width, image.height, image.orientation) == (240, 160, 1)
    for image_format in ("png", "jpeg"):
        picture = image.get_picture(image_format)
        assert picture.size == (240, 160)
        assert is_near(picture.convert("RGB").getpixel((30, 20)), RED_FIELD[name])


@pytest.mark.parametrize(("name", "point"), TRANSPARENT)
def test_transparency__is_that_of_a_browser(add, name, point):
    image = add(name)
    assert image.get_picture("png").convert("RGBA").getpixel(point)[3] == (
        0 if TRANSPARENT[name, point] else 255
    )
    if TRANSPARENT[name, point]:  # laid on the preset's background
        assert is_near(image.get_picture("jpeg").getpixel(point), (255, 255, 255))


@pytest.mark.parametrize("name", TIMES)
def test_time__is_read_however_it_is_written(add, name):
    taken_at, expected = add(name).taken_at, TIMES[name]
    if expected is None or expected.tzinfo is not None:
        assert taken_at == expected
    else:
        assert timezone.make_naive(taken_at) == expected


def test_camera__may_be_named_in_any_letters(add):
    camera = add("text-utf8.jpg").camera_data
    assert (camera.make, camera.model) == ("Xiaomi", "小米手机")


def test_sensitivity__that_fits_no_short_number_is_not_told(add):
    assert add("text-iso-65535.jpg").camera_data.iso is None


def test_heic__is_let_in(add):
    assert add("p3.heic").format == "heic"
    assert "heic" in get_settings().formats
