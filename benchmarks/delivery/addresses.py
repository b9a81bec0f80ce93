"""The addresses of what fill.py has put there, as each library makes them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import reverse
from filer.models import Image as FilerImage
from wagtail.images.models import Image as WagtailImage
from wagtail.images.views.serve import generate_image_url

from benchmarks.delivery.fill import BIG, NAME, WAGTAIL_FILTER
from benchmarks.delivery.models import Picture
from images_app import rendition_url
from images_app.access import Level, Viewer
from images_app.models import Image


def addresses(user: Any) -> dict[str, list[str]]:
    """Answer with the paths that each mode asks for, by the word that it knows them by."""
    *images, big = Image.objects.visible_to(Viewer(user=user), Level.VIEW).order_by("pk")
    ours = [rendition_url(image, settings.PRESET, sign=True) for image in images]
    pictures = Picture.objects.order_by("pk").values_list("pk", flat=True)
    by_hand = [reverse("owner_only", args=[pk]) for pk in pictures]
    return {
        "empty": [reverse("empty")],
        "login only": [reverse("login_only", args=[f"only-{NAME}"])],
        "owner only": by_hand[:1],
        "owner only, gallery": by_hand,
        "private-storage": [reverse("serve_private_file", args=[NAME])],
        "wagtail": [generate_image_url(WagtailImage.objects.get(), WAGTAIL_FILTER)],
        "filer": [FilerImage.objects.get().url],
        "ours": ours[:1],
        "ours, gallery": ours,
        "static": [f"/{NAME}"],
        "our original": [big.original_url],
        "plain original": [reverse("login_only", args=[BIG])],
    }
