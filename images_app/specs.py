"""RenditionSpec and Preset: which sizes and formats an image has, as frozen values."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
from collections.abc import Iterator, Mapping
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
    }
)
EXTENSIONS: Mapping[str, str] = MappingProxyType({**{f: f for f in CONTENT_TYPES}, "jpeg": "jpg"})
OUTPUT_FORMATS = ("avif", "webp", "jpeg", "png")
# Perceived quality is about equal across the three; see docs/decisions/0003.
DEFAULT_QUALITY: Mapping[str, int] = MappingProxyType(
    {"jpeg": 82, "webp": 80, "avif": 62, "png": 0}
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


@dataclass(frozen=True, kw_only=True)
class RenditionSpec:
    """How a rendition differs from its original.

    ``width`` and ``height`` are the box in pixels (``height`` is None for Fit.WIDTH),
    ``quality`` is 1-100 in the format's own scale, ``background`` (#rrggbb) is what
    shows through where the format has no transparency.
    """

    width: int
    height: int | None
    fit: Fit
    format: str
    quality: int
    background: str

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


@lru_cache(maxsize=4096)  # a page asks for the same few hundreds of times
def _fingerprint(spec: RenditionSpec, output_version: int) -> str:
    values = {**dataclasses.asdict(spec), "fit": spec.fit.value, "output": output_version}
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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

    def spec(self, width: int, image_format: str) -> RenditionSpec:
        """Answer with the spec of one rung."""
        return RenditionSpec(
            width=width,
            height=self.height,
            fit=self.fit,
            format=image_format,
            quality=self.quality.get(image_format, DEFAULT_QUALITY[image_format]),
            background=self.background,
        )

    def specs(self) -> Iterator[RenditionSpec]:
        """Yield every spec of this preset."""
        for image_format in self.formats:
            for width in self.widths:
                yield self.spec(width, image_format)

    def rungs(self, image_width: int) -> tuple[int, ...]:
        """Answer with the widths that make sense for an image: all narrower, and the next one.

        The rungs above the image's own width would all be the same picture.
        """
        narrower = sum(width < image_width for width in self.widths)
        return self.widths[: narrower + 1]
