"""The wheel, in an empty project, by the lines that README gives."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent
TRY_IT = """
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from images_app import ingest_image
from images_app.models import Gallery
from io import BytesIO
from PIL import Image
import images_app, re

print("from", images_app.__file__)
target = BytesIO()
Image.new("RGB", (900, 600), "teal").save(target, "JPEG")
owner = get_user_model().objects.create_user("owner")
gallery = Gallery.objects.create(title="First", owner=owner)
image = ingest_image(SimpleUploadedFile("a.jpg", target.getvalue()), owner=owner, gallery=gallery)
client, stranger = (Client(headers={"host": "localhost"}) for _ in range(2))
client.force_login(owner)
page = client.get(gallery.get_absolute_url())
print("page", page.status_code)
text = page.content.decode()
urls = sorted(set(re.findall(r"/[^\\s\\",]*renditions/[^\\s\\",]+", text)))
print("renditions", len(urls), {client.get(url).status_code for url in urls})
print("stranger", {stranger.get(url).status_code for url in urls})
style = re.search(r'href="([^"]+images_app[^"]+css)"', text).group(1)
from django.contrib.staticfiles import finders
print("style", bool(finders.find(style.split("static/")[-1])))

sent = stranger.get(gallery.get_absolute_url(), follow=True)
print("login", sent.status_code, sent.redirect_chain[-1][0].partition("?")[0])
get_user_model().objects.create_user("visitor", password="secret")
form = {"username": "visitor", "password": "secret", "next": "/gallery/"}
print("wrong", stranger.post("/accounts/login/", {**form, "password": "no"}).status_code)
print("in", stranger.post("/accounts/login/", form, follow=True).redirect_chain)
without_next = {name: form[name] for name in ("username", "password")}
print("home", stranger.post("/accounts/login/", without_next)["Location"])

from django import forms
from django.conf import settings

class AddForm(forms.Form):
    file = forms.FileField()

class request:
    user = owner
    FILES = {"file": SimpleUploadedFile("a.jpg", b"only text")}

form = AddForm({}, request.FILES)
exec(INGEST, {"request": request, "form": form, "gallery": gallery})
print("refused", form.errors["file"])
request.FILES = {"file": SimpleUploadedFile("b.jpg", target.getvalue())}
names = {"request": request, "form": form, "gallery": gallery}
exec(INGEST, names)
print("taken", names["image"].title)
print("storages", sorted(settings.STORAGES))
"""

OWN_STORAGES = """
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "archive": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_wheel__carries_everything_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for part in (
        "images_app/py.typed",
        "images_app/templates/images_app/gallery.html",
        "images_app/templates/admin/images_app/add_images.html",
        "images_app/static/images_app/images_app.css",
        "images_app/migrations/0001_initial.py",
        "images_app/locale/de/LC_MESSAGES/django.mo",
        "images_app/management/commands/images_import.py",
    ):
        assert part in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"images_app"}


def test_wheel__requires_django_and_pillow_only(wheel):
    metadata = next(
        zipfile.ZipFile(wheel).read(name).decode()
        for name in zipfile.ZipFile(wheel).namelist()
        if name.endswith("METADATA")
    )
    required = re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra)", metadata, re.MULTILINE)
    assert sorted(name.lower() for name in required) == ["django", "pillow"]


def readme_lines() -> tuple[str, str, str]:
    """README's lines for the settings and for the URLs, and those that let a file in."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    settings = next(block for block in blocks if "INSTALLED_APPS" in block)
    urls = next(block for block in blocks if "urlpatterns" in block)
    ingest = next(block for block in blocks if "ingest_image(" in block)
    assert len([line for line in (settings + urls).splitlines() if line]) == 10
    return settings, urls, ingest


@pytest.mark.parametrize("has_storages", [False, True])
def test_wheel__serves_a_gallery_in_an_empty_project(wheel, tmp_path, has_storages):
    """Installed as wheel into a fresh project; Django and Pillow come from this environment."""
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site, wheel],
        check=True,
        capture_output=True,
    )
    project = tmp_path / "shop"
    project.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DJANGO")}
    environment |= {"PYTHONPATH": str(site)}
    environment.pop("IMAGES_VAR_DIR", None)

    def run(*command: str, **kwargs) -> str:
        result = subprocess.run(
            [sys.executable, *command],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            **kwargs,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    run("-m", "django", "startproject", "shop", ".")
    settings, urls, ingest = readme_lines()
    with (project / "shop/settings.py").open("a") as file:
        if has_storages:
            file.write(OWN_STORAGES)
        file.write("\n" + settings)
    with (project / "shop/urls.py").open("a") as file:
        file.write("\n" + urls)
    assert "no issues" in run("-W", "error", "manage.py", "check")
    run("manage.py", "migrate", "-v0")
    said = run("manage.py", "shell", input=f"INGEST = {ingest!r}\n{TRY_IT}")
    assert f"from {site}" in said
    assert "page 200" in said
    assert re.search(r"renditions \d+ \{200\}", said), said
    assert "stranger {404}" in said
    assert "style True" in said
    assert "login 200 /accounts/login/" in said
    assert "wrong 200" in said
    assert "in [('/gallery/', 302)]" in said
    assert "home /gallery/" in said
    assert re.search(r"refused .*This is not an image", said), said
    assert "taken b" in said
    own = "'archive', " if has_storages else ""
    assert f"storages [{own}'default', 'image_renditions', 'images', 'staticfiles']" in said
