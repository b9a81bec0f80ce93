"""System checks: what would make private images public is an error before the first request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, InvalidStorageError, storages
from django.db import DatabaseError, router

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

# The OPTIONS that say which bucket it is.
_PLACES = (
    *("bucket_name", "endpoint_url"),
    *("azure_container", "account_name", "connection_string"),
)
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
    # With --deploy only: it reads every record, and later Djangos ask the database on each command.
    register(check_recorded_storages, Tags.database, deploy=True)


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
    missing = [alias for alias in (_for_originals(), RENDITIONS) if alias not in settings.STORAGES]
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
        *(message for alias in private_aliases() for message in _check_storage(alias)),
        *_check_apart(private_aliases()),
    ]


def check_recorded_storages(
    app_configs: Any, *, databases: Sequence[str] | None = None, **_: Any
) -> Sequence[CheckMessage]:
    """E009: records name a storage that is not set any more; for ``check --deploy --database``."""
    model = get_image_model()
    alias = router.db_for_read(model)
    if alias not in (databases or ()):
        return []
    try:
        rows = model._base_manager.using(alias).exclude(storage_alias__in=settings.STORAGES)
        lost = sorted(set(rows.order_by().values_list("storage_alias", flat=True).distinct()))
    except (DatabaseError, ImproperlyConfigured):  # before the first migrate
        return []
    return [
        Error(
            f"Originals are in STORAGES[{each!r}], which is not set.",
            hint="Set it again until `images_move` has moved them.",
            id="images_app.E009",
        )
        for each in lost
    ]


def private_aliases() -> list[str]:
    """Name the storages that originals and renditions use, or may have used before."""
    ours = [
        alias
        for alias, given in settings.STORAGES.items()
        if str(given.get("BACKEND", "")).startswith("images_app.")
    ]
    used = [_for_originals(), ORIGINALS, RENDITIONS, *ours]
    return [alias for alias in dict.fromkeys(used) if alias in settings.STORAGES]


def complaints_about(alias: str) -> list[str]:
    """Say why a storage should keep no originals; nothing where it may."""
    aliases = [alias, *(each for each in private_aliases() if each != alias)]
    apart = (message for message in _check_apart(aliases) if repr(alias) in message.msg)
    return [message.msg for message in (*_check_storage(alias), *apart)]


def _for_originals() -> str:
    try:
        return get_settings().storage
    except ImproperlyConfigured:  # which check_settings tells
        return ORIGINALS


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


def _check_apart(aliases: Sequence[str]) -> Iterator[CheckMessage]:
    """Two storages in one place: housekeeping of the one would meet the files of the other."""
    for one, other in combinations(aliases, 2):
        if not _is_apart(_place(one), _place(other)):
            yield Error(
                f"STORAGES[{one!r}] and STORAGES[{other!r}] share a folder.",
                hint="Give each a folder (OPTIONS['location']) of its own.",
                id="images_app.E006",
            )


def _place(alias: str) -> tuple[tuple[str, ...], Path] | None:
    """Answer with the disk, bucket or table that a storage is in, and its folder there."""
    try:
        storage = storages[alias]
    except Exception:  # noqa: BLE001 (which _check_storage tells)
        return None
    given = settings.STORAGES[alias]
    options, backend = given.get("OPTIONS", {}), str(given.get("BACKEND", ""))
    location = options.get("location")
    if has_local_paths(storage):
        return (("disk",), Path(location).resolve()) if location else None
    if not backend.startswith("images_app."):
        return None
    where = tuple(str(options[key]) for key in _PLACES if options.get(key))
    return (backend, *where), Path("/") / str(location or "").strip("/")


def _is_apart(
    one: tuple[tuple[str, ...], Path] | None, other: tuple[tuple[str, ...], Path] | None
) -> bool:
    if one is None or other is None or one[0] != other[0]:
        return True
    return not (one[1].is_relative_to(other[1]) or other[1].is_relative_to(one[1]))


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
        if folder and alias not in private_aliases() and "base_url" in given["OPTIONS"]:
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
