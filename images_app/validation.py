"""What an upload must be: size, type by content, pixels and parts, checked before any decoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from django.template.defaultfilters import filesizeformat

from images_app.exceptions import UploadRefused

HEAD_LENGTH = 64  # bytes that are enough to tell the type

_KNOWN_FORMATS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
)
# What people really upload under the wrong name, so that the refusal can name it.
_FOREIGN_FORMATS: tuple[tuple[bytes, str], ...] = (
    (b"%!PS", "EPS or PostScript"),
    (b"\xc5\xd0\xd3\xc6", "EPS or PostScript"),
    (b"%PDF", "PDF"),
    (b"II*\x00", "tiff"),  # and most camera raw files
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "BigTIFF"),
    (b"BM", "bmp"),
    (b"8BPS", "Photoshop"),
    (b"\x00\x00\x01\x00", "icon (ICO)"),
    (b"icns", "icon (ICNS)"),
    (b"\x00\x00\x00\x0cjP", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL", "JPEG XL"),
    (b"DDS ", "DDS"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML or SVG"),
    (b"<!DOCTYPE", "HTML"),
    (b"<html", "HTML"),
    (b"PK\x03\x04", "ZIP archive"),
    (b"\x7fELF", "program"),
    (b"MZ", "program"),
)
_ISO_BRANDS: tuple[tuple[frozenset[bytes], str], ...] = (
    (frozenset({b"avif", b"avis"}), "avif"),
    (frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"}), "heic"),
    (frozenset({b"qt  ", b"isom", b"mp41", b"mp42"}), "video"),
)
NAMES = {
    "jpeg": "JPEG",
    "png": "PNG",
    "gif": "GIF",
    "webp": "WebP",
    "avif": "AVIF",
    "bmp": "BMP",
    "tiff": "TIFF",
    "heic": "HEIC",
}
# Encoders write about ten scans and a dozen texts; each one costs the decoder a pass or memory.
MOST_SCANS = 100
MOST_TEXTS = 1000


class Declared(Protocol):
    """What a header says, as engines read it."""

    @property
    def width(self) -> int: ...  # noqa: D102
    @property
    def height(self) -> int: ...  # noqa: D102
    @property
    def frames(self) -> int: ...  # noqa: D102
    @property
    def scans(self) -> int: ...  # noqa: D102
    @property
    def texts(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The bounds of one upload."""

    max_bytes: int
    max_pixels: int  # width x height
    max_frames: int
    max_animation_pixels: int  # width x height x frames
    formats: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """The formats as people read them."""
        return ", ".join(NAMES[name] for name in self.formats)


def check_length(length: int, limits: Limits) -> None:
    """Refuse an empty file and one of more than ``max_bytes``.

    Raises:
        UploadRefused: with the code ``empty`` or ``too_large``.

    """
    if length == 0:
        raise UploadRefused("empty")
    if length > limits.max_bytes:
        # filesizeformat puts a no-break space before the unit.
        raise UploadRefused("too_large", limit=filesizeformat(limits.max_bytes))


def check_type(head: bytes, limits: Limits) -> None:
    """Refuse what is not an allowed format by its first HEAD_LENGTH bytes.

    Raises:
        UploadRefused: with the code ``format_not_allowed`` when the type is known,
            else ``not_an_image``.

    """
    found = sniff(head)
    if found is None:
        raise UploadRefused("not_an_image", allowed=limits.allowed)
    if found not in limits.formats:
        raise UploadRefused(
            "format_not_allowed", found=NAMES.get(found, found), allowed=limits.allowed
        )


def check_header(header: Declared, limits: Limits) -> None:
    """Refuse by what the header declares, before memory is spent on it.

    Raises:
        UploadRefused: with the code ``damaged``, ``too_many_pixels``, ``too_many_frames``,
            ``animation_too_large``, ``too_many_scans`` or ``too_many_texts``.

    """
    pixels = header.width * header.height
    if header.width < 1 or header.height < 1:
        raise UploadRefused("damaged", f"declares {header.width} x {header.height}")
    if pixels > limits.max_pixels:
        raise UploadRefused("too_many_pixels", limit=limits.max_pixels // 1_000_000)
    if header.frames > limits.max_frames:
        raise UploadRefused("too_many_frames", limit=limits.max_frames)
    if header.frames > 1 and pixels * header.frames > limits.max_animation_pixels:
        limit = limits.max_animation_pixels // 1_000_000
        raise UploadRefused("animation_too_large", limit=limit)
    if header.scans > MOST_SCANS:
        raise UploadRefused("too_many_scans", limit=MOST_SCANS)
    if header.texts > MOST_TEXTS:
        raise UploadRefused("too_many_texts", limit=MOST_TEXTS)


def sniff(head: bytes) -> str | None:
    """Tell the type of content by its first bytes: one of ours, or a name for people, or None."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _sniff_iso_media(head)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for table, start in ((_KNOWN_FORMATS, head), (_FOREIGN_FORMATS, text or head)):
        for signature, name in table:
            if start.startswith(signature) or head.startswith(signature):
                return name
    return None


def _sniff_iso_media(head: bytes) -> str | None:
    """Tell by the brands of an ISO base media file, the major one first (ISO/IEC 14496-12 4.3)."""
    length = min(int.from_bytes(head[:4], "big"), len(head))
    compatible = [head[i : i + 4] for i in range(16, length - 3, 4)]
    for brand in [head[8:12], *compatible]:
        for brands, name in _ISO_BRANDS:
            if brand in brands:
                return name
    return None
