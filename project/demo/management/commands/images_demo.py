"""``images_demo``: users, galleries and pictures to look at, and a server to look at them with."""

from __future__ import annotations

import io
import os
import secrets
import socket
import sys
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.files import File
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from images_app.access import Level
from images_app.ingest import ingest_image
from images_app.management.progress import Progress
from images_app.models import Gallery, Grant
from project.demo.pictures import landscape

# title, visibility, owner, numbers of the pictures, whether viewer is a member
GALLERIES = (
    ("Mountains at dawn", "private", "editor", range(9), True),
    ("Valleys and rivers", "members", "editor", range(9, 16), False),
    ("Postcards", "public", "editor", range(16, 21), False),
    ("Not for viewer", "private", "editor", range(21, 25), False),
)
PHOTOGRAPHS = "Photographs"


class Command(BaseCommand):
    """See the module."""

    help = (
        "Fill an empty database with a demo and serve it. Run twice, it changes nothing that is "
        "there, but for passwords that IMAGES_DEMO_PASSWORD sets."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--no-serve", action="store_true", help="do all but serve")
        parser.add_argument("--photos", type=Path, help="a folder of photographs to bring in")
        parser.add_argument(
            "--port", type=_port, default=os.environ.get("PORT") or "8000", help="8000"
        )

    def handle(
        self, *, no_serve: bool, photos: Path | None, port: int, verbosity: int, **options: Any
    ) -> None:
        """Run."""
        if photos is not None and not photos.is_dir():
            message = f"{photos} is not a folder."
            raise CommandError(message)
        if not no_serve:
            _check_port(port)
        call_command("migrate", verbosity=0)
        passwords = {name: _make_user(name) for name in ("viewer", "editor", "admin")}
        self._make_galleries()
        if photos is not None:
            self._import(photos)
        self._print_logins(passwords)
        if no_serve:
            return
        call_command("collectstatic", interactive=False, verbosity=0)
        self.stdout.write(f"\n  http://127.0.0.1:{port}/        (stop with Ctrl-C)\n\n")
        self.stdout.flush()
        _serve(port)

    def _make_galleries(self) -> None:
        missing = [row for row in GALLERIES if not Gallery.objects.filter(title=row[0]).exists()]
        progress = Progress(sys.stderr, sum(len(row[3]) for row in missing))
        users = get_user_model()._default_manager
        for title, visibility, owner, numbers, has_viewer in missing:
            gallery = Gallery(title=title, visibility=visibility)
            gallery.owner = users.get_by_natural_key(owner)
            gallery.save()
            for number in numbers:
                file = File(io.BytesIO(landscape(number)), name=f"landscape {number + 1}.jpg")
                alt_text = "Ridges of hills, one behind the other, under a low sun"
                ingest_image(file, owner=gallery.owner, gallery=gallery, alt_text=alt_text)
                progress.step(title)
            if has_viewer:
                _add_member(gallery)
        progress.clear()

    def _import(self, photos: Path) -> None:
        try:
            call_command("images_import", photos, gallery=PHOTOGRAPHS, owner="editor")
        except SystemExit:
            self.stderr.write("Some photographs could not be imported; the demo has the others.")
        _add_member(Gallery.objects.filter(title=PHOTOGRAPHS).earliest("id"))

    def _print_logins(self, passwords: dict[str, str | None]) -> None:
        self.stdout.write("\nLogins:")
        for name, password in passwords.items():
            shown = (
                password
                or "(as printed when it was made; to set it anew: IMAGES_DEMO_PASSWORD=...)"
            )
            self.stdout.write(f"  {name:8} {shown}")


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:  # noqa: PLR2004 (the last port)
        message = f"{text!r} is no port; choose a number from 1 to 65535."
        raise ArgumentTypeError(message)
    return int(text)


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            message = (
                f"Port {port} cannot be used ({error.strerror}). Try make demo PORT={port + 1}"
            )
            raise CommandError(message) from error


def _make_user(name: str) -> str | None:
    """Make a user and answer with the password, None where it is not ours to tell."""
    users = get_user_model()
    user = users._default_manager.filter(username=name).first()
    given = os.environ.get("IMAGES_DEMO_PASSWORD")
    if user is not None and not given:
        return None
    password = given or secrets.token_urlsafe(9)
    user = user or users(username=name)
    user.is_staff = name != "viewer"
    user.is_superuser = name == "admin"
    user.set_password(password)
    user.save()
    if name == "editor":
        app_permissions = Permission.objects.filter(content_type__app_label="images_app")
        names = ["view_user", "view_group"]  # to find people whom to give a grant
        user.user_permissions.set(app_permissions | Permission.objects.filter(codename__in=names))
    return password


def _add_member(gallery: Gallery) -> None:
    viewer = get_user_model()._default_manager.get_by_natural_key("viewer")
    Grant.objects.get_or_create(
        gallery=gallery, user_id=viewer.pk, level=Level.VIEW.value, right=None
    )


def _serve(port: int) -> None:
    """Become a gunicorn with a few threads: a real server, on this machine only."""
    os.chdir(settings.BASE_DIR)
    command = [
        sys.executable,
        *("-m", "gunicorn", "project.wsgi:application"),
        *("--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "8"),
        *("--log-level", "warning"),
    ]
    os.execv(sys.executable, command)  # noqa: S606 (our own interpreter)
