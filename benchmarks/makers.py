"""Each library's own way to make the widths of one file; run as a process by renditions.py.

Prints a line of JSON: seconds of processor time, peak memory in bytes, and the files made,
each as [original, width, path].
"""

from __future__ import annotations

import json
import os
import resource
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

WIDTHS = [int(width) for width in os.environ.get("BENCH_WIDTHS", "320,640,1280").split(",")]
TALL = 100_000  # a height that never binds
Made = Iterator[tuple[int, str]]


def ours(prepared: Any) -> Made:
    """images_app: the rungs of a ladder from one decode."""
    from images_app.models.rendition import rendition_name  # noqa: PLC0415
    from images_app.renditions import make_renditions  # noqa: PLC0415
    from images_app.specs import Preset  # noqa: PLC0415

    name = settings.FORMAT.lower()
    preset = Preset(
        name="bench", widths=tuple(WIDTHS), formats=(name,), quality={name: settings.QUALITY}
    )
    specs = list(preset.specs())
    make_renditions(prepared, specs)
    for spec in specs:
        stored = rendition_name(prepared.public_id, 1, spec.fingerprint(1), name)
        yield spec.width, str(settings.FOLDER / "private/renditions" / stored)


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
    """easy-thumbnails: get_thumbnail for each width."""
    from easy_thumbnails.files import get_thumbnailer  # noqa: PLC0415

    thumbnailer = get_thumbnailer(default_storage, prepared)
    for width in WIDTHS:
        options = {"size": (width, 0), "quality": settings.QUALITY}
        yield width, thumbnailer.get_thumbnail(options).path


def sorl(prepared: str) -> Made:
    """sorl-thumbnail: get_thumbnail for each width."""
    from sorl.thumbnail import get_thumbnail  # noqa: PLC0415

    for width in WIDTHS:
        made = get_thumbnail(prepared, str(width), quality=settings.QUALITY, format=settings.FORMAT)
        yield width, default_storage.path(made.name)


def imagekit(prepared: str) -> Made:
    """django-imagekit: an ImageSpec for each width."""
    from imagekit import ImageSpec  # noqa: PLC0415
    from imagekit.cachefiles import ImageCacheFile  # noqa: PLC0415
    from imagekit.processors import ResizeToFit  # noqa: PLC0415

    for width in WIDTHS:
        kind = type(
            f"Spec{width}",
            (ImageSpec,),
            {
                "processors": [ResizeToFit(width, TALL, upscale=False)],
                "format": settings.FORMAT,
                "options": {"quality": settings.QUALITY},
            },
        )
        with default_storage.open(prepared) as source:
            made = ImageCacheFile(kind(source=source))
            made.generate()
        yield width, default_storage.path(made.name)


def prepare_wagtail(path: Path) -> Any:
    """An image of Wagtail's."""
    from wagtail.images.models import Image  # noqa: PLC0415

    with path.open("rb") as opened:
        return Image.objects.create(title=path.stem, file=File(opened, name=path.name))


def wagtail(prepared: Any) -> Made:
    """Wagtail: get_rendition for each width."""
    for width in WIDTHS:
        made = prepared.get_rendition(f"width-{width}|format-{settings.FORMAT.lower()}")
        yield width, made.file.path


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
    call_command("migrate", verbosity=0)
    prepare, make = MAKERS[name]
    prepared = [(path, prepare(Path(path))) for path in paths]
    before = resource.getrusage(resource.RUSAGE_SELF)
    made = [(path, width, file) for path, original in prepared for width, file in make(original)]
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    report = {"seconds": seconds, "memory": after.ru_maxrss * 1024, "made": made}
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
