"""How long a refusal takes: of what is there and of what never was, interleaved, on loopback.

    python -m benchmarks.timing [--requests 1000]

For a stranger who is logged in and for somebody who is not, each URL of an image is asked for
with the id of a private image and with one that never was, in turns, over one connection to
gunicorn with one thread. Every status and body is compared, too. Exits with 1 where two medians
differ by more than 5%. The site has 5,000 grants to others, half of them on that gallery.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.delivery.servers import ROOT, free_port, running

MOST_DIFFERENCE = 0.05
IMAGES = 200  # private ones, so that a median is not that of one row
_WARMING = 50
_SETTINGS = {"as it comes": {}, "access log of denials": {"ACCESS_LOG": ["denial"]}}
_FILL = """\
import django, io, json
django.setup()
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.files import File
from django.core.management import call_command
from django.test import Client
from PIL import Image as Picture
from images_app import ingest_image, rendition_url
from images_app.models import Gallery, Grant
call_command("migrate", verbosity=0)
users = get_user_model().objects
owner, stranger = users.create_user("owner"), users.create_user("stranger")
gallery = Gallery.objects.create(title="Private", owner=owner)
kept = io.BytesIO()
Picture.effect_noise((640, 480), 24).save(kept, "JPEG")
images = []
for number in range(%(images)d):
    kept.seek(0)
    images.append(ingest_image(File(kept, "picture.jpg"), owner=owner, gallery=gallery))
client = Client()
client.force_login(stranger)
groups = Group.objects.bulk_create(Group(name=f"{n}") for n in range(300))
stranger.groups.set(groups[:3])
crowd = users.bulk_create(users.model(username=f"{n}") for n in range(4900))
Grant.objects.bulk_create(
    Grant(user=user, level=20, gallery=gallery)
    if n %% 2 else Grant(user=user, level=20, image=images[n %% %(images)d])
    for n, user in enumerate(crowd)
)
Grant.objects.bulk_create(Grant(group=g, gallery=gallery, level=20) for g in groups[200:])
galleries = [Gallery.objects.create(title="Other", owner=owner) for _ in range(%(images)d)]
print(json.dumps({
    "cookie": f"sessionid={client.cookies[settings.SESSION_COOKIE_NAME].value}",
    "urls": {
        "rendition": [rendition_url(image, "ladder") for image in images],
        "original": [image.original_url for image in images],
        "decision": [rendition_url(image, "thumb").replace("/renditions/", "/decisions/")
                     for image in images],
        "page of an image": [image.get_absolute_url() for image in images],
        "page of a gallery": [each.get_absolute_url() for each in galleries],
    },
}))
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of URL and of viewer."""

    name: str
    forbidden: Sequence[str]
    headers: dict[str, str]


def main() -> None:
    """Measure, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=1000, help="of each kind, in turns")
    number = parser.parse_args().requests
    _tell("| settings | refused | forbidden, ms | absent, ms | ratio |\n|---|---|---|---|---|")
    worst = 0.0
    for name, settings in _SETTINGS.items():
        with tempfile.TemporaryDirectory(prefix="bench-timing-") as folder:
            for case, forbidden, absent in _measure(Path(folder), settings, number):
                ratio = forbidden / absent
                worst = max(worst, abs(ratio - 1))
                cells = (f"{forbidden * 1000:.3f}", f"{absent * 1000:.3f}", f"{ratio:.3f}")
                _tell(f"| {name} | {case.name} | {' | '.join(cells)} |")
    sys.exit(worst > MOST_DIFFERENCE)


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _measure(
    folder: Path, settings: dict[str, object], number: int
) -> Iterator[tuple[Case, float, float]]:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "benchmarks.timing.settings",
        "BENCH_FOLDER": str(folder),
        "BENCH_SETTINGS": json.dumps(settings),
    }
    fill = [sys.executable, "-c", _FILL % {"images": IMAGES}]
    done = subprocess.run(
        fill, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    made = json.loads(done.stdout.splitlines()[-1])
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "django.core.wsgi:get_wsgi_application()"),
        *("--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "1"),
        *("--worker-class", "gthread", "--log-level", "critical", "--no-control-socket"),
    ]
    with running(command, port, folder, environment):
        for case in _cases(made):
            yield case, *_compare(port, case, number)


def _cases(made: dict[str, dict[str, list[str]]]) -> list[Case]:
    viewers = {"a stranger": {"Cookie": str(made["cookie"])}, "nobody logged in": {}}
    return [
        Case(name=f"{what}, to {who}", forbidden=urls, headers=headers)
        for who, headers in viewers.items()
        for what, urls in made["urls"].items()
    ]


def _compare(port: int, case: Case, number: int) -> tuple[float, float]:
    """Answer with both medians in seconds; the order within each pair is drawn by lot."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    draw = random.Random(1)  # noqa: S311 (no secret)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(number + _WARMING):
        forbidden = case.forbidden[turn % len(case.forbidden)]
        parts = forbidden.split("/")
        absent = forbidden.replace(parts[2], str(uuid.uuid4()))
        pair = [(True, forbidden), (False, absent)]
        draw.shuffle(pair)
        answers = {}
        for is_forbidden, url in pair:
            taken, answer = _ask(connection, url, case.headers)
            answers[is_forbidden] = answer
            if turn >= _WARMING:
                seconds[is_forbidden].append(taken)
        if answers[True] != answers[False]:
            sys.exit(f"{case.name}: the answers differ: {answers}")
    connection.close()
    return statistics.median(seconds[True]), statistics.median(seconds[False])


def _ask(
    connection: http.client.HTTPConnection, url: str, headers: dict[str, str]
) -> tuple[float, object]:
    started = time.perf_counter()
    connection.request("GET", url, headers=headers)
    response = connection.getresponse()
    body = response.read()
    taken = time.perf_counter() - started
    key = url.split("/")[2]
    kept = [
        (name, value.replace(key, "ID"))
        for name, value in response.getheaders()
        if name.lower() != "date"
    ]
    return taken, (response.status, kept, body.replace(key.encode(), b"ID"))


if __name__ == "__main__":
    main()
