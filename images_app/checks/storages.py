"""Checks of storages: what would make private images public is an error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, InvalidStorageError, storages
from django.db import DatabaseError, router

from images_app.conf import (
    ORIGINALS,
    RENDITIONS,
    get_settings,
)
from images_app.delivery import has_local_paths
from images_app.models import get_image_model

# The OPTIONS that say which bucket it is.
_PLACES = (
    *("bucket_name", "endpoint_url"),
    *("azure_container", "account_name", "connection_string"),
)

STORAGES_TO_PASTE = """\
from images_app.storages import private_storages

STORAGES = private_storages(BASE_DIR / "private")  # below your own STORAGES, which it keeps"""


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
    alias = router.db_for_write(model)
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
