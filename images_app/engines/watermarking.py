"""Watermarking: a text or a logo becomes a stamp, which is laid over copies of pictures."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageColor, ImageDraw, ImageFont, ImageOps

from images_app.engines.color import to_srgb, with_plain_mode
from images_app.exceptions import RenderFailed
from images_app.specs import Position, Size, Watermark

LARGEST_FILE = 32 * 2**20  # bytes of a logo or a font
LARGEST_LOGO = 4000  # pixels on a side
_LOGO_FORMATS = ("PNG", "WEBP", "JPEG")
_LARGEST_DRAWING = 2000  # pixels on a side; what is to be larger is scaled up from that
_BAND = 256  # rows
_UNIT = 100  # pixels of a font, at which a text is measured
_OUTLINE = 0.05  # of the font's size
_MARGIN = 0.02  # of the picture's shorter side
_MIDDLE_GREY = 127
_NO_LETTER = "\uffff"  # which no font has (Unicode 23.7)
# How the free space is shared out: what is on the left, and what is above.
_SHARES = {
    Position.CENTER: (0.5, 0.5),
    Position.TOP_LEFT: (0.0, 0.0),
    Position.TOP_RIGHT: (1.0, 0.0),
    Position.BOTTOM_LEFT: (0.0, 1.0),
    Position.BOTTOM_RIGHT: (1.0, 1.0),
}

Marker = Callable[[Image.Image], Image.Image]


def marker_of(mark: Watermark | None, size: Size) -> Marker:
    """Answer with what marks pictures of that size: each time a copy, for others share them.

    Raises:
        RenderFailed: where the mark's file is gone, or is another one by now.

    """
    if mark is None:
        return lambda picture: picture
    stamp = _make_stamp(mark, size)
    places = list(_places(mark.position, stamp.size, size))

    def draw(picture: Image.Image) -> Image.Image:
        marked = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        for place in places:
            _lay(marked, stamp, place)
        return marked

    return draw


def _lay(picture: Image.Image, stamp: Image.Image, place: tuple[int, int]) -> None:
    """Lay a stamp over a picture; what stands over its edge is cut off.

    A band at a time: a stamp may be as large as the picture, and each step makes a copy.
    """
    for upper in range(0, stamp.height, _BAND):
        band = stamp.crop((0, upper, stamp.width, min(upper + _BAND, stamp.height)))
        left, top = place[0], place[1] + upper
        box = left, top, left + band.width, top + band.height
        under = picture.crop(box).convert("RGBA")
        picture.paste(Image.alpha_composite(under, band), box)


def _places(position: Position, stamp: Size, size: Size) -> Iterator[tuple[int, int]]:
    """Yield the upper left corner of each stamp."""
    free = size[0] - stamp[0], size[1] - stamp[1]
    if position is Position.TILE:
        yield from _tiles(stamp, size, free)
        return
    left, top = (
        min(max(round(share * space), margin), space - margin)
        for share, space in zip(_SHARES[position], free, strict=True)
        for margin in [min(round(_MARGIN * min(size)), space // 2)]
    )
    yield left, top


def _tiles(stamp: Size, size: Size, free: Size) -> Iterator[tuple[int, int]]:
    """Yield places all over the picture, the first one whole, every other row half a step on."""
    gap = stamp[0] // 2 + 1, max(stamp[1], stamp[0] // 4) + 1
    step = stamp[0] + gap[0], stamp[1] + gap[1]
    left, top = min(gap[0], free[0]) // 2, min(gap[1], free[1]) // 2
    for row, y in enumerate(range(top, size[1], step[1])):
        first = left - step[0] // 2 if row % 2 else left - step[0]
        yield from ((x, y) for x in range(first, size[0], step[0]) if x + stamp[0] > 0)


def _make_stamp(mark: Watermark, size: Size) -> Image.Image:
    """Make what is laid over a picture of that size: RGBA, never larger than the picture."""
    box = max(1, round(size[0] * mark.size / 100)), size[1]
    if mark.text:
        stamp = _lettering(mark, box)
    else:
        stamp = _fitted(_load_logo(mark.image, mark.checksum), box)
    stamp.putalpha(stamp.getchannel("A").point(lambda alpha: round(alpha * mark.opacity / 100)))
    return stamp


def _fitted(drawing: Image.Image, box: Size) -> Image.Image:
    """Answer with a copy, as large as its shape allows in the box."""
    scale = min(box[0] / drawing.width, box[1] / drawing.height)
    size = max(1, round(drawing.width * scale)), max(1, round(drawing.height * scale))
    return drawing.resize(size, Image.Resampling.LANCZOS)


# --- letters ----------------------------------------------------------------------------------


def _lettering(mark: Watermark, box: Size) -> Image.Image:
    """Draw a text as large as fits, at its own size where that is not too large to draw."""
    content = _load_font_file(mark.font, mark.font_checksum) if mark.font_checksum else b""
    left, top, right, bottom = _extent(mark.text, load_font(content, _UNIT))
    width, height = right - left, bottom - top
    wanted = min(box[0] / width, box[1] / height)
    drawn = min(wanted, _LARGEST_DRAWING / max(width, height))
    drawing = _write(mark, load_font(content, max(1, int(drawn * _UNIT))))
    is_inside = drawing.width <= box[0] and drawing.height <= box[1]
    return drawing if is_inside and drawn == wanted else _fitted(drawing, box)


def _write(mark: Watermark, font: ImageFont.FreeTypeFont) -> Image.Image:
    """Write a text, with an outline that shows it on grounds of its own colour."""
    left, top, right, bottom = _extent(mark.text, font)
    is_light = int(ImageColor.getcolor(mark.color, "L")) > _MIDDLE_GREY  # type: ignore[arg-type]
    layers = []
    for color, stroke in (("#000000" if is_light else "#ffffff", _stroke(font)), (mark.color, 0)):
        shape = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(shape).text((-left, -top), mark.text, 255, font, stroke_width=stroke)
        layer = Image.new("RGBA", shape.size, color)
        layer.putalpha(shape)
        layers.append(layer)
    return Image.alpha_composite(*layers)


def _extent(text: str, font: ImageFont.FreeTypeFont) -> tuple[int, int, int, int]:
    """Answer with the box around an outlined text, in whole pixels and never empty."""
    left, top, right, bottom = font.getbbox(text, stroke_width=_stroke(font))
    left, top = math.floor(left), math.floor(top)
    return left, top, max(left + 1, math.ceil(right)), max(top + 1, math.ceil(bottom))


def _stroke(font: ImageFont.FreeTypeFont) -> int:
    return max(1, round(font.size * _OUTLINE))


def load_font(content: bytes, size: int) -> ImageFont.FreeTypeFont:
    """Load a font at a size in pixels; the built-in one where the content is empty.

    Raises:
        OSError: when it is no font or cannot be read as one, or Pillow was built without FreeType.

    """
    try:
        if content:
            return ImageFont.truetype(io.BytesIO(content), size)
        font = ImageFont.load_default(size)
    except ImportError as error:
        raise OSError("Pillow has no FreeType here") from error
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise OSError("Pillow has no FreeType here")
    return font


def missing_letters(text: str, content: bytes) -> str:
    """Answer with the letters of a text that a font has no shape for; raises as ``load_font``."""
    font = load_font(content, _UNIT)

    def shape(letter: str) -> tuple[Size, bytes]:
        mask = font.getmask(letter)
        return mask.size, bytes(mask)

    absent = shape(_NO_LETTER)
    letters = (letter for letter in dict.fromkeys(text) if not letter.isspace())
    return "".join(each for each in letters if shape(each) == absent or not any(shape(each)[1]))


# --- files ------------------------------------------------------------------------------------


def read_file(path: str) -> bytes:
    """Read a logo or a font.

    Raises:
        OSError: when it cannot be read.
        ValueError: when it is larger than any of them.

    """
    with Path(path).open("rb") as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        message = f"it is larger than {LARGEST_FILE // 2**20} MB"
        raise ValueError(message)
    return content


def checksum_of(content: bytes) -> str:
    """Answer with the SHA-256, in hex."""
    return hashlib.sha256(content).hexdigest()


def decode_logo(content: bytes) -> Image.Image:
    """Decode a logo, its first frame, upright and in sRGB.

    Raises:
        ValueError: when it is too large, or nothing of it would be seen.
        Exception: whatever the decoder raises for what it cannot read.

    """
    with Image.open(io.BytesIO(content), formats=_LOGO_FORMATS) as image:
        if max(image.size) > LARGEST_LOGO:
            message = f"it is larger than {LARGEST_LOGO} x {LARGEST_LOGO} pixels"
            raise ValueError(message)
        profile = image.info.get("icc_profile")
        logo = to_srgb(with_plain_mode(ImageOps.exif_transpose(image)), profile).convert("RGBA")
    if not logo.getchannel("A").getbbox():
        raise ValueError("all of it is transparent")
    return logo


@lru_cache(maxsize=2)
def _load_logo(path: str, checksum: str) -> Image.Image:
    logo = decode_logo(_read_checked(path, checksum))
    logo.thumbnail((_LARGEST_DRAWING, _LARGEST_DRAWING))
    return logo


@lru_cache(maxsize=2)
def _load_font_file(path: str, checksum: str) -> bytes:
    return _read_checked(path, checksum)


def _read_checked(path: str, checksum: str) -> bytes:
    """Read a file that must be the one that the fingerprint was made for."""
    try:
        content = read_file(path)
    except (OSError, ValueError) as error:
        raise RenderFailed("a watermark's file cannot be read") from error
    if checksum_of(content) != checksum:
        raise RenderFailed("a watermark's file has changed")
    return content
