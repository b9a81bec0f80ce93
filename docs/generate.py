"""Writes the generated parts of the docs, and the uploader's script.

With --check, it tells whether they are up to date.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

import django  # noqa: E402

django.setup()

from bundle import bundle  # noqa: E402

from images_app.checks import STORAGES_TO_PASTE  # noqa: E402
from images_app.conf import Settings  # noqa: E402
from images_app.presets import DEFAULT_PRESETS  # noqa: E402


def _default(field: dataclasses.Field[object]) -> str:
    if field.name == "presets":
        return "`thumb` and `ladder`, below"
    if field.default_factory is not dataclasses.MISSING:
        value: object = field.default_factory()
        return f"`{value.get('BACKEND', value)!s}`" if isinstance(value, dict) else f"`{value!r}`"
    if isinstance(field.default, tuple):
        return ", ".join(f"`{item}`" for item in field.default) or "`()`"
    return f"`{field.default!r}`"


def settings_table() -> str:
    """The keys of IMAGES_APP."""
    rows = ["| key | default | what it is for |", "|---|---|---|"]
    rows += [
        f"| `{field.name.upper()}` | {_default(field)} | {field.metadata['doc']} |"
        for field in dataclasses.fields(Settings)
    ]
    return "\n".join(rows)


def presets() -> str:
    """The built-in presets, as one would write them."""
    lines = [f"    {name!r}: {dict(preset)!r}," for name, preset in DEFAULT_PRESETS.items()]
    return "\n".join(["```python", '"PRESETS": {', *lines, "}", "```"]).replace("'", '"')


def storages() -> str:
    """What the check E001 prints."""
    return f"```python\n{STORAGES_TO_PASTE}\n```"


PARTS = {
    "docs/reference/settings.md": {
        "settings": settings_table,
        "presets": presets,
        "storages": storages,
    }
}
WHOLE = {"images_app/static/images_app/uploader.js": bundle}


def with_part(text: str, name: str, content: str) -> str:
    """Put content between the marks of that name."""
    start, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n{content}\n{end}{after}"


def main() -> int:
    """Write or check; 1 when something was out of date."""
    stale = []
    for path, parts in PARTS.items():
        file = ROOT / path
        text = file.read_text()
        for name, make in parts.items():
            text = with_part(text, name, make())
        if text != file.read_text():
            stale.append(path)
            if "--check" not in sys.argv:
                file.write_text(text)
    for path, make in WHOLE.items():
        file = ROOT / path
        if not file.exists() or file.read_text() != make():
            stale.append(path)
            if "--check" not in sys.argv:
                file.write_text(make())
    if stale and "--check" in sys.argv:
        sys.stderr.write(f"Out of date: {', '.join(stale)}. Run make docs.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
