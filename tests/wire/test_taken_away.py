"""Signed URLs of images that are taken away, on the wire: gone for nginx as for Django."""

from __future__ import annotations

import re
import time

import pytest

from tests.wire.nginx import behind_nginx
from tests.wire.servers import manage, serving
from tests.wire.test_trust import SITES, send

pytestmark = pytest.mark.slow
OPEN_FILES = 5  # seconds that nginx remembers an opened file: open_file_cache_valid in deploy/
MAKE = """
from io import BytesIO
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from PIL import Image as Picture
from images_app import *
def file():
    made = BytesIO()
    Picture.effect_noise((640, 480), 90).convert('RGB').save(made, 'JPEG')
    return ContentFile(made.getvalue(), 'taken.jpg')
"""
SIGN = (
    MAKE
    + """
owner = get_user_model().objects.get(username='editor')
image = ingest_image(file(), owner=owner)
[seen] = get_image_model().objects.visible_to(Viewer(user=owner)).filter(pk=image.pk)
print('made', image.pk, rendition_url(seen, 'ladder', width=320, sign=True))
"""
)
TAKE = (
    MAKE
    + """
from images_app.replacing import replace_original
from images_app.trash import trash
rows = get_image_model().objects.filter(pk={pk})
{script}
"""
)
WAYS = {
    "trashed": "trash(rows)",
    "deleted": "rows.get().delete()",
    "replaced": "replace_original(rows.get(), file())",
}


@pytest.fixture(scope="module", params=["secure_link", "signed"])
def signing(request, demo, tmp_path_factory):
    """A site that signs: its settings, whom to ask, and for how long a file is remembered."""
    mode, settings = SITES[request.param]
    with serving("gunicorn threads", demo, settings) as django:
        if mode is None:
            yield settings, django.url, 0
            return
        folder = tmp_path_factory.mktemp("taken")
        with behind_nginx(folder, mode, private=demo / "private", upstream=django) as front:
            yield settings, front.url, OPEN_FILES + 1


@pytest.mark.parametrize("way", list(WAYS))
def test_signed__of_an_image_that_was_taken_away(demo, signing, way):
    settings, base, remembered = signing
    said = manage(demo, "shell", "-v0", "-c", SIGN, settings=settings)
    pk, url = re.search(r"made (\d+) (\S+)", said).groups()
    answers = [send(base, url) for _ in range(4)]  # made by Django, then sent often enough
    assert [answer.status for answer in answers] == [200] * 4
    script = TAKE.format(pk=pk, script=WAYS[way])
    manage(demo, "shell", "-v0", "-c", script, settings=settings)
    taken, seen = time.monotonic(), []
    while time.monotonic() < taken + remembered + 1:
        before = time.monotonic()
        seen.append((before, send(base, url).status))
        time.sleep(0.2)
    statuses = {status for _, status in seen}  # each worker remembers for itself
    assert statuses <= ({200, 404} if remembered else {404})
    assert all(status == 404 for at, status in seen if at > taken + remembered)
