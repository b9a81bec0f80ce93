"""Image files for tests, made in code."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image


def picture(
    image_format: str = "JPEG",
    size: tuple[int, int] = (64, 48),
    *,
    color: Any = (200, 60, 20),
    mode: str = "RGB",
    **save: Any,
) -> bytes:
    """The bytes of a picture: one colour, its lower right quarter blue."""
    image = Image.new(mode, size, color)
    if mode in {"RGB", "RGBA"}:
        width, height = size
        image.paste((20, 60, 200), (width // 2, height // 2, width, height))
    target = io.BytesIO()
    image.save(target, image_format, **save)
    return target.getvalue()


def noise(size: tuple[int, int] = (640, 480), image_format: str = "JPEG") -> bytes:
    """A picture that does not compress to nothing."""
    target = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(target, image_format, quality=90)
    return target.getvalue()


def upload(name: str = "cat.jpg", content: bytes | None = None, **kwargs: Any) -> Any:
    """An uploaded file."""
    return SimpleUploadedFile(name, picture(**kwargs) if content is None else content)


def opened(content: bytes) -> Image.Image:
    """The picture in some bytes, decoded."""
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def body(response: Any) -> bytes:
    """The whole body of a response, streamed or not."""
    return b"".join(response.streaming_content) if response.streaming else response.content


def bomb_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
