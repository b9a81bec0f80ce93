"""The protocol of an engine, and the values that it answers with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from images_app.specs import RenditionSpec, Size

Output = tuple[RenditionSpec, IO[bytes]]
MOST_OFFSET = 14 * 60  # minutes between any clock on earth and UTC
HIGHEST = 100_000  # metres above or below the sea that a place can be


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file declares about itself before anything is decoded."""

    format: str  # a key of specs.CONTENT_TYPES
    width: int  # pixels as stored, before orientation
    height: int
    frames: int
    scans: int = 1  # passes over the whole picture, in a JPEG
    texts: int = 0  # text chunks, in a PNG


@dataclass(frozen=True, kw_only=True)
class Camera:
    """What the camera wrote down about the exposure. Never a place, never a serial number."""

    make: str = ""
    model: str = ""
    lens: str = ""
    exposure_time: float | None = None  # seconds
    f_number: float | None = None
    iso: int | None = None
    focal_length: float | None = None  # millimetres
    utc_offset: int | None = None  # minutes that the camera's clock was ahead of UTC

    def __bool__(self) -> bool:
        return self != Camera()


@dataclass(frozen=True, kw_only=True)
class Coordinates:
    """Where the camera stood, as its satellite receiver wrote down (WGS 84)."""

    latitude: float  # degrees, north is positive
    longitude: float  # degrees, east is positive
    altitude: float | None = None  # metres above the sea


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What one whole decode tells about an original."""

    orientation: int  # EXIF 1 to 8
    frames: int  # that can be shown
    dominant_color: str  # #rrggbb
    camera: Camera
    taken_at: dt.datetime | None  # naive where the camera wrote no offset
    location: Coordinates | None = None  # never in a rendition; shown only where a gallery says so


class Engine(Protocol):
    """Reads originals and makes renditions.

    Files are binary, seekable, and read from their start; they stay open.

    An engine that can draw watermarks says so with ``draws_watermarks = True``; without that
    word, settings that have some are refused.
    """

    @property
    def output_version(self) -> int:
        """Raised by hand when the output for the same spec changes; part of every fingerprint."""
        ...

    @property
    def input_formats(self) -> frozenset[str]:
        """What can be read here, of specs.CONTENT_TYPES: some decoders come as extras."""
        ...

    def read_header(self, file: IO[bytes], formats: tuple[str, ...], *, max_pixels: int) -> Header:
        """Read the header with a decoder of ``formats`` only.

        Raises:
            UploadRefused: ``damaged``, or ``too_many_pixels`` where the decoder's own limit is
                met first (the caller still compares with ``max_pixels``).

        """
        ...

    def inspect(self, file: IO[bytes], formats: tuple[str, ...]) -> Inspection:
        """Decode the whole file once, all its frames.

        Raises:
            UploadRefused: ``damaged``.

        """
        ...

    def render(
        self,
        source: IO[bytes],
        outputs: Sequence[Output],
        *,
        source_format: str,
        full_size: Size,
        focal_point: tuple[float, float],
    ) -> list[Size]:
        """Write a rendition to each output's file, from one decode of the source.

        Args:
            source: the original, or a smaller picture of the whole of it.
            source_format: what the source is; no other decoder is tried.
            outputs: a spec and the file to write for each rendition. What cannot draw a spec's
                ``watermark`` raises RenderFailed and never leaves it out: who is held to the
                marked picture would be sent the unmarked one under its name.
            full_size: (width, height) of the original as shown, in pixels.
            focal_point: (x, y), each from 0 to 1.

        Returns:
            Their sizes (width, height) in pixels, in the order of the outputs.

        Raises:
            RenderFailed: when the source cannot be decoded, or an output not encoded or marked.

        """
        ...
