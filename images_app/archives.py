"""Archives: what a ZIP holds, every entry judged before it is opened, none unpacked by its name."""

from __future__ import annotations

import errno
import re
import stat
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Any, ClassVar

from django.conf import settings
from django.core.files import File
from django.template.defaultfilters import filesizeformat

from images_app.exceptions import ImagesAppError, UploadRefused, gettext_noop

_BLOCK = 1 << 16  # bytes
_LOCAL_HEADER, _LOCAL_MAGIC = 30, b"PK\3\4"  # bytes before an entry's name (APPNOTE 4.3.7)
_DIRECTORY_OF_ONE = 512  # bytes of the directory for each entry, names of usual length
_SMALLEST_DIRECTORY = 1 << 18  # bytes that any archive may take for it
_SMALL = 1 << 20  # bytes that unpack from nothing without harm
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000  # by password, strongly, with a masked directory
_DRIVE = re.compile(r"[A-Za-z]:")
_NUMBER = re.compile(r"([0-9]+)")
# Where systems put what they keep beside pictures: macOS, Windows, Synology, QNAP, ext4.
_OF_SYSTEMS = frozenset(
    {
        *("__macosx", "$recycle.bin", "system volume information", "found.000"),
        *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "lost+found"),
    }
)
# What cameras, phones and programs put beside pictures, and is none: edits, texts, films, sounds.
_COMPANION_NAMES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "picasa.ini"})
_COMPANION_ENDS = (
    *(".aae", ".json", ".xmp", ".pp3", ".dop", ".thm", ".lrv", ".ini"),
    *(".mov", ".mp4", ".m4v", ".mp", ".avi", ".mts", ".m2ts", ".3gp", ".wav", ".m4a"),
)
_LONGEST_SHOWN = 80  # characters of a name in a message


@dataclass(frozen=True, kw_only=True)
class ArchiveLimits:
    """The bounds of one archive."""

    max_entry_bytes: int  # of one entry, unpacked
    max_entries: int = 2000  # folders and hidden files included
    max_total_bytes: int = 10 * 2**30  # of all entries, unpacked
    max_ratio: int = 200  # times that an entry may grow; photographs hardly do


class ArchiveRefused(ImagesAppError):
    """An archive, or one entry of it, that is not read. The code says why."""

    status_code = 400
    reasons: ClassVar[dict[str, str]] = {
        # the whole archive
        "no_archive": gettext_noop("This is no ZIP archive, or its end is missing."),
        "damaged_archive": gettext_noop("The archive is damaged. Pack it again."),
        "unsafe_name": gettext_noop("The archive has a name that leads out of it: %(name)s"),
        "encrypted": gettext_noop("The archive is encrypted. Pack it without a password."),
        "too_many_entries": gettext_noop("The archive has more than %(limit)s entries."),
        "archive_too_large": gettext_noop("The archive unpacks to more than %(limit)s."),
        "bomb": gettext_noop("The archive unpacks to far more than it is."),
        "overlapping": gettext_noop("Entries of the archive overlap. Pack it again."),
        # one entry
        "special": gettext_noop("This is a link or a device, and no file."),
        "method": gettext_noop("This is packed in a way that is not read here. Use ZIP's deflate."),
        "repeated": gettext_noop("The archive has this name twice; the first is taken."),
        "damaged_entry": gettext_noop("This is damaged in the archive."),
    }

    def __init__(self, code: str, detail: str = "", **params: object) -> None:
        self.code = code
        self.public_message = self.reasons[code]
        super().__init__(detail, **params)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file in an archive that was judged and not yet read."""

    name: str  # as the archive has it: for people, never for a path
    problem: ImagesAppError | None  # why it cannot be read
    info: zipfile.ZipInfo


class Archive:
    """A ZIP archive that shows no attack.

    Args:
        file: binary and seekable; it stays open.
        limits: what it may be.

    Raises:
        ArchiveRefused: when it is none, or shows an attack: then none of it is to be read.

    """

    def __init__(self, file: IO[bytes], limits: ArchiveLimits) -> None:
        self._limits = limits
        with _refusing("no_archive"):
            self._zip = zipfile.ZipFile(_Bounded(file, limits))
        infos = self._zip.infolist()
        _check_amounts(infos, limits)
        for info in infos:
            _check_entry(info, limits)
        with _refusing("damaged_archive"):
            _check_places(file, infos, self._zip.start_dir)
        self.entries = _judged(infos, limits)

    @contextmanager
    def read(self, entry: Entry) -> Iterator[File[bytes]]:
        """Unpack one entry into a temporary file that has no name.

        Raises:
            ArchiveRefused, UploadRefused: for this entry.
            OSError: when there is no room for it.

        """
        if entry.problem is not None:
            raise entry.problem
        with ExitStack() as stack:
            with _refusing("damaged_entry"), self._zip.open(entry.info) as source:
                most = self._limits.max_entry_bytes
                file = stack.enter_context(copied(source, entry.name, most=most))
            yield file


@contextmanager
def copied(source: IO[bytes], name: str, *, most: int) -> Iterator[File[bytes]]:
    """Copy into a temporary file that has no name, and hand that out.

    Args:
        source: read from where it is.
        name: a path, whose last part the File bears.
        most: bytes; of what is longer one more is copied, for whoever measures to see it.

    """
    with tempfile.TemporaryFile(buffering=0, dir=settings.FILE_UPLOAD_TEMP_DIR) as kept:
        # A buffered writer, which writes all of it or fails.
        with open(kept.fileno(), "wb", closefd=False) as target:
            left = most + 1
            while left and (block := source.read(min(_BLOCK, left))):
                target.write(block)
                left -= len(block)
        kept.seek(0)
        yield File(kept, name=name.rpartition("/")[2])


def name_order(path: str) -> tuple[Any, ...]:
    """Answer with a sort key of paths: 9.jpg before 10.jpg, folder by folder, in any case."""
    parts = [_NUMBER.split(part.casefold()) for part in path.split("/")]
    return tuple(tuple(_number_order(part)) for part in parts), path


def is_hidden(path: str) -> bool:
    """Return whether a path leads to where systems keep their own things."""
    parts = path.split("/")
    return any(part.startswith(".") or part.casefold() in _OF_SYSTEMS for part in parts)


def is_companion(path: str) -> bool:
    """Return whether a file is by its name one that stands beside pictures, and is none."""
    name = path.rpartition("/")[2].casefold()
    return name in _COMPANION_NAMES or name.endswith(_COMPANION_ENDS)


class _Bounded:
    """A file for ZipFile, which would read a directory of any size into memory."""

    def __init__(self, file: IO[bytes], limits: ArchiveLimits) -> None:
        self._file, self._limits = file, limits
        self._most = max(_SMALLEST_DIRECTORY, limits.max_entries * _DIRECTORY_OF_ONE)

    def read(self, size: int = -1) -> bytes:
        """Read, unless it is more than any directory may be."""
        block = self._file.read(self._most + 1 if size < 0 else min(size, self._most + 1))
        if len(block) > self._most:
            raise ArchiveRefused("too_many_entries", limit=self._limits.max_entries)
        return block

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _check_amounts(infos: list[zipfile.ZipInfo], limits: ArchiveLimits) -> None:
    if len(infos) > limits.max_entries:
        raise ArchiveRefused("too_many_entries", limit=limits.max_entries)
    if sum(info.file_size for info in infos) > limits.max_total_bytes:
        raise ArchiveRefused("archive_too_large", limit=filesizeformat(limits.max_total_bytes))


def _check_entry(info: zipfile.ZipInfo, limits: ArchiveLimits) -> None:
    """Refuse the whole archive for what nobody packs by accident."""
    # ZipFile ends a name at its first NUL, and later ones take it from a further field.
    for name in (info.orig_filename, info.filename):
        if _leads_out(name):
            raise ArchiveRefused("unsafe_name", name=_shown(name))
    if info.flag_bits & _ENCRYPTED:
        raise ArchiveRefused("encrypted")
    if info.file_size > max(_SMALL, limits.max_ratio * info.compress_size):
        raise ArchiveRefused("bomb")


def _leads_out(name: str) -> bool:
    return (
        not name
        or name.startswith("/")
        or "\\" in name
        or ".." in name.split("/")
        or _DRIVE.match(name) is not None
        or any(unicodedata.category(character) == "Cc" for character in name)
    )


def _check_places(file: IO[bytes], infos: Iterable[zipfile.ZipInfo], end: int) -> None:
    """Refuse entries that share bytes, by which a small archive unpacks to anything.

    Python looks at that from 3.11.8, 3.12.2 and 3.13 on, when an entry is opened.
    """
    for info in sorted(infos, key=lambda info: info.header_offset, reverse=True):
        file.seek(info.header_offset)
        header = file.read(_LOCAL_HEADER)
        if len(header) < _LOCAL_HEADER or not header.startswith(_LOCAL_MAGIC):
            continue  # it cannot be opened either
        lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:], "little")
        if info.header_offset + _LOCAL_HEADER + lengths + info.compress_size > end:
            raise ArchiveRefused("overlapping")
        end = info.header_offset


def _judged(infos: list[zipfile.ZipInfo], limits: ArchiveLimits) -> tuple[Entry, ...]:
    """Answer with the files in the order of their names, without folders and what is hidden."""
    entries: list[Entry] = []
    names: set[str] = set()
    for info in infos:
        if info.filename.endswith("/") or is_hidden(info.filename):
            continue
        problem = _problem_of(info, names, limits)
        names.add(info.filename)
        entries.append(Entry(name=info.filename, problem=problem, info=info))
    return tuple(sorted(entries, key=lambda entry: name_order(entry.name)))


def _problem_of(
    info: zipfile.ZipInfo, names: set[str], limits: ArchiveLimits
) -> ImagesAppError | None:
    # The type of a file, where the archive was packed on a system that has types.
    if stat.S_IFMT(info.external_attr >> 16) not in {0, stat.S_IFREG}:
        return ArchiveRefused("special")
    if info.compress_type not in _METHODS:
        return ArchiveRefused("method")
    if info.filename in names:
        return ArchiveRefused("repeated")
    if info.file_size > limits.max_entry_bytes:
        return UploadRefused("too_large", limit=filesizeformat(limits.max_entry_bytes))
    return None


@contextmanager
def _refusing(code: str) -> Iterator[None]:
    """Turn whatever a hostile archive makes ZipFile raise into a refusal."""
    try:
        yield
    except ImagesAppError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise  # of the disk; that one is of a position that an archive has made up
        raise ArchiveRefused(code, type(error).__name__) from error


def _number_order(parts: list[str]) -> Iterator[Any]:
    """Yield texts as they are, and the numbers between them by their length first."""
    for index, part in enumerate(parts):
        digits = part.lstrip("0")
        yield (len(digits), digits) if index % 2 else part


def _shown(name: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in name[:_LONGEST_SHOWN])
