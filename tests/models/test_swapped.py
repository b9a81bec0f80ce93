"""A host's own image model, and a host without one: whole projects, each in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SETTINGS = """
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent
SECRET_KEY = "for tests only, and long enough to be accepted"
ALLOWED_HOSTS = ["testserver"]
DEBUG = False
INSTALLED_APPS = [
    "host",
    "images_app",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = True
STATIC_URL = "static/"
LOGIN_URL = "admin:login"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "images": {
        "BACKEND": "images_app.storages.PrivateFileSystemStorage",
        "OPTIONS": {"location": BASE_DIR / "private" / "images"},
    },
    "image_renditions": {
        "BACKEND": "images_app.storages.PrivateFileSystemStorage",
        "OPTIONS": {"location": BASE_DIR / "private" / "renditions", "allow_overwrite": True},
    },
}
"""
URLS = """
from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("", include("images_app.urls"))]
"""
OWN_MODEL = """
from django.db import models
from images_app.models import AbstractImage


class Photo(AbstractImage):
    licence = models.CharField(max_length=40, default="all rights reserved")

    class Meta(AbstractImage.Meta):
        pass
"""
OWN_ADMIN = """
from django.contrib import admin
from images_app.admin import ImageAdmin
from host.models import Photo

admin.site.register(Photo, ImageAdmin)
"""
POINTING_MODEL = """
from django.db import models


class Article(models.Model):
    image = models.ForeignKey("images_app.Image", null=True, on_delete=models.SET_NULL)
"""
POINTING_BY_SETTING = """
from django.conf import settings
from django.db import models


class Article(models.Model):
    image = models.ForeignKey(
        settings.IMAGES_APP_IMAGE_MODEL, null=True, on_delete=models.SET_NULL
    )
"""
HOST_LAST = "INSTALLED_APPS.append(INSTALLED_APPS.pop(0))\n"
BY_CONFIG = 'INSTALLED_APPS[1] = "images_app.apps.ImagesAppConfig"\n'
# What the host's people do all day: add, look, change the focal point, share, delete.
USE_OF_OWN_MODEL = """
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse
from host.models import Photo
from images_app import get_image_model, ingest_image, rendition_url
from images_app.models import Gallery, Grant, Rendition
from tests.pictures import body, opened, upload

assert get_image_model() is Photo
tables = connection.introspection.table_names()
assert "host_photo" in tables and "images_app_image" not in tables, tables

owner = User.objects.create_user("owner", password="secret")
friend = User.objects.create_user("friend", password="secret")
admin = User.objects.create_superuser("admin", password="secret")
gallery = Gallery.objects.create(title="Holidays", owner=owner)
photo = ingest_image(upload("cat.jpg"), owner=owner, gallery=gallery, licence="CC0")
assert type(photo) is Photo and Photo.objects.get().licence == "CC0"

client = Client()
thumb = rendition_url(photo, "thumb")
assert client.get(thumb).status_code == 404
client.force_login(friend)
assert client.get(gallery.get_absolute_url()).status_code == 404
Grant.objects.create(gallery=gallery, user=friend, level=20)
response = client.get(thumb)
assert response.status_code == 200 and opened(body(response)).size == (48, 48)
response = client.get(gallery.get_absolute_url())
assert response.status_code == 200 and rendition_url(photo, "ladder") in response.content.decode()
assert client.get(photo.get_absolute_url()).status_code == 200
assert client.get(photo.original_url).status_code == 404

client.force_login(admin)
for name, args in (
    ("admin:host_photo_changelist", []),
    ("admin:host_photo_add", []),
    ("admin:host_photo_change", [photo.pk]),
    ("admin:images_app_gallery_change", [gallery.pk]),
    ("admin:images_app_galleryitem_changelist", []),
):
    response = client.get(reverse(name, args=args))
    assert response.status_code == 200, (name, response.status_code)
    if name == "admin:host_photo_changelist":
        assert thumb in response.content.decode()
response = client.post(reverse("admin:host_photo_add"), {"images": [upload("dog.jpg")]})
assert response.status_code == 302, response.content
assert Photo.objects.count() == 2

photo.focal_x = 0.2
photo.save()
assert client.get(thumb).status_code == 404
response = client.get(rendition_url(photo, "thumb"))
assert response.status_code == 200
response.close()

Photo.objects.all().delete()
assert not Rendition.objects.exists()
from django.conf import settings
private = settings.BASE_DIR / "private"
left = [path for path in private.glob("*/[!.]*/**/*") if path.is_file()]  # but for the marks
assert left == [], left
print("all well")
"""
USE_OF_POINTER = """
from host.models import Article
from images_app import get_image_model, ingest_image
from images_app.models import Image
from tests.pictures import upload

assert get_image_model() is Image
article = Article.objects.create(image=ingest_image(upload("cat.jpg")))
assert Article.objects.get(image__title="cat") == article
print("all well")
"""


@pytest.fixture
def run(tmp_path):
    """Run Python in the project's folder, with warnings as errors; answer with what it says."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("DJANGO_", "IMAGES_", "COV_"))},
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    def run(*arguments: str, is_fine: bool = True) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode == 0) is is_fine, done.stdout + done.stderr
        return done.stdout if is_fine else done.stderr

    return run


def make_project(folder: Path, *, settings: str = "", models: str, admin: str = "") -> None:
    files = {
        "settings.py": SETTINGS + settings,
        "urls.py": URLS,
        "host/__init__.py": "",
        "host/models.py": models,
        "host/admin.py": admin,
        "host/migrations/__init__.py": "",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def story(text: str) -> list[str]:
    return ["-c", f"import django\ndjango.setup()\n{text}"]


def test_swapped__a_host_lives_with_its_own_model(tmp_path, run):
    make_project(
        tmp_path,
        settings='IMAGES_APP_IMAGE_MODEL = "host.Photo"\n',
        models=OWN_MODEL,
        admin=OWN_ADMIN,
    )
    run("-m", "django", "makemigrations", "host")
    run("-m", "django", "makemigrations", "--check", "--dry-run")
    run("-m", "django", "migrate", "--verbosity", "0")
    assert "no issues" in run("-m", "django", "check", "--fail-level", "WARNING")
    assert run(*story(USE_OF_OWN_MODEL)).endswith("all well\n")
    run("-m", "django", "migrate", "--verbosity", "0", "images_app", "zero")


@pytest.mark.parametrize("more", ["", HOST_LAST, BY_CONFIG])
@pytest.mark.parametrize("models", [POINTING_MODEL, POINTING_BY_SETTING])
def test_not_swapped__a_host_points_at_our_model(tmp_path, run, models, more):
    """Without the setting: Django knows no default for a swappable name by itself."""
    make_project(tmp_path, models=models, settings=more)
    run("-m", "django", "makemigrations", "host")
    migration = (tmp_path / "host/migrations/0001_initial.py").read_text()
    assert "IMAGES_APP_IMAGE_MODEL" in migration
    run("-m", "django", "makemigrations", "--check", "--dry-run")
    run("-m", "django", "migrate", "--verbosity", "0")
    run("-m", "django", "check", "--fail-level", "WARNING")
    assert run(*story(USE_OF_POINTER)).endswith("all well\n")


def test_swapped__a_name_that_is_no_model_is_named(tmp_path, run):
    make_project(tmp_path, settings='IMAGES_APP_IMAGE_MODEL = "host.Nothing"\n', models=OWN_MODEL)
    errors = run("-m", "django", "check", is_fine=False)
    assert "host.Nothing" in errors.splitlines()[-1]
