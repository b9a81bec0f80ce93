"""Takes image files through ingest and every preset, each in a process of its own.

Its arguments are the formats that are let in, the usual ones if there are none. Reads paths from
standard input, one a line, and prints a line of JSON for each: verdict
(accept, or reject with its code), seconds, peak memory over idle in bytes (its own and that of
the child that decodes), and how many files a refusal left behind. A process that dies or
raises anything else is a verdict too.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from benchmarks.usage import peak_memory
from images_app.exceptions import ImagesAppError

FOLDER = Path(tempfile.mkdtemp(prefix="images-app-hostile-"))
LONGEST = 60  # seconds until a process counts as hung


def main() -> None:
    """Judge every path."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ["IMAGES_TEST_VAR_DIR"] = str(FOLDER)
    import django
    from django.conf import settings

    settings.DATABASES["default"] = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
    }
    if sys.argv[1:]:
        settings.IMAGES_APP = {"FORMATS": sys.argv[1:]}
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    try:
        for line in sys.stdin:
            path = line.strip()
            print(json.dumps({"path": path, **judge(path)}), flush=True)
    finally:
        shutil.rmtree(FOLDER)


def judge(path: str) -> dict[str, object]:
    """Judge one file in a child, which has a copy of the empty database in its memory."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.alarm(LONGEST)
        try:
            result = take_in(path)
        except BaseException:  # noqa: BLE001 (of the measuring itself, which must not end silently)
            result = {
                "verdict": "unmeasured " + traceback.format_exc()[-500:],
                "seconds": 0,
                "memory": 0,
            }
        os.write(writer, json.dumps(result).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    found = (FOLDER / "private").glob("*/[!.]*/**/*")  # but for the marks
    left = [file for file in found if file.is_file()]
    shutil.rmtree(FOLDER / "private", ignore_errors=True)
    if not said:
        return {"verdict": f"died {status}", "seconds": LONGEST, "memory": 0, "left": len(left)}
    result = json.loads(said)
    return {**result, "left": 0 if result["verdict"] == "accept" else len(left)}


def take_in(path: str) -> dict[str, object]:
    """Ingest and render, as a request would."""
    from django.core.files import File

    from images_app.conf import get_settings
    from images_app.exceptions import UploadRefused
    from images_app.ingest import ingest_image
    from images_app.renditions import make_renditions, specs_for

    warm_up()
    started, idle = time.monotonic(), peak_memory()
    try:
        with Path(path).open("rb") as opened:
            image = ingest_image(File(opened, name=Path(path).name))
        make_renditions(image, specs_for(image, get_settings().presets.values()))
        verdict = "accept"
    except UploadRefused as error:
        verdict = f"reject {error.code}"
    except BaseException:  # noqa: BLE001 (whatever it is, it is the verdict)
        verdict = "unhandled " + traceback.format_exc()[-500:]
    return {
        "verdict": verdict,
        "seconds": time.monotonic() - started,
        "memory": peak_memory() - idle,
    }


def warm_up() -> None:
    """Have the child process started that will decode, as a server has after its first request."""
    from images_app.conf import get_engine

    with contextlib.suppress(ImagesAppError):
        get_engine().read_header(io.BytesIO(b"no image"), ("gif",), max_pixels=1)


if __name__ == "__main__":
    main()
