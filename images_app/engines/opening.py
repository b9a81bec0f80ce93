"""Opening: what a decoder is shown of a file, so that it sees what browsers show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from PIL import Image, ImageChops

from images_app.engines import bmp, gif, iso_media, jpeg, png, webp
from images_app.engines.splicing import Part, length_of, spliced, whole_file

# Where EXIF has no orientation, Pillow takes one from these. Browsers obey EXIF alone.
_OTHER_METADATA = ("xmp", "XML:com.adobe.xmp", "Raw profile type exif")
_LOW = "RGB;16L"  # how to decode the lower byte of each 16-bit sample, which stands last


def open_image(file: IO[bytes], formats: list[str]) -> Image.Image:
    """Open an image with decoders of Pillow's ``formats`` only; a still is at its first frame.

    Its ``info`` has the ICC profile of its colours, also where the file tells them otherwise.
    ``default_image`` there means that the first frame of the decoder is none of an animation.
    """
    parts = _parts(whole_file(file))
    shown = file if parts is None else spliced(file, parts)
    shown.seek(0)
    image = Image.open(shown, formats=formats)
    for name in _OTHER_METADATA:
        image.info.pop(name, None)
    if image.format == "PNG":
        image.info["icc_profile"] = png.read_colors(whole_file(file))
    elif image.format in {"AVIF", "HEIF"} and not image.info.get("icc_profile"):
        image.info["icc_profile"] = iso_media.read_code_points(whole_file(file))
    elif image.format == "GIF" and parts is not None:
        image.info["default_image"] = True
    return image


def _parts(file: IO[bytes]) -> Sequence[Part] | None:
    """Return the parts of a file to decode; None where that is the whole."""
    file.seek(0)
    head = file.read(12)
    if head.startswith(b"\xff\xd8"):
        end = jpeg.missing_end(file)
        return None if end is None else jpeg.ended(end)
    if head.startswith(b"\x89PNG"):
        return png.needed_parts(file)
    if head.startswith(b"GIF8"):
        return gif.with_empty_screen(file, length_of(file))
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return webp.announced_parts(file, length_of(file))
    if head.startswith(b"BM"):
        return bmp.masked_parts(file, length_of(file))
    return None


def go_to_first_frame(image: Image.Image) -> None:
    """Leave the empty frame that a GIF has been given."""
    if image.format == "GIF" and image.info.get("default_image"):
        image.seek(1)


def load(image: Image.Image, file: IO[bytes]) -> None:
    """Decode an opened image, or its first frame.

    Raises:
        OSError: where the file breaks off, even if no decoder minds.

    """
    go_to_first_frame(image)
    image.load()
    transparent = png.deep_transparency(whole_file(file)) if image.format == "PNG" else None
    if transparent is not None:
        image.putalpha(_deep_alpha(image, file, transparent))
        image.info.pop("transparency", None)


def decodes_of_jpeg(file: IO[bytes]) -> int:
    """Return how often a JPEG is decoded to inspect it: see ``check_whole_jpeg``."""
    return 1 if jpeg.missing_end(file) is None else 3


def check_whole_jpeg(file: IO[bytes]) -> None:
    """Refuse a JPEG without an end whose picture is not whole either.

    Decoders fill what is missing with grey. So the picture is decoded with two endings: what
    was missing would look different.

    Raises:
        OSError: where a part of the picture is missing.

    """
    file = whole_file(file)
    end = jpeg.missing_end(file) if file.read(2) == b"\xff\xd8" else None
    if end is None:
        return
    pictures = []
    for parts in (jpeg.ended(end), jpeg.ended_otherwise(end)):
        with Image.open(spliced(file, parts), formats=["JPEG"]) as image:
            image.load()
            pictures.append(image._new(image.im))  # noqa: SLF001 (nothing public shares pixels)
    one, other = pictures
    if not jpeg.is_refined(file, end) or ImageChops.difference(one, other).getbbox() is not None:
        raise OSError("the picture breaks off")


def _deep_alpha(
    image: Image.Image, file: IO[bytes], transparent: tuple[int, int, int]
) -> Image.Image:
    """Return which pixels of 16 bits are not exactly of the transparent colour."""
    shown = spliced(file, png.needed_parts(whole_file(file)))
    with Image.open(shown, formats=["PNG"]) as low:
        low.tile = [tile._replace(args=_LOW) for tile in low.tile]
        low.load()
        differing = Image.new("L", image.size, 0)
        for high_band, low_band, value in zip(image.split(), low.split(), transparent, strict=True):
            for band, byte in ((high_band, value >> 8), (low_band, value & 255)):
                differs = band.point([255 * (sample != byte) for sample in range(256)])
                differing = ImageChops.lighter(differing, differs)
        return differing
