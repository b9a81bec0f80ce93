"""Takes image files through ingest and every preset, and keeps the renditions.

Reads paths from standard input, one a line, and works in the folder that is its argument.
Prints a line of JSON for each: path, and renditions, the paths of them; null where it is refused.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path


def main(folder: str) -> None:
    """Take in every path."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ["IMAGES_TEST_VAR_DIR"] = folder
    import django
    from django.conf import settings

    # The built-in presets make no PNG.
    settings.IMAGES_APP = {"PRESETS": {"png": {"width": 320, "formats": ["png"]}}}
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    for line in sys.stdin:
        path = line.strip()
        print(json.dumps({"path": path, "renditions": renditions(path)}), flush=True)


def renditions(path: str) -> list[str] | None:
    """Ingest and render, as a request would."""
    from django.core.files import File
    from django.core.files.storage import storages

    from images_app.conf import RENDITIONS, get_settings
    from images_app.exceptions import RenderFailed, UploadRefused
    from images_app.ingest import ingest_image
    from images_app.renditions import make_renditions, specs_for

    try:
        with Path(path).open("rb") as opened:
            image = ingest_image(File(opened, name=Path(path).name))
    except UploadRefused:
        return None
    with contextlib.suppress(RenderFailed):  # then they are missing, which the test sees
        make_renditions(image, specs_for(image, get_settings().presets.values()))
    return [storages[RENDITIONS].path(made.storage_name) for made in image.renditions.all()]


if __name__ == "__main__":
    main(sys.argv[1])
