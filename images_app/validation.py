"""What an upload must be: size, type by content, pixels and frames, checked before any decoding."""

from __future__ import annotations

from dataclasses import dataclass

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
    (b"II*\x00", "TIFF or camera raw"),
    (b"MM\x00*", "TIFF or camera raw"),
    (b"II+\x00", "TIFF"),
    (b"BM", "BMP"),
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
    (frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"}), "HEIC"),
    (frozenset({b"qt  ", b"isom", b"mp41", b"mp42"}), "video"),
)
NAMES = {"jpeg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WebP", "avif": "AVIF"}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The bounds of one upload."""

    max_bytes: int
    max_pixels: int  # width x height
    max_frames: int
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


def check_header(*, width: int, height: int, frames: int, limits: Limits) -> None:
    """Refuse by what the header declares, before memory is spent on it.

    Raises:
        UploadRefused: with the code ``too_many_pixels``, ``too_many_frames`` or ``damaged``.

    """
    if width < 1 or height < 1:
        raise UploadRefused("damaged", f"declares {width} x {height}")
    if width * height > limits.max_pixels:
        raise too_many_pixels(limits)
    if frames > limits.max_frames:
        raise UploadRefused("too_many_frames", limit=limits.max_frames)


def too_many_pixels(limits: Limits) -> UploadRefused:
    """Answer with the refusal of an image that is too large to decode."""
    return UploadRefused("too_many_pixels", limit=limits.max_pixels // 1_000_000)


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
