"""Checks of settings, middleware, delivery and the image model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages

from images_app.access import Level
from images_app.checks.storages import check_storages, private_aliases
from images_app.conf import (
    get_delivery,
    get_engine,
    get_policy,
    get_settings,
    get_signer,
)
from images_app.delivery import HandingOver
from images_app.meanings import meanings
from images_app.models import get_image_model

_BYTES_PER_PIXEL = 20  # what the dearest decoder takes, and the sizes made from it
_BYTES_PER_MARKED_PIXEL = 32  # and a copy to draw a watermark on


def check_settings(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """E002, E008: IMAGES_APP holds something that cannot be used, or nothing can decode."""
    readers: tuple[Callable[[], object], ...] = (
        get_settings,
        get_policy,
        get_engine,
        get_delivery,
        get_signer,
        meanings,
    )
    for read in readers:
        try:
            read()
        except ImproperlyConfigured as error:
            return [Error(str(error), id="images_app.E002")]
    unreadable = sorted(set(get_settings().formats) - get_engine().input_formats)
    if not unreadable:
        return []
    return [
        Error(
            f"IMAGES_APP['FORMATS'] has {', '.join(unreadable)}, which nothing here can read.",
            hint="Install images-app[heif] for heic, or leave it out.",
            id="images_app.E008",
        )
    ]


def check_values(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """W003, W004: settings that work, but not together."""
    if check_settings(None):
        return []
    settings, found = get_settings(), []
    memory = getattr(get_engine(), "memory_bytes", None)
    each = _BYTES_PER_MARKED_PIXEL if settings.watermarks else _BYTES_PER_PIXEL
    if memory is not None and memory < each * settings.max_pixels:
        found.append(
            Warning(
                "The engine's memory is too small for images of IMAGES_APP['MAX_PIXELS'].",
                hint=f"Give memory_bytes {each * settings.max_pixels} or more.",
                id="images_app.W003",
            )
        )
    if settings.presets[settings.thumbnail_preset].level is not Level.PREVIEW:
        found.append(
            Warning(
                "The preset of IMAGES_APP['THUMBNAIL_PRESET'] is not for the level 'preview': who "
                "may only preview an image sees nothing of it.",
                id="images_app.W004",
            )
        )
    return found


def check_delivery(app_configs: Any, **_: Any) -> Iterator[CheckMessage]:
    """W005: a delivery is to hand over what it cannot, so that Django streams it."""
    if check_settings(None) or any(message.is_serious() for message in check_storages(None)):
        return
    delivery = get_delivery()
    if not isinstance(delivery, HandingOver):
        return
    for alias in private_aliases():
        complaint = delivery.complaint_about(storages[alias])
        if complaint:
            yield Warning(
                f"IMAGES_APP['DELIVERY'] hands nothing of STORAGES[{alias!r}] over: {complaint}. "
                f"Django sends these files itself.",
                hint="Choose a delivery and storages that go together: docs/how-to/delivery.md.",
                id="images_app.W005",
            )


def check_middleware(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """W002: something rewrites bodies whose ranges are promised."""
    if "django.middleware.gzip.GZipMiddleware" not in settings.MIDDLEWARE:
        return []
    return [
        Warning(
            "GZipMiddleware compresses parts of images (206), which no client can put together.",
            hint="Compress in the web server, for text only.",
            id="images_app.W002",
        )
    ]


def check_image_model(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """E004: IMAGES_APP_IMAGE_MODEL names no image model."""
    try:
        get_image_model()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="images_app.E004")]
    return []


def check_sqlite(app_configs: Any, **_: Any) -> Iterator[CheckMessage]:
    """W006: writers of SQLite fail where they could wait; the uploader sends three at a time."""
    databases: Any = settings.DATABASES
    for alias, given in databases.items():
        mode = given.get("OPTIONS", {}).get("transaction_mode")
        if given.get("ENGINE", "").endswith(".sqlite3") and mode not in {"IMMEDIATE", "EXCLUSIVE"}:
            yield Warning(
                f"DATABASES[{alias!r}] is SQLite, and two who write at once fail there.",
                hint="Set OPTIONS['transaction_mode'] to 'IMMEDIATE': see the README.",
                id="images_app.W006",
            )
