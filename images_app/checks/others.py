"""Checks of settings, middleware, delivery and the image model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve
from django.utils.module_loading import import_string

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
from images_app.sharing import shows_links

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


def check_sessions(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """W010: share links need sessions, and there are none."""
    if check_settings(None) or not shows_links() or any(map(_is_of_sessions, settings.MIDDLEWARE)):
        return []
    return [
        Warning(
            "There are no sessions, so share links are neither offered nor opened.",
            hint="Add 'django.contrib.sessions.middleware.SessionMiddleware' to MIDDLEWARE, or "
            "silence this where nobody is to share by links.",
            id="images_app.W010",
        )
    ]


def _is_of_sessions(path: str) -> bool:
    """Return whether a middleware gives requests a session, as far as its class tells."""
    if path.endswith("SessionMiddleware"):
        return True
    try:
        middleware = import_string(path)
    except ImportError:  # which Django tells
        return False
    return isinstance(middleware, type) and issubclass(middleware, SessionMiddleware)


def check_login(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """W011: who has to log in is sent to an address that leads nowhere."""
    if not hasattr(settings, "ROOT_URLCONF"):
        return []  # a worker's project, which serves nothing
    try:
        url = resolve_url(settings.LOGIN_URL)
        if url.startswith("/") and not url.startswith("//"):
            resolve(urlsplit(url).path.removeprefix((get_script_prefix() or "/")[:-1]))
    except (NoReverseMatch, Resolver404):
        pass
    else:
        return []
    return [
        Warning(
            f"LOGIN_URL is {str(settings.LOGIN_URL)!r}, where nothing is: visitors who need to log "
            f"in end at a page that is missing.",
            hint="Add a login page to the URLs, as README does, or set LOGIN_URL.",
            id="images_app.W011",
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
