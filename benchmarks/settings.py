"""One Django project with every library that makes sizes, each as its documentation sets it up."""

from __future__ import annotations

import os
from pathlib import Path

from images_app.storages import private_storages

FOLDER = Path(os.environ["BENCH_FOLDER"])
# One number per format, the same for all: it is speed that is compared.
QUALITIES = {
    name: {"jpeg": 82, "webp": 82, "avif": 65}[name]
    for name in os.environ["BENCH_FORMATS"].split(",")
}

SECRET_KEY = "for measuring only"  # noqa: S105
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "db.sqlite3",
        # Our leases are kept alive by threads of their own: they queue instead of failing.
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 30},
    }
}
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
WAGTAILIMAGES_JPEG_QUALITY = QUALITIES.get("jpeg")
WAGTAILIMAGES_WEBP_QUALITY = QUALITIES.get("webp")
WAGTAILIMAGES_AVIF_QUALITY = QUALITIES.get("avif")
THUMBNAIL_PROCESSORS = (
    "easy_thumbnails.processors.colorspace",
    "easy_thumbnails.processors.scale_and_crop",
)
THUMBNAIL_PRESERVE_EXTENSIONS = ()
