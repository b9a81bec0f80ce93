"""RenditionSpec, Watermark and Preset: what renditions an image has, as frozen values."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from images_app.access import Level

# RFC 9110 8.3 content type and our file extension of each format that we know.
CONTENT_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "jpeg": "image/jpeg",
        "png": "image/png",
        "gif": "image/gif",
        "webp": "image/webp",
        "avif": "image/avif",
        "bmp": "image/bmp",
        "tiff": "image/tiff",
        "heic": "image/heic",
    }
)
EXTENSIONS: Mapping[str, str] = MappingProxyType({**{f: f for f in CONTENT_TYPES}, "jpeg": "jpg"})
# Originals that few browsers show: always converted for pages, and only ever saved.
FOREIGN_FORMATS = frozenset({"bmp", "tiff", "heic"})
OUTPUT_FORMATS = ("avif", "webp", "jpeg", "png")
# An animation keeps moving in these alone: docs/decisions/0009.
ANIMATED_FORMATS = ("webp", "gif")
NEGOTIATED = "auto"
"""What stands for the extension in a URL whose format the client's Accept header decides."""
# Perceived quality is about equal across the three; see docs/decisions/0003.
DEFAULT_QUALITY: Mapping[str, int] = MappingProxyType(
    {"jpeg": 78, "webp": 86, "avif": 65, "png": 0, "gif": 0}
)

# What the narrowest of the output formats holds (WebP: 14 bits, RFC 9649 2.5). One limit for all,
# so that the formats of one rung have one size.
LONGEST_SIDE = 16_383  # pixels

Size = tuple[int, int]
Box = tuple[float, float, float, float]


class Fit(enum.Enum):
    """How an original is fitted into a spec's box. Nothing is ever scaled up."""

    WIDTH = "width"  # as wide as the box, height follows
    CONTAIN = "contain"  # whole image inside the box
    COVER = "cover"  # box filled, rest cropped around the focal point


class Position(enum.Enum):
    """Where a watermark stands."""

    TILE = "tile"  # all over the picture
    CENTER = "center"
    TOP_LEFT = "top-left"
    TOP_RIGHT = "top-right"
    BOTTOM_LEFT = "bottom-left"
    BOTTOM_RIGHT = "bottom-right"


@dataclass(frozen=True, kw_only=True)
class Watermark:
    """What is drawn over a rendition: a line of text, or a picture from a file.

    Where the files are is no part of the value: what counts is what they hold.
    """

    text: str = ""
    image: str = field(default="", compare=False)
    """Absolute path of a PNG, WebP or JPEG; empty for a text."""
    checksum: str = ""
    """SHA-256 of that file, in hex."""
    font: str = field(default="", compare=False)
    """Absolute path of a TrueType or OpenType file; empty for the engine's own font."""
    font_checksum: str = ""
    """SHA-256 of that file, in hex."""
    position: Position = Position.TILE
    opacity: int = 30
    """Percent, 1 to 100."""
    size: int = 25
    """Width in percent of the picture's width, 1 to 100."""
    color: str = "#ffffff"
    """Of a text, #rrggbb; the engine outlines it in a colour that contrasts."""

    def identity(self) -> dict[str, object]:
        """Answer with what makes it this watermark: exactly what equality compares."""
        names = [each.name for each in dataclasses.fields(self) if each.compare]
        return {name: getattr(self, name) for name in names} | {"position": self.position.value}


@dataclass(frozen=True, kw_only=True)
class RenditionSpec:
    """How a rendition differs from its original.

    ``width`` and ``height`` are the box in pixels (``height`` is None for Fit.WIDTH),
    ``quality`` is 1-100 in the format's own scale (0 where it has none), ``background``
    (#rrggbb) is what shows through where the format has no transparency,
    ``is_animated`` says whether all frames are kept or the first alone, and ``watermark``
    is drawn over each of them.
    """

    width: int
    height: int | None
    fit: Fit
    format: str
    quality: int
    background: str
    is_animated: bool = False
    watermark: Watermark | None = None

    def fingerprint(self, output_version: int) -> str:
        """Answer with 16 hex digits (64 bits), the same for the same spec and output version."""
        return _fingerprint(self, output_version)

    def output_size(self, width: int, height: int) -> Size:
        """Answer with the rendition's (width, height) for an original of that size, in pixels."""
        if self.fit is Fit.COVER:
            box_width, box_height = self._box(height)
            shrink = max(1.0, box_width / width, box_height / height)
            return max(1, round(box_width / shrink)), max(1, round(box_height / shrink))
        scale = min(1.0, self.width / width, LONGEST_SIDE / height)
        if self.height is not None:
            scale = min(scale, self.height / height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def crop_box(self, width: int, height: int, focal_point: tuple[float, float]) -> Box:
        """Answer with (left, top, right, bottom): the part of the original that is shown.

        Args:
            width: of the original as displayed, in pixels.
            height: likewise.
            focal_point: (x, y) from 0 to 1, kept as near the middle as the edges allow.

        """
        if self.fit is not Fit.COVER:
            return 0.0, 0.0, float(width), float(height)
        box_width, box_height = self._box(height)
        # The limiting side is taken as it is: computed, it would at times be a hair too long,
        # and decoders refuse a box that is not inside.
        if width * box_height <= height * box_width:
            crop_width, crop_height = float(width), width * box_height / box_width
        else:
            crop_width, crop_height = height * box_width / box_height, float(height)
        left = min(max(0.0, focal_point[0] * width - crop_width / 2), width - crop_width)
        top = min(max(0.0, focal_point[1] * height - crop_height / 2), height - crop_height)
        return left, top, min(left + crop_width, width), min(top + crop_height, height)

    def _box(self, height: int) -> Size:
        return self.width, height if self.height is None else self.height


def scale_of(box: Box, size: Size) -> float:
    """Tell how much smaller an output is than the part of the original that it shows."""
    left, top, right, bottom = box
    return max(size[0] / (right - left), size[1] / (bottom - top))


@lru_cache(maxsize=4096)  # a page asks for the same few hundreds of times
def _fingerprint(spec: RenditionSpec, output_version: int) -> str:
    values = {**dataclasses.asdict(spec), "fit": spec.fit.value, "output": output_version}
    if not spec.is_animated:  # what came later counts only where it is used, or all URLs die
        del values["is_animated"]
    if spec.watermark is None:
        del values["watermark"]
    else:
        values["watermark"] = spec.watermark.identity()
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return _short_hash(text)


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def fingerprint_of(specs: Sequence[RenditionSpec], output_version: int) -> str:
    """Answer with the fingerprint of a URL: of its one spec, or of all that it chooses from."""
    parts = [spec.fingerprint(output_version) for spec in specs]
    return parts[0] if len(parts) == 1 else _short_hash("-".join(parts))


def format_of(specs: Sequence[RenditionSpec]) -> str:
    """Answer with the format of a URL: of its one spec, or NEGOTIATED."""
    return specs[0].format if len(specs) == 1 else NEGOTIATED


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named spec, or a ladder of widths, in one or more formats."""

    name: str
    widths: tuple[int, ...]
    """Box widths in pixels, ascending. More than one makes a ladder, which needs Fit.WIDTH."""
    formats: tuple[str, ...]
    """Best first; the last one is what every browser can show."""
    height: int | None = None
    fit: Fit = Fit.WIDTH
    level: Level = Level.VIEW
    """The least level that may see it."""
    max_age: int = 600
    """Seconds that a browser may reuse it without asking; 0 asks each time."""
    quality: Mapping[str, int] = field(default_factory=dict)
    background: str = "#ffffff"
    stills: bool = False
    """Whether animations are shown by their first frame; if not, they become WebP and GIF."""
    is_negotiated: bool = False
    """Whether one URL stands for all formats, and the Accept header decides."""

    def formats_of(self, *, is_animated: bool) -> tuple[str, ...]:
        """Answer with the formats of a still or an animated original, best first.

        No still format stands beside the animated ones: a browser would take the still.
        """
        return ANIMATED_FORMATS if self.keeps_moving(is_animated=is_animated) else self.formats

    def keeps_moving(self, *, is_animated: bool) -> bool:
        """Tell whether renditions of such an original are animated."""
        return is_animated and not self.stills

    def spec(
        self,
        width: int,
        image_format: str,
        *,
        is_animated: bool = False,
        watermark: Watermark | None = None,
    ) -> RenditionSpec:
        """Answer with the spec of one rung, of a still or an animated original."""
        return RenditionSpec(
            width=width,
            height=self.height,
            fit=self.fit,
            format=image_format,
            quality=self.quality.get(image_format, DEFAULT_QUALITY[image_format]),
            background=self.background,
            is_animated=self.keeps_moving(is_animated=is_animated),
            watermark=watermark,
        )

    def choices(self, watermark: Watermark | None = None) -> Iterator[tuple[RenditionSpec, ...]]:
        """Yield what each URL of this preset stands for: one spec, or several to choose from."""
        for is_animated in (False,) if self.stills else (False, True):
            for width in self.widths:
                yield from self.choices_of(width, is_animated=is_animated, watermark=watermark)

    def choices_of(
        self, width: int, *, is_animated: bool, watermark: Watermark | None = None
    ) -> list[tuple[RenditionSpec, ...]]:
        """Answer with what the URLs of one rung stand for, best format first."""
        specs = tuple(
            self.spec(width, image_format, is_animated=is_animated, watermark=watermark)
            for image_format in self.formats_of(is_animated=is_animated)
        )
        return [specs] if self.is_negotiated else [(spec,) for spec in specs]

    def rungs(self, image_width: int) -> tuple[int, ...]:
        """Answer with the widths that make sense for an image: all narrower, and the next one.

        The rungs above the image's own width would all be the same picture.
        """
        narrower = sum(width < image_width for width in self.widths)
        return self.widths[: narrower + 1]
