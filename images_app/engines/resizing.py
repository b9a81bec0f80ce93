"""Resizing: from one decoded picture to every size, each step from the nearest that is enough."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from images_app.engines.color import to_srgb, with_plain_mode
from images_app.specs import Box, Size, scale_of

Cut = tuple[Box, Size]  # which part of the original, and how large it becomes


def whole(picture: Image.Image) -> Box:
    """Answer with the box of a whole picture."""
    return 0.0, 0.0, float(picture.width), float(picture.height)


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """An upright picture as its decoder left it."""

    picture: Image.Image
    shown: Box  # the part that is the whole original: a scaled decode rounds up
    profile: bytes | None  # ICC


def resize_all(decoded: Decoded, full_size: Size, cuts: list[Cut]) -> dict[Cut, Image.Image]:
    """Resize to every cut, the largest first; smaller ones of the same part start from it.

    A step starts only from what is at least twice as large, so that nobody can tell it from
    a resize of the original. Colours are converted once for each chain, on fewer pixels.
    """
    plain = with_plain_mode(decoded.picture)
    made: dict[Cut, Image.Image] = {}
    for cut in sorted(set(cuts), key=lambda cut: scale_of(*cut), reverse=True):
        box, size = cut
        ancestors = [
            other
            for (other_box, _), other in made.items()
            if other_box == box and other.width >= 2 * size[0] and other.height >= 2 * size[1]
        ]
        if ancestors:
            smallest = min(ancestors, key=lambda other: other.width)
            made[cut] = _resize(smallest, size, None)
        else:
            resized = _resize(plain, size, _carried(box, full_size, decoded.shown))
            made[cut] = to_srgb(resized, decoded.profile)
    return made


def _resize(image: Image.Image, size: Size, box: Box | None) -> Image.Image:
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=1.5)


def _carried(box: Box, full_size: Size, shown: Box) -> Box:
    """Carry a box of the original over to where the original is shown, never over its edge."""
    across = (shown[2] - shown[0]) / full_size[0]
    down = (shown[3] - shown[1]) / full_size[1]
    return (
        shown[0] + box[0] * across,
        shown[1] + box[1] * down,
        min(shown[0] + box[2] * across, shown[2]),
        min(shown[1] + box[3] * down, shown[3]),
    )
