"""``images_warm``: make what renditions are missing, so that nobody waits for them."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from images_app.conf import get_settings
from images_app.exceptions import ImagesAppError
from images_app.management.progress import Progress
from images_app.management.users import printable
from images_app.models import Gallery, get_image_model
from images_app.renditions import make_renditions, specs_for


class Command(BaseCommand):
    """See the module."""

    help = (
        "Make the renditions that are missing, newest images first, from one decode per image. "
        "Interrupted, it goes on where it stopped when it is started again. "
        "Exit code 1 if any image failed; the others are done."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--gallery", help="only the images of galleries with this title")
        parser.add_argument(
            "--preset", action="append", help="only this preset; may be given several times"
        )

    def handle(self, *, gallery: str | None, preset: list[str] | None, **options: Any) -> None:
        """Run."""
        presets = get_settings().presets
        unknown = set(preset or ()) - set(presets)
        if unknown:
            message = f"No preset {', '.join(sorted(unknown))}; there are {', '.join(presets)}."
            raise CommandError(message)
        chosen = [presets[name] for name in preset or presets]
        images = get_image_model()._default_manager.filter(trashed_at=None).order_by("-pk")
        if gallery is not None:
            images = images.filter(gallery_items__gallery__title=gallery).distinct()
            if not Gallery.objects.filter(title=gallery).exists():
                message = f"No gallery has the title {gallery!r}."
                raise CommandError(message)
        progress = Progress(sys.stderr, images.count())
        made = failed = 0
        for image in images.iterator(chunk_size=500):
            try:
                made += make_renditions(image, specs_for(image, chosen))
            except ImagesAppError as error:
                failed += 1
                progress.clear()
                reason = _(error.public_message) % error.params
                self.stderr.write(f"{image.pk} {printable(image)}: {reason}")
            progress.step(str(image))
        progress.clear()
        self.stdout.write(f"{made} renditions made, {failed} images failed.")
        if failed:
            raise SystemExit(1)
