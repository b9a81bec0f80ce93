"""The default engine: Pillow, held to an allow-list of formats."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from typing import IO, Any

from PIL import Image, ImageCms

from images_app.engines.base import Header, Inspection
from images_app.engines.exif import read_camera, read_orientation, read_taken_at
from images_app.exceptions import ImagesAppError, RenderFailed, UploadRefused
from images_app.specs import CONTENT_TYPES, Box, RenditionSpec, Size

_PILLOW_NAMES = {name: name.upper() for name in CONTENT_TYPES}
# An MPO is a JPEG with further pictures behind the first; the first is what we show.
_OUR_NAMES = {**{theirs: ours for ours, theirs in _PILLOW_NAMES.items()}, "MPO": "jpeg"}
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "jpeg": {"optimize": True, "progressive": True},
    "png": {"optimize": False, "compress_level": 6},
    "webp": {"method": 4},
    "avif": {"speed": 9},  # costs what WebP method 4 costs; see docs/decisions/0003
}
Cut = tuple[Box, Size]  # which part of the original, and how large it becomes
_SRGB = ImageCms.createProfile("sRGB")
_FIRST_SIDEWAYS = 5  # EXIF orientations from here on swap width and height
# ImageOps.exif_transpose would also write the tags anew, and fail where one of them is broken.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SAMPLE = 64  # pixels on a side, plenty to find the dominant colour


class PillowEngine:
    """Decodes with Pillow, once for each call, however many renditions it makes."""

    output_version = 1

    def read_header(self, file: IO[bytes], formats: tuple[str, ...], *, max_pixels: int) -> Header:
        """Read the header; see Engine."""
        too_large = UploadRefused("too_many_pixels", limit=max_pixels // 1_000_000)
        with (
            _reading(UploadRefused("damaged"), too_large=too_large),
            _open(file, formats) as image,
        ):
            name = _OUR_NAMES[image.format or ""]
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            return Header(format=name, width=image.width, height=image.height, frames=frames)

    def inspect(self, file: IO[bytes], formats: tuple[str, ...]) -> Inspection:
        """Decode once; see Engine."""
        with _reading(UploadRefused("damaged")), _open(file, formats) as image:
            camera, taken_at = read_camera(image), read_taken_at(image)
            orientation = read_orientation(image)
            image.draft("RGB", (_SAMPLE, _SAMPLE))
            image.load()
            return Inspection(
                orientation=orientation,
                dominant_color=_dominant_color(image),
                camera=camera,
                taken_at=taken_at,
            )

    def render(
        self,
        source: IO[bytes],
        outputs: Sequence[tuple[RenditionSpec, IO[bytes]]],
        *,
        focal_point: tuple[float, float],
    ) -> list[Size]:
        """Make renditions from one decode; see Engine."""
        with _reading(RenderFailed()), _open(source, tuple(CONTENT_TYPES)) as image:
            orientation = read_orientation(image)
            full = image.size if orientation < _FIRST_SIDEWAYS else image.size[::-1]
            cuts = [
                (spec.crop_box(*full, focal_point), spec.output_size(*full)) for spec, _ in outputs
            ]
            upright = _decode_upright(image, orientation, cuts)
            pictures = _step_down(upright, full, cuts, image.info.get("icc_profile"))
            for (spec, target), cut in zip(outputs, cuts, strict=True):
                _encode(pictures[cut], target, spec)
            return [size for _, size in cuts]


@contextlib.contextmanager
def _reading(failure: ImagesAppError, *, too_large: ImagesAppError | None = None) -> Iterator[None]:
    """Turn whatever Pillow raises into our failure."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large or failure from error
    except Exception as error:
        # OSError, ValueError, SyntaxError, KeyError, struct.error, MemoryError and more have
        # all been seen from hostile files.
        raise failure from error


def _open(file: IO[bytes], formats: tuple[str, ...]) -> Image.Image:
    file.seek(0)
    return Image.open(file, formats=[_PILLOW_NAMES[name] for name in formats])


def _decode_upright(image: Image.Image, orientation: int, cuts: list[Cut]) -> Image.Image:
    """Decode as small as JPEG's own scaling allows, twice the outputs for quality, and turn."""
    scale = min(1.0, max(2 * _scale_of(cut) for cut in cuts))
    image.draft(None, (round(image.width * scale), round(image.height * scale)))
    image.load()
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _scale_of(cut: Cut) -> float:
    """Tell how much smaller the output is than the part of the original that it shows."""
    (left, top, right, bottom), (width, height) = cut
    return max(width / (right - left), height / (bottom - top))


def _step_down(
    upright: Image.Image, full: Size, cuts: list[Cut], profile: bytes | None
) -> dict[Cut, Image.Image]:
    """Resize to every cut, the largest first; smaller ones of the same part start from it.

    A step starts only from what is at least twice as large, so that nobody can tell it from
    a resize of the original.
    """
    plain = _with_plain_mode(upright)
    pictures: dict[Cut, Image.Image] = {}
    for cut in sorted(set(cuts), key=_scale_of, reverse=True):
        box, size = cut
        ancestors = [
            picture
            for (other_box, _), picture in pictures.items()
            if other_box == box and picture.width >= 2 * size[0] and picture.height >= 2 * size[1]
        ]
        if ancestors:
            smallest = min(ancestors, key=lambda picture: picture.width)
            pictures[cut] = _resize(smallest, size, None)
        else:
            resized = _resize(plain, size, _scaled(box, full, upright.size))
            pictures[cut] = _to_srgb(resized, profile)
    return pictures


def _resize(image: Image.Image, size: Size, box: Box | None) -> Image.Image:
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=2.0)


def _encode(picture: Image.Image, target: IO[bytes], spec: RenditionSpec) -> None:
    finished = _flatten(picture, spec)
    # Pillow writes comments and the like from here into the new file.
    finished.info.clear()
    quality = {} if spec.format == "png" else {"quality": spec.quality}
    finished.save(target, _PILLOW_NAMES[spec.format], **_SAVE_OPTIONS[spec.format], **quality)


def _scaled(box: Box, original: Size, decoded: Size) -> Box:
    """Carry a box of the original over to its scaled decode, never over the edge.

    Each axis has its own scale: a scaled decode rounds both sides up.
    """
    left, top, right, bottom = box
    across, down = decoded[0] / original[0], decoded[1] / original[1]
    return (
        left * across,
        top * down,
        min(right * across, decoded[0]),
        min(bottom * down, decoded[1]),
    )


def _with_plain_mode(image: Image.Image) -> Image.Image:
    """Give pixels that can be resized: palettes, bits and 16 bits become 8-bit channels."""
    if image.mode in {"I;16", "I;16L", "I;16B", "I"}:
        return image.convert("I").point(lambda value: value / 256).convert("L")
    if image.has_transparency_data and image.mode not in {"RGBA", "LA"}:
        return image.convert("RGBA")
    if image.mode in {"L", "LA", "RGB", "RGBA", "CMYK"}:
        return image
    return image.convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert to sRGB, which every browser assumes where no profile is sent."""
    mode = "RGBA" if image.mode in {"RGBA", "LA"} else "RGB"
    if profile:
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError):
            return _convert_profile(image, profile, mode)
    return image.convert(mode)


def _convert_profile(image: Image.Image, profile: bytes, mode: str) -> Image.Image:
    own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if image.mode == "LA":
        image = image.convert("RGBA")
    if (own.profile.profile_description or "").startswith("sRGB"):
        return image.convert(mode)
    converted = ImageCms.profileToProfile(image, own, _SRGB, outputMode=mode)
    if converted is None:  # only when asked to work in place
        raise ValueError("no image")
    return converted


def _flatten(image: Image.Image, spec: RenditionSpec) -> Image.Image:
    """Lay transparency on the background where the format has none."""
    if image.mode != "RGBA" or spec.format != "jpeg":
        return image
    background = Image.new("RGBA", image.size, spec.background)
    return Image.alpha_composite(background, image).convert("RGB")


def _dominant_color(image: Image.Image) -> str:
    small = _with_plain_mode(image).resize((_SAMPLE, _SAMPLE), reducing_gap=2.0)
    if small.mode in {"RGBA", "LA"}:
        white = Image.new("RGBA", small.size, "#ffffff")
        small = Image.alpha_composite(white, small.convert("RGBA"))
    counted = small.convert("RGB").quantize(8).convert("RGB").getcolors() or [(1, (128, 128, 128))]
    _, color = max(counted, key=lambda entry: entry[0])
    red, green, blue = color if isinstance(color, tuple) else (color,) * 3
    return f"#{round(red):02x}{round(green):02x}{round(blue):02x}"
