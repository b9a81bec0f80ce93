"""One Django project with every library that makes sizes, each as its documentation sets it up."""

from __future__ import annotations

import os
from pathlib import Path

from images_app.storages import private_storages

FOLDER = Path(os.environ["BENCH_FOLDER"])
QUALITY = int(os.environ.get("BENCH_QUALITY", "82"))
FORMAT = os.environ.get("BENCH_FORMAT", "JPEG")

SECRET_KEY = "for measuring only"  # noqa: S105
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
MEDIA_ROOT = FOLDER / "media"
STATIC_URL = "static/"
STORAGES = private_storages(FOLDER / "private")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "images_app",
    "easy_thumbnails",
    "sorl.thumbnail",
    "imagekit",
    "wagtail.users",
    "wagtail.sites",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.admin",
    "wagtail",
    "modelcluster",
    "taggit",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
ROOT_URLCONF = "benchmarks.urls"
WAGTAIL_SITE_NAME = "Benchmark"
WAGTAILADMIN_BASE_URL = "http://localhost"
WAGTAILIMAGES_JPEG_QUALITY = WAGTAILIMAGES_WEBP_QUALITY = QUALITY
THUMBNAIL_QUALITY = QUALITY  # easy-thumbnails and sorl both read this name
THUMBNAIL_PROCESSORS = (
    "easy_thumbnails.processors.colorspace",
    "easy_thumbnails.processors.scale_and_crop",
)
THUMBNAIL_PRESERVE_EXTENSIONS = ()
THUMBNAIL_EXTENSION = FORMAT.lower().replace("jpeg", "jpg")
THUMBNAIL_FORMAT = FORMAT
