"""Ten thousand addresses that nobody emitted: 404 each, nothing decoded, nothing stored."""

from __future__ import annotations

import random
import string

import pytest

from images_app.engines.bounded import BoundedEngine
from images_app.models import Rendition
from images_app.renditions import rendition_url

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
NUMBER = 10_000


def made_up(chance: random.Random, public_id: object, known: str) -> str:
    """One address: sizes, presets, fingerprints, versions and formats of every wrong kind."""
    hexadecimal = "".join(chance.choices(string.hexdigits.lower(), k=16))
    position = chance.randrange(16)
    near = known[:position] + chance.choice("0123456789abcdef".replace(known[position], ""))
    width = chance.randrange(1, 100_000)
    extension = chance.choice(["jpg", "webp", "avif", "png", "gif", "svg", "JPG", ""])
    name = chance.choice(
        [
            f"{hexadecimal}.{extension}",
            f"{near}{known[position + 1 :]}.jpg",
            f"{known}.{chance.choice(['png', 'webp', 'avif', 'jpeg', 'gif'])}",
            f"{width}x{width}.{extension}",
            f"width-{width}.{extension}",
            f"thumb.{extension}",
            f"{known}.jpg/{width}",
        ]
    )
    version = chance.choice([0, 1, 1, 1, 2, width, 10**18])
    return f"/renditions/{public_id}/{version}/{name}"


def test_made_up_urls__are_404_and_make_nothing(
    client, make_gallery, make_image, monkeypatch, files
):
    def never(*args, **kwargs):
        raise AssertionError("decoded")

    image = make_image(gallery=make_gallery(visibility="public"), size=(900, 600))
    known = rendition_url(image, "thumb").rsplit("/", 1)[1].split(".")[0]
    before = files()
    monkeypatch.setattr(BoundedEngine, "render", never)
    chance = random.Random(20261121)
    for _ in range(NUMBER):
        url = made_up(chance, image.public_id, known)
        response = client.get(url)
        assert response.status_code == 404, url
        assert response["Cache-Control"] == "no-store"
    assert files() == before
    assert not Rendition.objects.exists()
