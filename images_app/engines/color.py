"""Colour: any mode and profile becomes 8-bit sRGB, with transparency where there is some."""

from __future__ import annotations

import contextlib
import io
from itertools import product

from PIL import Image, ImageChops, ImageCms

_SRGB = ImageCms.createProfile("sRGB")
_SIXTEEN_BITS = {"I;16": "little", "I;16L": "little", "I;16B": "big"}
_NOT_TO_BE_SEEN = 2  # of 255
_SAMPLE = 64  # pixels on a side, plenty to find the dominant colour


def with_plain_mode(image: Image.Image) -> Image.Image:
    """Give pixels that can be resized: palettes, bits and 16 bits become 8-bit channels."""
    if image.mode in _SIXTEEN_BITS:
        return _high_bytes(image)
    if image.mode == "I":
        return image.point(lambda value: value / 256).convert("L")
    if image.has_transparency_data and image.mode not in {"RGBA", "LA"}:
        return image.convert("LA" if image.mode == "L" else "RGBA")
    if image.mode in {"L", "LA", "RGB", "RGBA", "CMYK"}:
        return image
    return image.convert("RGB")


def _high_bytes(image: Image.Image) -> Image.Image:
    """Keep the upper half of each sample; one value may stand for transparent."""
    bands = Image.frombytes("LA", image.size, image.tobytes()).split()
    low, high = bands if _SIXTEEN_BITS[image.mode] == "little" else bands[::-1]
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return high
    is_high = high.point(lambda value: 255 * (value == transparent >> 8))
    is_low = low.point(lambda value: 255 * (value == transparent & 255))
    return Image.merge("LA", (high, ImageChops.invert(ImageChops.darker(is_high, is_low))))


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert to sRGB, which every browser assumes where no profile is sent."""
    mode = "RGBA" if image.mode in {"RGBA", "LA"} else "RGB"
    if profile:
        if profile[16:20] == b"RGB " and image.mode in {"L", "LA"}:
            image = image.convert(mode)  # a profile for colours counts for grey ones too
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError):
            return _convert_profile(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), mode)
    return image.convert(mode)


def _convert_profile(
    image: Image.Image, profile: ImageCms.ImageCmsProfile, mode: str
) -> Image.Image:
    if image.mode == "LA":  # which the library does not know
        grey = _convert_profile(image.getchannel("L"), profile, "RGB")
        grey.putalpha(image.getchannel("A"))
        return grey
    transform = ImageCms.buildTransform(profile, _SRGB, image.mode, mode)
    if image.mode == mode and _changes_little(transform, mode):
        return image
    converted = ImageCms.applyTransform(image, transform)
    if converted is None:  # only when asked to work in place
        raise ValueError("no image")
    return converted


def _changes_little(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Tell by some colours; a profile may call itself sRGB and be something else."""
    colors = [value for color in product(range(0, 256, 51), repeat=3) for value in color]
    sample = Image.frombytes("RGB", (6 * 6, 6), bytes(colors)).convert(mode)
    converted = ImageCms.applyTransform(sample, transform)
    if converted is None:
        return False
    difference = ImageChops.difference(sample.convert("RGB"), converted.convert("RGB"))
    return not any(any(band.histogram()[_NOT_TO_BE_SEEN + 1 :]) for band in difference.split())


def flatten(image: Image.Image, background: str) -> Image.Image:
    """Lay transparency on a background, for formats that have none."""
    if image.mode != "RGBA":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, background), image).convert("RGB")


def harden(image: Image.Image) -> Image.Image:
    """Make each pixel either opaque or transparent, for GIF, which knows nothing between."""
    if image.mode == "RGBA":
        image.putalpha(image.getchannel("A").point(lambda alpha: 255 * (alpha > 127)))  # noqa: PLR2004
    return image


def dominant_color(image: Image.Image) -> str:
    """Answer with the most frequent colour, as #rrggbb."""
    small = with_plain_mode(image).resize((_SAMPLE, _SAMPLE), reducing_gap=2.0)
    if small.mode in {"RGBA", "LA"}:
        small = flatten(small.convert("RGBA"), "#ffffff")
    counted = small.convert("RGB").quantize(8).convert("RGB").getcolors() or [(1, (128, 128, 128))]
    _, color = max(counted, key=lambda entry: entry[0])
    red, green, blue = color if isinstance(color, tuple) else (color,) * 3
    return f"#{round(red):02x}{round(green):02x}{round(blue):02x}"
