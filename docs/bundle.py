"""Joins the uploader's modules into one script, which works under any static storage."""

from __future__ import annotations

import re
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent.parent / "images_app/static/images_app"
_ENTRY = "uploads.js"
_IMPORT = re.compile(r'^import (\{.*?\}) from "(\./[\w./-]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:class|function|const) (\w+))", re.MULTILINE)
_HEAD = """\
/* Made of uploads.js and uploads/ by "make docs": change those. One file, for names that are
   hashed, and no module, for a static host that sends no CORS header. */
"use strict";
(() => {
"""


def bundle() -> str:
    """Each module becomes a function, called once, that returns what the module exports."""
    parts: dict[Path, str] = {}
    _add(_FOLDER / _ENTRY, parts)
    return _HEAD + "\n".join(parts.values()) + "})();\n"


def _add(path: Path, parts: dict[Path, str]) -> None:
    """Add a module behind those that it imports."""
    text = path.read_text()
    for _names, target in _IMPORT.findall(text):
        if (other := _resolved(path, target)) not in parts:
            _add(other, parts)
    text = _IMPORT.sub(lambda m: f"const {m[1]} = {_name(_resolved(path, m[2]))};\n", text)
    exported = ", ".join(_EXPORT.findall(text))
    text = _EXPORT.sub("", text)
    if path.name == _ENTRY:
        parts[path] = text
    else:
        parts[path] = f"const {_name(path)} = (() => {{\n{text}\nreturn {{{exported}}};\n}})();\n"


def _resolved(path: Path, target: str) -> Path:
    return (path.parent / target).resolve()


def _name(path: Path) -> str:
    return f"{path.stem}Module"
