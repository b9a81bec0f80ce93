"""Each library's own way to make the widths of one file; run as a process by renditions.py.

Prints a line of JSON: seconds of processor time and peak memory in bytes, both with all child
processes, and the files made, each as [original, format, width, path]. For the name "migrate" it
only makes the tables.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.core.files import File  # noqa: E402
from django.core.files.storage import default_storage  # noqa: E402
from django.core.management import call_command  # noqa: E402

from benchmarks.usage import peak_memory, processor_seconds  # noqa: E402

WIDTHS = [int(width) for width in os.environ["BENCH_WIDTHS"].split(",")]
OUR_WEBP = 84
TALL = 100_000  # a height that never binds
Made = Iterator[tuple[str, int, str]]  # format, width, path


def ours(prepared: Any) -> Made:
    """images_app: all rungs of a ladder, in all formats, from one decode."""
    from images_app.conf import get_engine  # noqa: PLC0415
    from images_app.models.rendition import rendition_name  # noqa: PLC0415
    from images_app.renditions import make_renditions  # noqa: PLC0415
    from images_app.specs import Preset  # noqa: PLC0415

    preset = Preset(
        name="bench",
        widths=tuple(WIDTHS),
        formats=tuple(settings.QUALITIES),
        # Less effort per picture, so a higher number, for a score that is no worse.
        quality={**settings.QUALITIES, "webp": OUR_WEBP},
    )
    specs = [preset.spec(width, name) for name in preset.formats for width in preset.widths]
    make_renditions(prepared, specs)
    for spec in specs:
        fingerprint = spec.fingerprint(get_engine().output_version)
        stored = rendition_name(prepared.public_id, 1, fingerprint, spec.format)
        yield spec.format, spec.width, str(settings.FOLDER / "private/renditions" / stored)


def prepare_ours(path: Path) -> Any:
    """Ingest."""
    from images_app.ingest import ingest_image  # noqa: PLC0415

    with path.open("rb") as opened:
        return ingest_image(File(opened, name=path.name))


def save(path: Path) -> Any:
    """Store the original as the peers have it: in the default storage."""
    with path.open("rb") as opened:
        return default_storage.save(f"originals/{path.name}", File(opened))


def easy_thumbnails(prepared: str) -> Made:
    """easy-thumbnails: get_thumbnail for each; it hands on no quality for AVIF."""
    from easy_thumbnails.files import get_thumbnailer  # noqa: PLC0415

    for name, quality in settings.QUALITIES.items():
        thumbnailer = get_thumbnailer(default_storage, prepared)
        thumbnailer.thumbnail_extension = name.replace("jpeg", "jpg")
        for width in WIDTHS:
            options: dict[str, Any] = {"size": (width, 0), "quality": quality}
            if name == "avif":  # what it hands on by itself, a number, is for JPEG and fails
                options["subsampling"] = "4:2:0"
            yield name, width, thumbnailer.get_thumbnail(options).path


def sorl(prepared: str) -> Made:
    """sorl-thumbnail: get_thumbnail for each."""
    from sorl.thumbnail import get_thumbnail  # noqa: PLC0415

    for name, quality in settings.QUALITIES.items():
        for width in WIDTHS:
            made = get_thumbnail(prepared, str(width), quality=quality, format=name.upper())
            yield name, width, default_storage.path(made.name)


def imagekit(prepared: str) -> Made:
    """django-imagekit: an ImageSpec for each."""
    from imagekit import ImageSpec  # noqa: PLC0415
    from imagekit.cachefiles import ImageCacheFile  # noqa: PLC0415
    from imagekit.processors import ResizeToFit  # noqa: PLC0415

    for name, quality in settings.QUALITIES.items():
        for width in WIDTHS:
            values = {
                "processors": [ResizeToFit(width, TALL, upscale=False)],
                "format": name.upper(),
                "options": {"quality": quality},
            }
            kind = type(f"Spec{name}{width}", (ImageSpec,), values)
            with default_storage.open(prepared) as source:
                made = ImageCacheFile(kind(source=source))
                made.generate()
            yield name, width, default_storage.path(made.name)


def prepare_wagtail(path: Path) -> Any:
    """An image of Wagtail's."""
    from wagtail.images.models import Image  # noqa: PLC0415

    with path.open("rb") as opened:
        return Image.objects.create(title=path.stem, file=File(opened, name=path.name))


def wagtail(prepared: Any) -> Made:
    """Wagtail: get_rendition for each."""
    for name in settings.QUALITIES:
        for width in WIDTHS:
            made = prepared.get_rendition(f"width-{width}|format-{name}")
            yield name, width, made.file.path


MAKERS: dict[str, tuple[Callable[[Path], Any], Callable[[Any], Made]]] = {
    "images_app": (prepare_ours, ours),
    "easy-thumbnails": (save, easy_thumbnails),
    "sorl-thumbnail": (save, sorl),
    "django-imagekit": (save, imagekit),
    "wagtail": (prepare_wagtail, wagtail),
}


def main() -> None:
    """Prepare all files, then make all widths of each, measuring only that."""
    name, *paths = sys.argv[1:]
    if name == "migrate":
        call_command("migrate", verbosity=0)
        return
    prepare, make = MAKERS[name]
    prepared = [(path, prepare(Path(path))) for path in paths]
    before = processor_seconds()
    made = [(path, *row) for path, original in prepared for row in make(original)]
    report = {"seconds": processor_seconds() - before, "memory": peak_memory(), "made": made}
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
