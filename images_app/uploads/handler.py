"""CountingHandler: sees each byte of an uploaded file first, and keeps what is too much away."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any, NoReturn

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat

from images_app.conf import get_settings
from images_app.exceptions import UploadRefused


class TooLargeFile(UploadedFile):  # type: ignore[type-arg]
    """What is left of a file that was larger than allowed: its name, and why it cannot be read."""

    def __init__(self, name: str, limit: int) -> None:
        super().__init__(BytesIO(), name, size=limit + 1)
        self._limit = limit

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Refuse."""
        self._refuse()

    def read(self, *args: Any) -> bytes:
        """Refuse."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UploadRefused("too_large", limit=filesizeformat(self._limit))


class CountingHandler(FileUploadHandler):
    """Passes on each file up to the limit; of a longer one nothing is kept but its name.

    The request goes on, for the other files of a form may be good: their number and the length
    of the whole body are bounded, so that reading to the end is bounded too.
    """

    def __init__(self, request: HttpRequest, *, most_files: int | None) -> None:
        super().__init__(request)
        self._limit = get_settings().max_upload_bytes
        self._most_files = most_files
        self._number = 0  # of files so far
        self._length = 0  # of this file so far

    @property
    def has_too_many(self) -> bool:
        """Whether there were more files than allowed; those were dropped."""
        return self._most_files is not None and self._number > self._most_files

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin to count."""
        super().new_file(*args, **kwargs)
        self._number, self._length = self._number + 1, 0
        if self.has_too_many:
            raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Pass on what is within the limit."""
        self._length += len(raw_data)
        if self._length <= self._limit:
            return raw_data
        assert self.request is not None  # noqa: S101 (for the type checker)
        close_files(self.request)
        return None

    def file_complete(self, file_size: int) -> UploadedFile | None:  # type: ignore[type-arg]
        """Leave a good file to the others, and be one that is too large."""
        if self._length <= self._limit:
            return None
        return TooLargeFile(self.file_name or "", self._limit)


def close_files(request: HttpRequest) -> None:
    """Free what the handlers have of the file that is arriving: temporary files go when closed."""
    for handler in request.upload_handlers:
        file = getattr(handler, "file", None)
        if file is not None:
            file.close()
