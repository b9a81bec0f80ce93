"""Names of exported files: safe on every system, each once, whatever was uploaded."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

from images_app.models import AbstractImage
from images_app.specs import EXTENSIONS

_RESERVED = re.compile(r'[<>:"/\\|?*]')
_LONGEST = 120  # bytes; file systems take 255, some that encrypt 143
_INVISIBLE = "C"  # Unicode's categories of control, format, surrogate and unassigned characters


def export_name(image: AbstractImage, number: int) -> str:
    """Answer with ``000012-cat.jpg``: the number makes it unique, and keeps a "-" from its start.

    The extension is that of our own record of the format.
    """
    stem = _safe(PurePosixPath(image.file_name).stem)
    name = f"{number:06}-{stem}" if stem else f"{number:06}"
    return f"{name}.{EXTENSIONS[image.format]}"


def damaged_name(name: str) -> str:
    """Answer with the name for bytes that are not what was once kept."""
    path = PurePosixPath(name)
    return f"{path.stem}.damaged{path.suffix}"


def _safe(stem: str) -> str:
    visible = "".join(
        "_" if unicodedata.category(character).startswith(_INVISIBLE) else character
        for character in unicodedata.normalize("NFC", stem)
    )
    kept = _RESERVED.sub("_", visible).encode()[:_LONGEST].decode(errors="ignore")
    return kept.strip(" .-_")
