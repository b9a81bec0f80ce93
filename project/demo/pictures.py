"""Pictures for the demo where nobody brings photographs: landscapes, painted in code."""

from __future__ import annotations

import colorsys
import io
import math
import random
from typing import Any

from PIL import Image, ImageDraw, ImageFilter

SIZES = (
    (2400, 1600),
    (1600, 2400),
    (2400, 1350),
    (2000, 2000),
    (3000, 1200),
    (1800, 1350),
)
HUES = (0.02, 0.05, 0.5, 0.54, 0.57, 0.6, 0.63, 0.93)  # dawn, haze, dusk
_MAKE, _MODEL, _EXIF_IFD, _GPS_IFD = 0x010F, 0x0110, 0x8769, 0x8825


def landscape(number: int) -> bytes:
    """Paint the picture of that number, always the same one, as a JPEG with camera data."""
    chance = random.Random(number)  # noqa: S311 (nothing secret about a landscape)
    size = SIZES[number % len(SIZES)]
    hue = chance.choice(HUES)
    image = _sky(size, hue)
    _sun(image, chance, hue)
    layers = chance.randint(4, 6)
    for layer in range(layers):
        _ridge(image, chance, hue, (layer + 1) / layers)
    target = io.BytesIO()
    image.save(target, "JPEG", quality=88, exif=_camera_data(chance))
    return target.getvalue()


def _rgb(hue: float, lightness: float, saturation: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hls_to_rgb(hue % 1, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)


def _sky(size: tuple[int, int], hue: float) -> Image.Image:
    width, height = size
    column = Image.new("RGB", (1, 64))
    for y in range(64):
        part = y / 63
        column.putpixel((0, y), _rgb(hue + 0.12 * part, 0.45 + 0.42 * part, 0.42 + 0.28 * part))
    return column.resize((width, height), Image.Resampling.BICUBIC)


def _sun(image: Image.Image, chance: random.Random, hue: float) -> None:
    width, height = image.size
    radius = min(image.size) * chance.uniform(0.05, 0.1)
    x, y = width * chance.uniform(0.2, 0.8), height * chance.uniform(0.15, 0.4)
    glow = Image.new("L", (width // 8, height // 8))
    box = [(edge) / 8 for edge in (x - radius, y - radius, x + radius, y + radius)]
    ImageDraw.Draw(glow).ellipse(box, fill=230)
    blurred = glow.filter(ImageFilter.GaussianBlur(radius / 14)).resize(image.size)
    image.paste(_rgb(hue + 0.14, 0.95, 0.9), mask=blurred)


def _ridge(image: Image.Image, chance: random.Random, hue: float, nearness: float) -> None:
    width, height = image.size
    base = height * (0.42 + 0.5 * nearness)
    waves = [
        (chance.uniform(0.6, 1.4) * 2**octave, chance.uniform(0, math.tau), 0.55**octave)
        for octave in range(7)
    ]
    tall = height * 0.11
    step = 4
    points = [
        (
            x,
            base - tall * sum(a * math.sin(math.tau * f * x / width + p) for f, p, a in waves),
        )
        for x in range(0, width + step, step)
    ]
    color = _rgb(hue + 0.06, 0.6 - 0.5 * nearness, 0.26)
    ImageDraw.Draw(image).polygon([*points, (width, height), (0, height)], fill=color)


def _camera_data(chance: random.Random) -> Any:
    exif = Image.Exif()
    exif[_MAKE], exif[_MODEL] = "Example", "Example Camera 1"
    exif[_EXIF_IFD] = {
        0x9003: f"2026:{chance.randint(1, 9):02}:{chance.randint(1, 28):02} 12:30:00",
        0x829A: 1 / chance.choice([60, 125, 250, 500]),
        0x829D: chance.choice([2.8, 4.0, 5.6, 8.0]),
        0x8827: chance.choice([100, 200, 400]),
        0x920A: chance.choice([24.0, 35.0, 50.0]),
    }
    # A place, so that one can see that no rendition and no page ever shows it.
    exif[_GPS_IFD] = {1: "N", 2: (48.0, 8.0, 24.0), 3: "E", 4: (11.0, 34.0, 12.0)}
    return exif
