"""PrivateObjects: what private storages of objects share, whoever keeps the objects."""

from __future__ import annotations

import io
from contextlib import ExitStack
from pathlib import PurePosixPath
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Self

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.core.files import File
from storages.base import BaseStorage
from storages.utils import ReadBytesWrapper, clean_name, get_available_overwrite_name

MEMORY_SIZE = 5 * 2**20  # bytes of an opened object that are held in memory; more waits on disk
LONGEST_SIGNATURE = 7 * 24 * 3600  # seconds, with S3, Google and Azure alike
_ATTEMPTS = 5  # names that are tried before one gives up


class PrivateObjects(BaseStorage):  # type: ignore[misc]  # django-storages is not typed
    """Objects without URLs, read by their range and never overwritten; put before a backend.

    A subclass says how to ``_put`` an object, ``_fetch`` a range and ``_fetch_whole``.
    """

    max_memory_size: int

    def url(self, name: str, *args: Any, **kwargs: Any) -> str:
        """Refuse: who may have a file is decided before ``signed_url`` is called."""
        message = f"{type(self).__name__} is private: its files have no URL."
        raise ValueError(message)

    def open_range(self, name: str, start: int, stop: int) -> IO[bytes]:
        """Fetch the bytes from ``start`` up to, not including, ``stop``, and no others.

        Returns:
            A readable that gets them as they arrive; closing it ends the transfer.

        Raises:
            FileNotFoundError: without such an object.
            OSError: when the server answers with other bytes than those asked for.

        """
        if start == stop:
            self.size(name)
            return io.BytesIO()
        return self._fetch(self._key(name), start, stop)

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Answer with the name itself, cut to fit: saving finds out whether it is taken."""
        fitting: str = get_available_overwrite_name(clean_name(name), max_length)
        return fitting

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        """Fetch the whole by one request; what is large waits on disk."""
        if mode != "rb":
            message = f"Objects are opened for reading ('rb'), not {mode!r}; save() writes them."
            raise ValueError(message)
        with ExitStack() as until_failure:
            spooled = until_failure.enter_context(
                SpooledTemporaryFile(self.max_memory_size, dir=settings.FILE_UPLOAD_TEMP_DIR)
            )
            self._fetch_whole(self._key(name), spooled)
            spooled.seek(0)
            until_failure.pop_all()
            return File(spooled, name)

    def _save(self, name: str, content: File[bytes]) -> str:
        name = clean_name(name)
        for _attempt in range(_ATTEMPTS):
            content.seek(0)
            # Wrapped: a File without a name is false, which a library may take for "nothing".
            if self._put(self._key(name), ReadBytesWrapper(content), content.size):
                return name
            stem, dot, extension = name.rpartition(".")
            name = self.get_alternative_name(stem or extension, f"{dot}{extension}" if stem else "")
        message = f"Others keep taking the name {name!r}."
        raise OSError(message)

    def _put(self, key: str, body: Any, length: int) -> bool:
        """Store an object of so many bytes; False where the name is taken and must not be."""
        raise NotImplementedError

    def _fetch(self, key: str, start: int, stop: int) -> IO[bytes]:
        raise NotImplementedError

    def _fetch_whole(self, key: str, target: IO[bytes]) -> None:
        raise NotImplementedError

    def _key(self, name: str) -> str:
        key: str = self._normalize_name(clean_name(name))
        return key

    def _normalize_name(self, name: str) -> str:
        """Refuse what leads out; with an empty location django-storages would fold it back in."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            message = f"Detected path traversal attempt in {name!r}"
            raise SuspiciousFileOperation(message)
        normalized: str = super()._normalize_name(name)
        return normalized

    def _refuse(self, refused: dict[str, Any]) -> None:
        """Raise ImproperlyConfigured with the first reason that holds."""
        for why, is_so in refused.items():
            if is_so:
                message = f"{type(self).__name__}: {why}."
                raise ImproperlyConfigured(message)


class Transfer:
    """The body of one answer, read as it arrives; no more than reading and closing.

    Of the libraries' own, servers would believe that they can seek and have a file number.
    """

    def __init__(self, body: Any, content_range: str = "") -> None:
        """Take the body, and the answer's Content-Range, which tells the length of the whole."""
        self._body = body
        length = content_range.rpartition("/")[2]
        self.whole_length = int(length) if length.isdecimal() else None

    def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes; b"" at the end."""
        data: bytes = self._body.read(None if size < 0 else size)
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """End the transfer: the connection is closed unless all has arrived."""
        self._body.close()


def check_life(expires_in: int) -> None:
    """Refuse a life that no signature has.

    Raises:
        ValueError: for less than a second, or more than LONGEST_SIGNATURE.

    """
    if not 0 < expires_in <= LONGEST_SIGNATURE:
        message = f"A signature lives 1 to {LONGEST_SIGNATURE} seconds, not {expires_in}."
        raise ValueError(message)
