"""The default engine's pixels: Pillow, held to an allow-list of formats."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

from PIL import Image

from images_app.engines.base import Header, Inspection, Output
from images_app.engines.color import dominant_color, flatten, harden
from images_app.engines.exif import read_camera, read_location, read_orientation, read_taken_at
from images_app.engines.film import Film, count_frames, loop_option
from images_app.engines.opening import check_whole_jpeg, decodes_of_jpeg, load, open_image
from images_app.engines.resizing import Cut, Decoded, resize_all, whole
from images_app.engines.splicing import whole_file
from images_app.engines.structure import count_scans, count_texts
from images_app.engines.watermarking import marker_of
from images_app.exceptions import RenderFailed, UploadRefused
from images_app.specs import CONTENT_TYPES, Box, RenditionSpec, Size, scale_of

try:
    import pi_heif
except ImportError:
    _ABSENT = frozenset({"heic"})
else:
    _ABSENT = frozenset()
    # Its thumbnails and depth maps are no pictures to show.
    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)

_PILLOW_NAMES = {**{name: name.upper() for name in CONTENT_TYPES}, "heic": "HEIF"}
# An MPO is a JPEG with further pictures behind the first; the first is what we show.
_OUR_NAMES = {**{theirs: ours for ours, theirs in _PILLOW_NAMES.items()}, "MPO": "jpeg"}
# Their further pictures are pages or takes, not frames.
_NEVER_ANIMATED = frozenset({"MPO", "TIFF", "HEIF"})
_TURNED_BY_DECODER = frozenset({"TIFF", "HEIF"})
_INPUT_FORMATS = frozenset(CONTENT_TYPES) - _ABSENT
# Effort and colour, as measured: docs/decisions/0003.
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "jpeg": {"optimize": True, "progressive": True, "subsampling": "4:2:2"},
    "png": {"optimize": False, "compress_level": 6},
    "webp": {"method": 2},
    "avif": {"speed": 9, "subsampling": "4:4:4"},
    "gif": {},
}
_WITHOUT_QUALITY = frozenset({"png", "gif"})
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
_SIDEWAYS = frozenset({5, 6, 7, 8})  # those that swap width and height
_FROM_THE_RIGHT = frozenset({2, 3, 6, 7})  # those whose left edge, upright, is stored last
_FROM_BELOW = frozenset({3, 4, 7, 8})  # and whose upper edge is
_WEBP_CHUNK, _WEBP_FLAGS, _WEBP_ALPHA = 12, 20, 0x10  # positions of bytes, and a bit
_JPEG_HEAD, _PNG_HEAD = b"\xff\xd8", b"\x89P"
_GLANCE = (64, 64)  # pixels that are enough for the dominant colour


class PillowEngine:
    """Decodes with Pillow, once for each call, however many still renditions it makes."""

    output_version = 3
    input_formats = _INPUT_FORMATS
    draws_watermarks = True

    def read_header(self, file: IO[bytes], formats: tuple[str, ...], *, max_pixels: int) -> Header:
        """Read the header; see Engine."""
        with _refusing(UploadRefused("too_many_pixels", limit=max_pixels // 1_000_000)):
            # Counted first: the decoder works on every part as soon as it opens the file.
            view = whole_file(file)
            head = view.read(2)
            scans = count_scans(view) * decodes_of_jpeg(view) if head == _JPEG_HEAD else 1
            texts = count_texts(view) if head == _PNG_HEAD else 0
            with _open(file, formats) as image:
                return Header(
                    format=_OUR_NAMES[image.format or ""],
                    width=image.width,
                    height=image.height,
                    frames=_count_frames(image),
                    scans=scans,
                    texts=texts,
                )

    def inspect(self, file: IO[bytes], formats: tuple[str, ...]) -> Inspection:
        """Decode once; see Engine."""
        with _refusing(), _open(file, formats) as image:
            camera, taken_at = read_camera(image), read_taken_at(image)
            location, orientation = read_location(image), _orientation_of(image)
            check_whole_jpeg(file)
            image.draft("RGB", _GLANCE)
            load(image, file)
            color = dominant_color(image)
            return Inspection(
                orientation=orientation,
                frames=_decode_frames(image),
                dominant_color=color,
                camera=camera,
                taken_at=taken_at,
                location=location,
            )

    def render(
        self,
        source: IO[bytes],
        outputs: Sequence[Output],
        *,
        source_format: str,
        full_size: Size,
        focal_point: tuple[float, float],
    ) -> list[Size]:
        """Make renditions from one decode, animated ones from one each; see Engine."""
        cuts = [
            (spec.crop_box(*full_size, focal_point), spec.output_size(*full_size))
            for spec, _ in outputs
        ]
        if source_format not in self.input_formats:
            message = f"no decoder for {source_format}"
            raise RenderFailed(message)
        with _failing():
            stills = [cut for (spec, _), cut in zip(outputs, cuts, strict=True) if _is_still(spec)]
            pictures: dict[Cut, Image.Image] = {}
            if stills:
                scale = max(scale_of(*cut) for cut in stills)
                # Under no name of ours, so that it is gone when encoders want memory.
                pictures = resize_all(
                    _decode(source, source_format, full_size, scale), full_size, stills
                )
            for (spec, target), cut in zip(outputs, cuts, strict=True):
                if _is_still(spec):
                    _encode(pictures[cut], target, spec)
                else:
                    with _open(source, (source_format,)) as image:
                        _encode_film(image, target, spec, full_size, cut)
        return [size for _, size in cuts]


@contextlib.contextmanager
def _refusing(too_large: UploadRefused | None = None) -> Iterator[None]:
    """Turn whatever Pillow raises into our refusal."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_large or UploadRefused("damaged") from error
    except MemoryError as error:
        raise UploadRefused("too_complex") from error
    except Exception as error:
        # OSError, ValueError, SyntaxError, KeyError, struct.error and more have all been seen
        # from hostile files.
        raise UploadRefused("damaged") from error


@contextlib.contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except RenderFailed:
        raise
    except Exception as error:
        raise RenderFailed(type(error).__name__) from error


def _open(file: IO[bytes], formats: Iterable[str]) -> Image.Image:
    return open_image(file, [_PILLOW_NAMES[name] for name in formats])


def _count_frames(image: Image.Image) -> int:
    return 1 if image.format in _NEVER_ANIMATED else count_frames(image)


def _decode_frames(image: Image.Image) -> int:
    """Decode all frames, and count them; what is no proper animation is a still picture.

    That is a PNG whose frames are out of order, as APNG demands, and a GIF that grows. What
    merely breaks off is damaged, whatever the format.
    """
    frames = _count_frames(image)
    if frames > 1:
        try:
            film = Film(image, lambda frame: frame)
            for number in range(frames):
                film.seek(number)
        except SyntaxError:
            return 1
    return frames


def _orientation_of(image: Image.Image) -> int:
    return 1 if image.format in _TURNED_BY_DECODER else read_orientation(image)


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _is_still(spec: RenditionSpec) -> bool:
    return not spec.is_animated


def _encode(picture: Image.Image, target: IO[bytes], spec: RenditionSpec) -> None:
    marked = marker_of(spec.watermark, picture.size)(picture)
    finished = flatten(marked, spec.background) if spec.format == "jpeg" else marked
    # Pillow writes comments and the like from here into the new file.
    finished.info.clear()
    finished.save(target, _PILLOW_NAMES[spec.format], **_options(spec))


def _decode(source: IO[bytes], source_format: str, full_size: Size, scale: float) -> Decoded:
    """Decode as small as JPEG's own scaling allows without a loss to be seen at that scale."""
    # Twice the outputs is enough; where it costs no whole decode, a little more is better.
    scale = min(1.0, max(2 * scale, min(0.5, 2.5 * scale)))
    wanted = round(full_size[0] * scale), round(full_size[1] * scale)
    with _open(source, (source_format,)) as image:
        orientation = _orientation_of(image)
        check_whole_jpeg(source)
        drafted = image.draft(None, wanted[::-1] if orientation in _SIDEWAYS else wanted)
        load(image, source)
        # The pixels alone: the decoder, which goes now, holds as much again, for WebP thrice.
        pixels = image._new(image.im)  # noqa: SLF001 (nothing public shares pixels)
        return Decoded(
            picture=_upright(pixels, orientation),
            shown=_turned(drafted[1] if drafted else whole(image), image.size, orientation),
            profile=image.info.get("icc_profile"),
        )


def _turned(box: Box, size: Size, orientation: int) -> Box:
    """Turn a box as ``_upright`` turns the picture of that size around it."""
    left, top, right, bottom = box
    if orientation in _SIDEWAYS:
        (left, top, right, bottom), size = (top, left, bottom, right), size[::-1]
    if orientation in _FROM_THE_RIGHT:
        left, right = size[0] - right, size[0] - left
    if orientation in _FROM_BELOW:
        top, bottom = size[1] - bottom, size[1] - top
    return left, top, right, bottom


def _encode_film(
    image: Image.Image, target: IO[bytes], spec: RenditionSpec, full_size: Size, cut: Cut
) -> None:
    orientation, profile = _orientation_of(image), image.info.get("icc_profile")
    mark = marker_of(spec.watermark, cut[1])

    def develop(frame: Image.Image) -> Image.Image:
        upright = _upright(frame, orientation)
        decoded = Decoded(picture=upright, shown=whole(upright), profile=profile)
        picture = resize_all(decoded, full_size, [cut])[cut]
        if spec.format != "gif":
            return mark(picture)
        return harden(mark(harden(picture)))  # half of a mark must not make half an edge whole

    film = Film(image, develop)
    options = {**_options(spec), **loop_option(spec.format, film.plays)}
    if spec.format == "gif" and image.has_transparency_data:
        options["disposal"] = 2  # what a frame leaves transparent must not show the last one
    film.save(target, _PILLOW_NAMES[spec.format], save_all=True, duration=film.durations, **options)
    if spec.format == "webp" and film.mode == "RGBA":
        _say_transparent(target)


def _say_transparent(target: IO[bytes]) -> None:
    """Set the alpha flag of an animated WebP (RFC 9649, 2.7).

    The encoder leaves it out where it could cut every frame to its opaque part, and then some
    decoders show black around them.
    """
    target.seek(_WEBP_CHUNK)
    if target.read(4) == b"VP8X":  # else all frames were one
        target.seek(_WEBP_FLAGS)
        flags = target.read(1)[0]
        target.seek(_WEBP_FLAGS)
        target.write(bytes([flags | _WEBP_ALPHA]))
    target.seek(0, 2)


def _options(spec: RenditionSpec) -> dict[str, Any]:
    quality = {} if spec.format in _WITHOUT_QUALITY else {"quality": spec.quality}
    return {**_SAVE_OPTIONS[spec.format], **quality}
