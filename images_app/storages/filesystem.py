"""PrivateFileSystemStorage: files that appear whole or not at all, readable by their owner only."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from django.conf import global_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files import File
from django.core.files.storage import FileSystemStorage
from django.utils.deconstruct import deconstructible

PARTIAL_PREFIX = ".partial-"
_PATH = "images_app.storages.PrivateFileSystemStorage"
_ATTEMPTS = 5  # another process may remove an empty folder under our feet


def private_storages(
    folder: str | os.PathLike[str],
    storages: Mapping[str, Any] | None = None,
    *,
    group_readable: bool = False,
) -> dict[str, Any]:
    """Return a STORAGES setting that keeps images below a folder; for use in settings.

    Args:
        folder: outside of everything that is served; made when first needed.
        storages: your own aliases. By default those of ``STORAGES`` in the module that calls,
            so that ``STORAGES = private_storages(...)`` keeps them; else Django's.
        group_readable: whether the folder's group may read, for a web server that sends files.

    """
    own = _storages_of_caller() if storages is None else storages
    folder = Path(folder)
    originals = {"location": folder / "images", "group_readable": group_readable}
    renditions = {
        "location": folder / "renditions",
        "group_readable": group_readable,
        "allow_overwrite": True,
    }
    return {
        **own,
        "images": {"BACKEND": _PATH, "OPTIONS": originals},
        "image_renditions": {"BACKEND": _PATH, "OPTIONS": renditions},
    }


def private_storages_in(
    backend: str,
    options: Mapping[str, Any] | None = None,
    storages: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a STORAGES setting that keeps images in a bucket or a table; for use in settings.

    Args:
        backend: the dotted path of a storage that takes ``location`` and ``allow_overwrite``.
        options: of the storage, such as the bucket. Below its ``location``, originals and
            renditions have places of their own.
        storages: see ``private_storages``.

    """
    own = _storages_of_caller() if storages is None else storages
    given = dict(options or {})
    below = str(given.pop("location", "")).strip("/")
    originals, renditions = (f"{below}/{name}".lstrip("/") for name in ("originals", "renditions"))
    return {
        **own,
        "images": {"BACKEND": backend, "OPTIONS": {**given, "location": originals}},
        "image_renditions": {
            "BACKEND": backend,
            "OPTIONS": {**given, "location": renditions, "allow_overwrite": True},
        },
    }


def _storages_of_caller() -> Mapping[str, Any]:
    """Find what the settings module has set so far: assigning to it must not throw that away."""
    found = sys._getframe(2).f_globals.get("STORAGES")  # noqa: SLF001 (as namedtuple does)
    return found if isinstance(found, Mapping) else global_settings.STORAGES


@deconstructible(path=_PATH)
class PrivateFileSystemStorage(FileSystemStorage):
    """A folder outside of everything public: files 0600, folders 0700, no URLs.

    With ``group_readable`` they are 0640 and 2750, so that new ones get the folder's group.

    A file is written under a hidden name, flushed to disk, and only then given its
    name, so that no reader and no crash ever sees half of it.
    """

    def __init__(
        self,
        location: str | os.PathLike[str] | None = None,
        *,
        allow_overwrite: bool = False,
        group_readable: bool = False,
    ) -> None:
        """Take the folder (required; made when first needed).

        Args:
            location: the folder. MEDIA_ROOT is never a fallback, for it is public.
            allow_overwrite: whether saving under a taken name replaces the file at once.
            group_readable: whether the folder's group may read.

        Raises:
            ImproperlyConfigured: without a location.

        """
        if not location:
            raise ImproperlyConfigured(
                "PrivateFileSystemStorage needs OPTIONS['location'], a folder outside MEDIA_ROOT."
            )
        self._folder_mode = 0o2750 if group_readable else 0o700
        self._file_mode = 0o640 if group_readable else 0o600
        super().__init__(
            location=os.fspath(location),
            file_permissions_mode=self._file_mode,
            directory_permissions_mode=self._folder_mode,
            allow_overwrite=allow_overwrite,
        )
        self._replaces = allow_overwrite

    def url(self, name: str | None) -> str:
        """Refuse: the files of this storage have no URL of their own."""
        message = f"{type(self).__name__} is private: its files have no URL."
        raise ValueError(message)

    def delete(self, name: str) -> None:
        """Delete a file, and the folders that it leaves empty."""
        super().delete(name)
        self._drop_empty_folders(Path(self.path(name)).parent)

    def rename(self, name: str, new: str) -> None:
        """Give a file another name in one step, replacing what stands there."""
        old, path = Path(self.path(name)), Path(self.path(new))
        for attempt in range(_ATTEMPTS):
            _make_private_folder(path.parent, Path(self.location), self._folder_mode)
            try:
                old.rename(path)
                break
            except FileNotFoundError:
                if attempt == _ATTEMPTS - 1 or not old.exists():
                    raise
        _sync_folder(path.parent)
        self._drop_empty_folders(old.parent)

    def _drop_empty_folders(self, folder: Path) -> None:
        root = Path(self.location)
        with contextlib.suppress(OSError):
            while root in folder.parents:
                folder.rmdir()
                folder = folder.parent

    def _save(self, name: str, content: File[bytes]) -> str:
        path = Path(self.path(name))
        partial = self._write_partial(path.parent, content)
        try:
            while not self._give_name(partial, path):
                path = Path(self.path(self.get_available_name(name)))
        finally:
            partial.unlink(missing_ok=True)
        _sync_folder(path.parent)
        return path.relative_to(self.location).as_posix()

    def _write_partial(self, folder: Path, content: File[bytes]) -> Path:
        with _open_partial(folder, Path(self.location), self._folder_mode) as target:
            partial = Path(target.name)
            try:
                os.fchmod(target.fileno(), self._file_mode)
                content.seek(0)
                for chunk in content.chunks():
                    target.write(chunk)
                target.flush()
                os.fsync(target.fileno())
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        return partial

    def _give_name(self, partial: Path, path: Path) -> bool:
        if self._replaces:
            partial.replace(path)
            return True
        try:
            os.link(partial, path)  # unlike rename, never replaces
        except FileExistsError:
            return False
        return True


def _open_partial(folder: Path, root: Path, mode: int) -> IO[bytes]:
    for attempt in range(_ATTEMPTS):
        _make_private_folder(folder, root, mode)
        try:
            return tempfile.NamedTemporaryFile(dir=folder, prefix=PARTIAL_PREFIX, delete=False)
        except FileNotFoundError:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError  # pragma: no cover


def _make_private_folder(folder: Path, root: Path, mode: int) -> None:
    """Give the mode to each folder that is made; os.makedirs gives it to the last one only."""
    if folder.is_dir():
        return
    if folder != root:
        _make_private_folder(folder.parent, root, mode)
    with contextlib.suppress(FileExistsError, FileNotFoundError):
        folder.mkdir(mode=0o700, parents=folder == root)
        # mkdir knows no setgid bit, and takes the umask off.
        folder.chmod(mode)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
