"""What the access log costs: the same rendition requests with it off and on, in turn.

    python -m benchmarks.access_log [--requests 1000] [--rounds 5]

Django's own test client, SQLite on disk, a member of the gallery: the whole of Django, no network.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client, override_settings  # noqa: E402

from images_app.conf import LOGGED  # noqa: E402
from images_app.ingest import ingest_image  # noqa: E402
from images_app.models import AccessEntry, Gallery, Grant  # noqa: E402
from images_app.renditions import rendition_url  # noqa: E402
from tests.pictures import upload  # noqa: E402

LOGS = {"off": (), "on": LOGGED}
CONNECTIONS = {"kept (CONN_MAX_AGE = None)": None, "opened for each request": 0}


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    send = prepare()
    for name, age in CONNECTIONS.items():
        connection.settings_dict["CONN_MAX_AGE"] = age
        seconds: dict[str, list[float]] = {log: [] for log in LOGS}
        for number in range(arguments.rounds + 1):
            for log, kinds in LOGS.items():
                taken = measure(send, arguments.requests, kinds)
                if number:  # the first round warms up
                    seconds[log].append(taken)
        off, on = (statistics.median(seconds[log]) for log in LOGS)
        spread = ", ".join(f"{log} {min(s):.2f} to {max(s):.2f}" for log, s in seconds.items())
        line = f"connection {name}: {off:.2f} s, {on:.2f} s, ratio {on / off:.2f} ({spread})"
        sys.stdout.write(line + "\n")


def prepare() -> Callable[[], None]:
    """Make an image and a member, and answer with one request of theirs."""
    call_command("migrate", verbosity=0)
    gallery = Gallery.objects.create(title="Holidays")
    image = ingest_image(upload(size=(640, 480)), gallery=gallery)
    member = get_user_model().objects.create_user("member")
    Grant.objects.create(gallery=gallery, user=member, level=20)
    client, url = Client(headers={"host": "localhost"}), rendition_url(image, "thumb")
    client.force_login(member)

    def send() -> None:
        response = client.get(url)
        if response.status_code != 200:  # noqa: PLR2004
            raise SystemExit(response.status_code)
        response.close()

    return send


def measure(send: Callable[[], None], number: int, kinds: tuple[str, ...]) -> float:
    """Answer with the seconds that so many requests take."""
    AccessEntry.objects.all().delete()
    with override_settings(IMAGES_APP={"ACCESS_LOG": kinds}):
        send()
        start = time.perf_counter()
        for _ in range(number):
            send()
        taken = time.perf_counter() - start
    written = AccessEntry.objects.count()
    if written != (number + 1 if kinds else 0):
        message = f"{written} entries were written"
        raise SystemExit(message)
    return taken


if __name__ == "__main__":
    main()
