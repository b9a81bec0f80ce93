"""What the URLs of renditions stand for: the only sizes that exist."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from images_app.conf import get_engine, get_settings
from images_app.specs import Preset, RenditionSpec, fingerprint_of, format_of


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a URL of a rendition stands for."""

    presets: tuple[Preset, ...]  # of one level
    specs: tuple[RenditionSpec, ...]  # one, or best first for the Accept header to choose from
    watermark: str = ""  # its name; empty for none


@cache
def meanings() -> dict[tuple[str, str], Meaning]:
    """Answer with what a URL's (fingerprint, format or "auto") means: the only sizes that exist.

    Raises:
        ImproperlyConfigured: when two presets make the same bytes for different levels, or the
            engine does not say that it can draw watermarks.

    """
    version, settings = get_engine().output_version, get_settings()
    if settings.watermarks and not getattr(get_engine(), "draws_watermarks", False):
        raise ImproperlyConfigured("IMAGES_APP['WATERMARKS']: the engine draws none.")
    found: dict[tuple[str, str], Meaning] = {}
    marks = {"": None, **settings.watermarks}
    for preset, (name, mark) in product(settings.presets.values(), marks.items()):
        for specs in preset.choices(mark):
            key = (fingerprint_of(specs, version), format_of(specs))
            others = found[key].presets if key in found else ()
            if any(other.level != preset.level for other in others):
                message = (
                    f"IMAGES_APP['PRESETS']: {others[0].name!r} and {preset.name!r} make the same "
                    f"rendition at different levels. Give one of them another size or quality."
                )
                raise ImproperlyConfigured(message)
            found[key] = Meaning(presets=(*others, preset), specs=specs, watermark=name)
    return found


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "IMAGES_APP":
        meanings.cache_clear()


setting_changed.connect(_forget)
