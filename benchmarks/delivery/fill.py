"""One rendition's bytes wherever each library wants them; needs Django set up.

Everything belongs to one user: a gallery of 60 images, a large original, and the peers' files.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files import File
from django.core.files.storage import default_storage, storages
from django.core.management import call_command
from filer.models import Image as FilerImage
from private_storage.storage import private_storage
from wagtail.images.models import Image as WagtailImage

from benchmarks.delivery.models import Picture
from benchmarks.delivery.modes import GALLERY_SIZE
from images_app.conf import RENDITIONS, get_engine, get_settings
from images_app.ingest import ingest_image
from images_app.models import Gallery
from images_app.models.rendition import rendition_name
from images_app.renditions import make_renditions

NAME = "rendition.jpg"
BIG = "big.jpg"
BIG_LENGTH = 300 * 10**6  # bytes
WAGTAIL_FILTER = "width-640"


def fill(photo: Path) -> None:
    """Make the tables and all files from one photograph; write the bytes that all shall send."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    user = get_user_model().objects.create_user("viewer")
    original = photo.read_bytes()
    content = _fill_ours(original, user)
    _fill_by_hand(content, user)
    _fill_peers(content, user)
    _fill_large(original, user)


def _fill_ours(original: bytes, user: Any) -> bytes:
    """Ingest the gallery, make its renditions, and answer with the bytes of one: all are alike."""
    gallery = Gallery.objects.create(title="Gallery", owner=user)
    preset = get_settings().presets[settings.PRESET]
    spec = preset.spec(preset.widths[0], preset.formats[0])
    for _ in range(GALLERY_SIZE):
        image = ingest_image(_file(original), owner=user, gallery=gallery)
        make_renditions(image, [spec])
    fingerprint = spec.fingerprint(get_engine().output_version)
    name = rendition_name(image.public_id, image.version, fingerprint, spec.format)
    with storages[RENDITIONS].open(name) as opened:
        return bytes(opened.read())


def _fill_by_hand(content: bytes, user: Any) -> None:
    """Give the hand-written views their files, and nginx the static one."""
    for _ in range(GALLERY_SIZE):
        Picture.objects.create(owner=user, file=_file(content))
    default_storage.save(f"pictures/only-{NAME}", _file(content))
    static = settings.FOLDER / "static"
    static.mkdir()
    (static / NAME).write_bytes(content)


def _fill_peers(content: bytes, user: Any) -> None:
    """Give each library its file."""
    private_storage.save(NAME, _file(content))
    FilerImage.objects.create(
        owner=user, original_filename=NAME, file=_file(content), is_public=False
    )
    image = WagtailImage.objects.create(title="Image", file=_file(content))
    rendition = image.get_rendition(WAGTAIL_FILTER)
    Path(rendition.file.path).write_bytes(content)  # the same bytes as all the others


def _fill_large(original: bytes, user: Any) -> None:
    """Make a large original of ours, and the same file for a view written by hand.

    It is above what may be uploaded: it grows behind our back, and its record is told.
    """
    image = ingest_image(_file(original), owner=user)
    by_hand = default_storage.path(f"pictures/{BIG}")
    for path in (storages[image.storage_alias].path(image.storage_name), by_hand):
        with Path(path).open("ab") as opened:
            opened.truncate(BIG_LENGTH)
    type(image).objects.filter(pk=image.pk).update(byte_size=BIG_LENGTH)


def _file(content: bytes) -> File[bytes]:
    return File(io.BytesIO(content), name=NAME)
