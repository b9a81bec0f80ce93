"""Ends an operation at each of its writes, flushes, renames and unlinks, and looks what is left.

    python -m tests.hostile.kill_everywhere {filesystem|database} OPERATION {kill|full|full-once}

``strace`` injects a SIGKILL, or ENOSPC once or from then on, at the first such call, then at the
second, and so on until the operation ends undisturbed. After each a new process looks: records
without bytes, files that are not whole, acknowledged work that is lost, and what
``images_reconcile --fix`` leaves. Prints one line of JSON.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

CALLS = (
    "write,pwrite64,fsync,fdatasync,ftruncate,"
    "?rename,?renameat,?renameat2,?link,?linkat,?unlink,?unlinkat"
)
WRITES = "write,pwrite64,ftruncate"
INJECTIONS = {
    "kill": f"{CALLS}:signal=SIGKILL:when={{}}",
    "full": f"{WRITES}:error=ENOSPC:when={{}}+",
    "full-once": f"{WRITES}:error=ENOSPC:when={{}}",
}
STRAY = f"ab/{'0' * 32}.jpg"
PATIENCE = 60  # seconds for one operation
FOLDER = Path(tempfile.mkdtemp(prefix="images-app-killed-"))
STATE, BASELINE = FOLDER / "state", FOLDER / "baseline"
BACKENDS = {
    "filesystem": "images_app.storages.PrivateFileSystemStorage",
    "database": "images_app.contrib.dbstorage.storage.DatabaseStorage",
}


def main(kind: str, operation: str, fault: str) -> None:
    """Try every point, and sum up."""
    set_up(kind)
    try:
        make_baseline()
        act = OPERATIONS[operation]
        trials = []
        for number in itertools.count(1):
            start_anew()
            answer = in_child(act, INJECTIONS[fault].format(number))
            judged = in_child(partial(look, acknowledged=answer == "ok"))
            trials.append({"at": number, "answer": answer, **json.loads(judged)})
            if not is_hit(number, fault):
                break
        print(json.dumps(sum_up(trials)))
    finally:
        shutil.rmtree(FOLDER)


def set_up(kind: str) -> None:
    """Configure Django for one database and two storages in a folder of our own."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ["IMAGES_TEST_VAR_DIR"] = str(FOLDER)
    import django
    from django.conf import settings

    STATE.mkdir()
    settings.DATABASES["default"] = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(STATE / "db.sqlite3"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
    }
    # In this process, so that all calls are the operation's own.
    settings.IMAGES_APP = {"ENGINE": {"BACKEND": "images_app.engines.pillow.PillowEngine"}}
    for alias in ("images", "image_renditions", "other"):
        location = str(STATE / alias) if kind == "filesystem" else alias
        settings.STORAGES[alias] = {
            "BACKEND": BACKENDS[kind],
            "OPTIONS": {"location": location, "allow_overwrite": alias == "image_renditions"},
        }
    django.setup()
    logging.disable(logging.CRITICAL)


def make_baseline() -> None:
    """Make one gallery with one image and its thumbnail, and try every operation once."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import connections

    from images_app.ingest import ingest_image
    from images_app.models import Gallery

    call_command("migrate", verbosity=0)
    owner = get_user_model().objects.create_user("owner")
    image = ingest_image(
        picture_file((9, 9, 9)), owner=owner, gallery=Gallery.objects.create(title="One")
    )
    make_thumbnail(image)
    connections.close_all()
    shutil.copytree(STATE, BASELINE)
    for act in OPERATIONS.values():  # what is imported late is imported now
        start_anew()
        act()
        connections.close_all()


def start_anew() -> None:
    """Put everything back as it was."""
    shutil.rmtree(STATE)
    shutil.copytree(BASELINE, STATE)


def picture_file(color: tuple[int, int, int]) -> Any:
    from django.core.files.base import ContentFile

    return ContentFile(content_of(color), "new.jpg")


def content_of(color: tuple[int, int, int]) -> bytes:
    from PIL import Image

    target = io.BytesIO()
    # Larger than what Python's files buffer, so that it takes several writes.
    Image.effect_noise((300, 200), 60).convert("RGB").save(target, "JPEG", quality=90)
    picture = Image.open(io.BytesIO(target.getvalue()))
    picture.paste(color, (0, 0, 50, 50))
    again = io.BytesIO()
    picture.save(again, "JPEG", quality=95)
    return again.getvalue()


def make_thumbnail(image: Any) -> None:
    from images_app.conf import get_settings
    from images_app.renditions import make_renditions, specs_for

    make_renditions(image, specs_for(image, [get_settings().presets["thumb"]]))


# --- the operations ---------------------------------------------------------------------------


def the_image() -> Any:
    from images_app.models import Image

    return Image.objects.order_by("pk").first()


def upload() -> None:
    from images_app.ingest import ingest_image
    from images_app.models import Gallery

    ingest_image(picture_file((1, 2, 3)), gallery=Gallery.objects.get(), title="uploaded")


def resume() -> None:
    """Three parts, and what they make."""
    from django.contrib.auth import get_user_model

    from images_app.access import Viewer
    from images_app.models import Gallery
    from images_app.uploads.receiving import Target
    from images_app.uploads.resuming import append, begin, finish

    viewer = Viewer(user=get_user_model().objects.get())
    target = Target(gallery=Gallery.objects.get())
    content = content_of((1, 2, 3))
    coming = begin(viewer, target, length=len(content))
    step = len(content) // 3 + 1
    for offset in range(0, len(content), step):
        part = content[offset : offset + step]
        append(coming, offset, io.BytesIO(part), len(part))
    finish(coming, viewer, target, file_name="uploaded.jpg")


def render() -> None:
    from images_app.ingest import ingest_image

    make_thumbnail(ingest_image(picture_file((1, 2, 3)), title="uploaded"))


def replace() -> None:
    from images_app.replacing import replace_original

    replace_original(the_image(), picture_file((4, 5, 6)))


def delete() -> None:
    from images_app.models import Image, ImageQuerySet
    from images_app.trash import delete_trashed, trash

    trash(ImageQuerySet(Image))
    delete_trashed(the_image())


def move() -> None:
    from django.core.management import call_command

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        call_command("images_move", "--to", "other", "--grace", "0")


def tidy() -> None:
    """An original without a record, and what puts it into quarantine."""
    from django.core.files.storage import storages
    from django.core.management import call_command

    from images_app.exceptions import StorageUnavailable

    try:
        storages["images"].save(STRAY, picture_file((7, 8, 9)))
    except OSError as error:  # told as the ways in tell it
        raise StorageUnavailable(type(error).__name__) from error
    with contextlib.redirect_stdout(io.StringIO()):
        call_command("images_reconcile", "--fix", "--grace", "0")


def is_tidy() -> bool:
    from django.core.files.storage import storages

    from images_app.reconciling import quarantine

    return quarantine.find(storages["images"], STRAY) is not None


def is_done(operation: str) -> bool:
    """Tell whether the records say that it was done."""
    from images_app.models import Image

    return {
        "upload": lambda: Image.objects.filter(title="uploaded").exists(),
        "resume": lambda: Image.objects.filter(title="uploaded").exists(),
        "render": lambda: (
            the_image().renditions.exists()
            and Image.objects.get(title="uploaded").renditions.exists()
        ),
        "replace": lambda: the_image().version == 2,
        "delete": lambda: not Image.objects.exists(),
        "move": lambda: the_image().storage_alias == "other",
        "tidy": is_tidy,
    }[operation]()


OPERATIONS: dict[str, Callable[[], None]] = {
    "upload": upload,
    "resume": resume,
    "render": render,
    "replace": replace,
    "delete": delete,
    "move": move,
    "tidy": tidy,
}


# --- processes --------------------------------------------------------------------------------


def in_child(act: Callable[[], Any], injection: str = "") -> str:
    """Do something in a child that strace follows; answer with what it said, "" if it died.

    It speaks over a socket, for writing is what fails.
    """
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        ours.close()
        theirs.recv(1)
        theirs.send(said(act).encode())
        os._exit(0)
    theirs.close()
    ours.settimeout(PATIENCE)
    with tracing(child, injection) if injection else contextlib.nullcontext():
        ours.send(b"+")
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            answer = ours.recv(1 << 16)
        ours.close()
        os.waitpid(child, 0)
    return answer.decode()


def said(act: Callable[[], Any]) -> str:
    """Act; answer with what it answers, "ok" for nothing, or with how it failed."""
    from django.db import OperationalError

    from images_app.exceptions import ImagesAppError

    try:
        return act() or "ok"
    except OperationalError as error:
        return f"told {error}"
    except ImagesAppError as error:
        return f"told {error.code}"
    except SystemExit:
        return "told by the exit code"
    except BaseException:  # noqa: BLE001 (whatever it is, it is the finding)
        return f"unclear {traceback.format_exc()[-400:]}"


@contextlib.contextmanager
def tracing(child: int, injection: str) -> Any:
    """Have strace follow a child, until it ends."""
    command = ["strace", "-f", "-p", str(child), "-o", str(FOLDER / "trace")]
    command += ["-e", f"trace={CALLS}", "-e", f"inject={injection}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        first = strace.stderr.readline()
        assert "attached" in first, first
        yield
        strace.wait(PATIENCE)


def is_hit(number: int, fault: str) -> bool:
    """Tell whether there were so many calls at all in the last trace."""
    names = (CALLS if fault == "kill" else WRITES).replace("?", "").split(",")
    lines = (FOLDER / "trace").read_text().splitlines()
    calls = tuple(f"{name}(" for name in names)
    return sum(line.split(maxsplit=1)[1].startswith(calls) for line in lines) >= number


# --- what is left -----------------------------------------------------------------------------


def look(*, acknowledged: bool) -> str:
    """Look at everything as the next process would, and have it mended."""
    from django.core.management import call_command
    from django.utils import timezone

    from images_app.reconciling import Kind, Work, reconcile

    def found(*, fix: bool = False) -> list[str]:
        later = timezone.now() + timedelta(minutes=1)
        work = Work(fix=fix, checksums=True, older_than=later, storages=("images", "other"))
        return [str(each.kind) for step in reconcile(work) for each in step.findings]

    before = found()
    # Of a move that was killed, a copy may be all there is in the other storage.
    arguments = ["--fix", "--grace", "0", "--storage", "images", "--storage", "other"]
    arguments += ["--most", "1"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        call_command("images_reconcile", *arguments)
    return json.dumps(
        {
            "lost": sum(kind in {Kind.MISSING, Kind.DAMAGED} for kind in before),
            "torn": len(torn_files()),
            "strays": sum(kind == Kind.STRAY for kind in before),
            "left": len(found()),
            "forgotten": acknowledged and not is_done(sys.argv[2]),
        }
    )


def torn_files() -> list[Path]:
    """Answer with the pictures that have a name and are not whole."""
    from PIL import Image

    torn = []
    for path in STATE.rglob("*"):
        if path.suffix in {".jpg", ".webp", ".avif"} and not path.name.startswith("."):
            try:
                with Image.open(path) as picture:
                    picture.load()
            except OSError:
                torn.append(path)
    return torn


def sum_up(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """Answer with the number of trials, and with those in which something is wrong."""
    wrong = [
        trial
        for trial in trials
        if trial["lost"]
        or trial["torn"]
        or trial["left"]
        or trial["forgotten"]
        or trial["answer"].startswith("unclear")
    ]
    answers = {trial["answer"].split("\n")[0][:60] for trial in trials}
    strays = sum(trial["strays"] for trial in trials)
    return {"trials": len(trials), "wrong": wrong, "answers": sorted(answers), "strays": strays}


if __name__ == "__main__":
    main(*sys.argv[1:])
