"""Every orientation file of the corpus, rendered, shows what a plain decode turned upright shows.

The corpus lies beside the repository, as for test_corpus; its oriented pictures come from the
test suites of Pillow, libvips, imgproxy, Cantaloupe and others, so nobody here chose their tags.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from django.core.files import File
from PIL import Image, ImageChops, ImageCms, ImageOps, ImageStat

from images_app.conf import get_settings
from images_app.exceptions import UploadRefused
from images_app.ingest import ingest_image
from images_app.renditions import locate_rendition, specs_for
from tests.hostile.test_corpus import CORPUS
from tests.parts import need

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
MOST = 2  # of 255: the mean difference over all pixels and channels
SMALL = 64  # pixels wide: here the pictures of a group are told apart by orientation only
# Oriented pictures that the manifest lists for something else; irot and imir turn the AVIF.
OTHERS = (
    "valid/pillow__rot1mir1.avif",
    "valid/pillow__rot3mir0.avif",
    "valid/pillow__rot3mir1.avif",
    "valid/pillow__empty_gps_ifd.jpg",
    "valid/imagers__portrait_2.jpg",
    "valid/pillow__hopper.webp",  # upright: the measure of its group
)
# Not our formats by default.
FOREIGN = {
    "malformed/imagers__orientation-zero-width.tga",
    "orientation/pillow__g4_orientation_3.tif",
    "orientation/pillow__g4_orientation_4.tif",
    "orientation/pillow__g4_orientation_5.tif",
    "orientation/pillow__g4_orientation_8.tif",
}
FILES = 54
# One picture each, stored in several orientations: how many of them, by how their names begin.
GROUPS = {
    ("orientation/exifsamples__landscape_",): 4,
    ("orientation/exifsamples__portrait_", "orientation/libvips__", "valid/imagers__portrait"): 9,
    ("orientation/recurser__Landscape_",): 5,
    ("orientation/recurser__Portrait_",): 4,
    ("orientation/pigallery2__photo.",): 3,
    ("orientation/pillow__hopper_", "valid/pillow__hopper"): 8,
    ("valid/pillow__rot",): 3,
}


@pytest.fixture
def presets(settings):
    """The whole picture and a small one, without loss."""
    settings.IMAGES_APP = {
        "PRESETS": {
            "whole": {"width": 10_000, "formats": ["png"]},
            "small": {"width": SMALL, "formats": ["png"]},
        }
    }
    return get_settings().presets


def oriented() -> list[str]:
    need("the corpus", is_there=(CORPUS / "MANIFEST.tsv").exists())
    with (CORPUS / "MANIFEST.tsv").open() as manifest:
        listed = [
            row["file"]
            for row in csv.DictReader(manifest, delimiter="\t")
            if row["category"] == "orientation" or "orientation" in row["exercises"]
        ]
    return sorted({*listed, *OTHERS})


def take_in(name: str):
    """The image of a file; None where its format is refused."""
    try:
        with (CORPUS / name).open("rb") as opened:
            return ingest_image(File(opened, name=Path(name).name))
    except UploadRefused as refused:
        if refused.code in {"format_not_allowed", "not_an_image"} and name in FOREIGN:
            return None
        raise


def shown(image, preset) -> Image.Image:
    """What the rendition shows."""
    (spec,) = specs_for(image, [preset])
    location = locate_rendition(image, spec)
    with location.open_range(0, location.length) as file, Image.open(file) as opened:
        return opened.convert("RGBA")


def expected(name: str) -> Image.Image:
    """Pillow's own decode, turned by Pillow's own table, in sRGB; by EXIF alone, as browsers do."""
    with Image.open(CORPUS / name) as opened:
        for other in ("xmp", "XML:com.adobe.xmp", "Raw profile type exif"):
            opened.info.pop(other, None)
        profile = opened.info.get("icc_profile")
        upright = ImageOps.exif_transpose(opened)
    if profile:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        upright = ImageCms.profileToProfile(
            upright, own, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    return upright.convert("RGBA")


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures over all pixels and channels, transparency shown."""
    if one.size != other.size:
        return 255
    flat = [
        Image.alpha_composite(Image.new("RGBA", one.size, "#ffffff"), picture).convert("RGB")
        for picture in (one, other)
    ]
    means = ImageStat.Stat(ImageChops.difference(*flat)).mean
    return sum(means) / len(means)


def test_orientation__shows_what_a_plain_decode_shows(presets):
    names = oriented()
    images = {name: image for name in names if (image := take_in(name))}
    wrong = {
        name: round(by, 2)
        for name, image in images.items()
        if (by := difference(shown(image, presets["whole"]), expected(name))) >= MOST
    }
    assert wrong == {}
    assert len(names) == FILES
    assert set(names) - set(images) <= FOREIGN
    assert {image.orientation for image in images.values()} == set(range(1, 9))


@pytest.mark.parametrize(("starts", "number"), GROUPS.items())
def test_orientation__one_picture_in_several_is_shown_as_one(starts, number, presets):
    names = [name for name in oriented() if name.startswith(starts) and "avif-or" not in name]
    first, *others = [
        shown(take_in(name), presets["small"]).resize((SMALL, SMALL)) for name in names
    ]
    turned = [first, *(first.transpose(turn) for turn in Image.Transpose)]
    nearest = [
        min(range(len(turned)), key=lambda n: difference(other, turned[n])) for other in others
    ]
    assert nearest == [0] * (number - 1)
