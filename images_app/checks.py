"""System checks: what would make private images public is an error before the first request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, InvalidStorageError, storages

from images_app.access import Level
from images_app.conf import (
    ORIGINALS,
    RENDITIONS,
    get_delivery,
    get_engine,
    get_policy,
    get_settings,
    get_signer,
)
from images_app.delivery import HandingOver, has_local_paths
from images_app.meanings import meanings
from images_app.models import get_image_model

_BYTES_PER_PIXEL = 20  # what the dearest decoder takes, and the sizes made from it
_BYTES_PER_MARKED_PIXEL = 32  # and a copy to draw a watermark on

STORAGES_TO_PASTE = """\
from images_app.storages import private_storages

STORAGES = private_storages(BASE_DIR / "private")  # or private_storages(folder, STORAGES)"""


def register_all() -> None:
    """Register every check of this module."""
    for check in (
        check_settings,
        check_values,
        check_storages,
        check_image_model,
        check_middleware,
        check_delivery,
    ):
        register(check, Tags.security if check is check_storages else "images_app")


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


def check_storages(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """E001, E003, E005 to E007: storages missing, unusable, public, shared, or nowhere certain."""
    missing = [alias for alias in (ORIGINALS, RENDITIONS) if alias not in settings.STORAGES]
    if missing:
        return [
            Error(
                f"STORAGES lacks {' and '.join(map(repr, missing))}; "
                f"Django's default storage is public, so it is not used for images.",
                hint=f"Paste into your settings, and choose the folder:\n{STORAGES_TO_PASTE}",
                id="images_app.E001",
            )
        ]
    return [
        *(message for alias in (ORIGINALS, RENDITIONS) for message in _check_storage(alias)),
        *_check_apart(),
    ]


def _check_storage(alias: str) -> Iterator[CheckMessage]:
    try:
        storage = storages[alias]
    except (InvalidStorageError, ImproperlyConfigured, KeyError, TypeError) as error:
        yield Error(f"STORAGES[{alias!r}] cannot be used: {error}", id="images_app.E003")
        return
    if not has_local_paths(storage):
        return
    given = settings.STORAGES[alias].get("OPTIONS", {}).get("location", "/")
    if not Path(given).is_absolute():
        yield Error(
            f"STORAGES[{alias!r}] is in {str(given)!r}, which means another folder wherever the "
            f"process is started.",
            hint="Give an absolute folder, such as BASE_DIR / 'private'.",
            id="images_app.E007",
        )
    for name, folder in _public_folders():
        if _overlap(Path(storage.path("")), folder):
            yield Error(
                f"STORAGES[{alias!r}] keeps private images in {name}, which is served to anyone.",
                hint="Move OPTIONS['location'] out of it.",
                id="images_app.E005",
            )
    if type(storage).url is FileSystemStorage.url and _has_public_url(storage):
        yield Warning(
            f"STORAGES[{alias!r}] gives its files URLs without any check.",
            hint="Use images_app.storages.PrivateFileSystemStorage.",
            id="images_app.W001",
        )


def _check_apart() -> Iterator[CheckMessage]:
    """Originals and renditions in one folder: housekeeping of the one would meet the other."""
    folders = [
        Path(folder).resolve()
        for alias in (ORIGINALS, RENDITIONS)
        if (folder := settings.STORAGES[alias].get("OPTIONS", {}).get("location"))
    ]
    if len(folders) > 1 and (_overlap(*folders) or _overlap(*reversed(folders))):
        yield Error(
            f"STORAGES[{ORIGINALS!r}] and STORAGES[{RENDITIONS!r}] share a folder.",
            hint="Give each a folder of its own.",
            id="images_app.E006",
        )


def check_delivery(app_configs: Any, **_: Any) -> Iterator[CheckMessage]:
    """W005: a delivery is to hand over what it cannot, so that Django streams it."""
    if check_settings(None) or any(message.is_serious() for message in check_storages(None)):
        return
    delivery = get_delivery()
    if not isinstance(delivery, HandingOver):
        return
    for alias in (ORIGINALS, RENDITIONS):
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


def _has_public_url(storage: Any) -> bool:
    try:
        storage.url("probe")
    except ValueError:
        return False
    return True


def _public_folders() -> Iterator[tuple[str, Path]]:
    """Yield what Django's staticfiles, WhiteNoise or a web server hands out without asking."""
    for name in ("MEDIA_ROOT", "STATIC_ROOT", "WHITENOISE_ROOT"):
        folder = getattr(settings, name, None)
        if folder:
            yield name, Path(folder)
    for entry in getattr(settings, "STATICFILES_DIRS", ()):
        yield "STATICFILES_DIRS", Path(entry[1] if isinstance(entry, (list, tuple)) else entry)
    for app in apps.get_app_configs():
        yield f"the static files of {app.label}", Path(app.path) / "static"
    for alias, given in settings.STORAGES.items():
        folder = given.get("OPTIONS", {}).get("location")
        if folder and alias not in {ORIGINALS, RENDITIONS} and "base_url" in given["OPTIONS"]:
            yield f"STORAGES[{alias!r}]", Path(folder)


def _overlap(private: Path, public: Path) -> bool:
    """Tell whether the private folder lies in the public one, links followed."""
    return private.resolve().is_relative_to(public.resolve())


def check_image_model(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """E004: IMAGES_APP_IMAGE_MODEL names no image model."""
    try:
        get_image_model()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="images_app.E004")]
    return []
