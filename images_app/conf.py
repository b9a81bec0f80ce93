"""The one reader of settings: the dict IMAGES_APP becomes a frozen, typed value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from images_app.access import Level
from images_app.delivery import Delivery
from images_app.engines import Engine
from images_app.policies import Policy
from images_app.presets import (
    DEFAULT_PRESETS,
    NAMES_OF_TYPES,
    parse_preset,
    refuse_other_than,
    refuse_unknown,
)
from images_app.signing import Signer
from images_app.specs import CONTENT_TYPES, Preset, Watermark
from images_app.validation import Limits
from images_app.watermarks import parse_levels, parse_watermarks

# Two aliases of STORAGES that a host must set: Django's default storage is public.
ORIGINALS = "images"
RENDITIONS = "image_renditions"

_INPUT_FORMATS = tuple(CONTENT_TYPES)  # no dict: what a host writes may have no hash
LOGGED = ("denial", "page", "gallery", "rendition", "original", "link")
_LISTS = {"formats", "access_log"}
_MOST_DAYS = 36_500
_PLAIN_TYPES = {"int": int, "str": str, "bool": bool}
_BACKEND_METHODS = {
    "POLICY": ("images", "galleries", "may_add"),
    "ENGINE": ("read_header", "inspect", "render"),
    "DELIVERY": ("deliver",),
    "SIGNING": ("sign", "verify"),
}


def _doc(text: str, **kwargs: Any) -> Any:
    return field(metadata={"doc": text}, **kwargs)


def _backend(path: str) -> Any:
    return lambda: {"BACKEND": path, "OPTIONS": {}}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The keys of IMAGES_APP in lower case, each with its default and what it is for."""

    policy: Mapping[str, Any] = _doc(
        "Who may see what: `BACKEND`, a dotted path, and `OPTIONS`.",
        default_factory=_backend("images_app.policies.DefaultPolicy"),
    )
    engine: Mapping[str, Any] = _doc(
        "What decodes and encodes: `BACKEND` and `OPTIONS`.",
        default_factory=_backend("images_app.engines.bounded.BoundedEngine"),
    )
    delivery: Mapping[str, Any] = _doc(
        "How bytes leave: `BACKEND` and `OPTIONS`.",
        default_factory=_backend("images_app.delivery.StreamingDelivery"),
    )
    signing: Mapping[str, Any] = _doc(
        "What signs the URLs of renditions in pages, so that whoever has one needs no session: "
        "`BACKEND` and `OPTIONS`. Empty: nothing does, and each request is decided.",
        default_factory=dict,
    )
    presets: Mapping[str, Preset] = _doc(
        "Named sizes, added to the built-in `thumb` and `ladder` or replacing them.",
        default_factory=dict,
    )
    thumbnail_preset: str = _doc(
        "The preset of covers, admin previews and viewers who may only preview.", default="thumb"
    )
    ladder_preset: str = _doc("The preset of gallery and image pages.", default="ladder")
    watermarks: Mapping[str, Watermark] = _doc(
        "Named watermarks, each a `text` or an `image`.", default_factory=dict
    )
    watermark_levels: Mapping[Level, str] = _doc(
        "The watermark that everyone gets whose best level is `preview` or `view`.",
        default_factory=dict,
    )
    formats: tuple[str, ...] = _doc(
        "The formats that are let in. Further ones are `bmp`, `tiff`, and with the extra `heif` "
        "`heic`; pages show them converted.",
        default=("jpeg", "png", "gif", "webp", "avif"),
    )
    max_upload_bytes: int = _doc("The largest file that is let in, in bytes.", default=100 * 2**20)
    max_pixels: int = _doc("The most pixels (width x height) of an image.", default=50_000_000)
    max_frames: int = _doc("The most frames of an animation.", default=500)
    max_animation_pixels: int = _doc(
        "The most pixels of all frames of an animation together.", default=100_000_000
    )
    storage: str = _doc(
        "The alias of `STORAGES` where new originals go; those that are there stay where they "
        "are until `images_move`.",
        default=ORIGINALS,
    )
    strip_originals: bool = _doc(
        "Whether JPEG originals lose their metadata before they are kept: camera, place, "
        "texts, previews; not the pixels, the colour profile or the orientation.",
        default=False,
    )
    max_user_bytes: int = _doc(
        "The most bytes of all originals of one owner together; 0 is no bound.", default=0
    )
    max_gallery_images: int = _doc("The most images in one gallery; 0 is no bound.", default=0)
    upload_days: int = _doc(
        "Days that an upload that was broken off can be resumed; then its parts go.", default=1
    )
    trash_days: int = _doc(
        "Days that an image stays in the trash before `images_clean` deletes it.", default=30
    )
    quarantine_days: int = _doc(
        "Days that an original which no record names waits in quarantine, after "
        "`images_reconcile --fix`, before it is deleted.",
        default=30,
    )
    remote: Mapping[str, Any] = _doc(
        "For `images_app.contrib.remote`: `HOSTS` that images may be fetched from, and limits. "
        "Empty: nothing is fetched.",
        default_factory=dict,
    )
    render_at_upload: bool = _doc(
        "Whether new images are rendered in all sizes by a task, instead of when they are "
        "first looked at.",
        default=False,
    )
    max_decodes: int = _doc(
        "Images that one process decodes at once; 0 is one per processor.", default=0
    )
    render_patience: int = _doc(
        "Seconds that a request waits for a rendition that others are making, or for a place "
        "to decode in, before it answers 503.",
        default=10,
    )
    rendition_cache: str = _doc(
        "An alias of `CACHES` that keeps small renditions, for storages that are far away; "
        "read only after authorisation. Empty for none.",
        default="",
    )
    rendition_cache_max_bytes: int = _doc(
        "The largest rendition that is kept there, in bytes.", default=64 * 1024
    )
    original_max_age: int = _doc(
        "Seconds that a browser may reuse an original without asking.", default=600
    )
    page_size: int = _doc("Images on one page of a gallery.", default=100)
    share_link_days: int = _doc(
        "Days that a share link lives, unless it says so itself.", default=30
    )
    max_share_links: int = _doc(
        "The most live share links of one person to one gallery or image; 0 is no bound.",
        default=100,
    )
    access_log: tuple[str, ...] = _doc(
        "What is written into the access log: `denial` (all that is refused), and what is let in: "
        "`page`, `gallery`, `rendition`, `original`, `link`. Empty: nothing is.",
        default=(),
    )
    access_log_days: int = _doc("Days that an entry of the access log is kept.", default=90)
    access_log_strangers: int = _doc(
        "The most denials of people who are not logged in that one process writes into the access "
        "log in a minute; 0 is no bound.",
        default=60,
    )
    access_log_sample: int = _doc(
        "Of the denials of people who are not logged in, one of so many is written, by chance; 1 "
        "is each.",
        default=1,
    )


@cache
def get_settings() -> Settings:
    """Read IMAGES_APP.

    Raises:
        ImproperlyConfigured: for an unknown key or a value that makes no sense, saying which.

    """
    given = getattr(django_settings, "IMAGES_APP", {})
    known = [f.name.upper() for f in dataclasses.fields(Settings)]
    refuse_unknown("IMAGES_APP", given, known)
    values = {key.lower(): value for key, value in given.items()}
    presets = values.get("presets", {})
    refuse_other_than(Mapping, "IMAGES_APP['PRESETS']", presets)
    values["presets"] = {
        name: parse_preset(name, preset) for name, preset in {**DEFAULT_PRESETS, **presets}.items()
    }
    marks = values["watermarks"] = parse_watermarks(values.get("watermarks", {}))
    values["watermark_levels"] = parse_levels(values.get("watermark_levels", {}), marks)
    for key in _LISTS & values.keys():
        refuse_other_than(Sequence, f"IMAGES_APP[{key.upper()!r}]", values[key])
        values[key] = tuple(values[key])
    parsed = Settings(**values)
    _check_values(parsed)
    return parsed


@cache
def get_policy() -> Policy:
    """Answer with the configured policy."""
    policy: Policy = _build("POLICY", get_settings().policy)
    return policy


@cache
def get_engine() -> Engine:
    """Answer with the configured engine."""
    engine: Any = _build("ENGINE", get_settings().engine)
    # Engines know no Django; this is what they need of it.
    if getattr(engine, "temporary_folder", "") is None:
        engine.temporary_folder = django_settings.FILE_UPLOAD_TEMP_DIR
    return cast("Engine", engine)


def get_limits() -> Limits:
    """Answer with the bounds of an upload; formats whose decoder is not installed are none."""
    settings, readable = get_settings(), get_engine().input_formats
    return Limits(
        max_bytes=settings.max_upload_bytes,
        max_pixels=settings.max_pixels,
        max_frames=settings.max_frames,
        max_animation_pixels=settings.max_animation_pixels,
        formats=tuple(name for name in settings.formats if name in readable),
    )


@cache
def get_delivery() -> Delivery:
    """Answer with the configured delivery."""
    delivery: Delivery = _build("DELIVERY", get_settings().delivery)
    return delivery


@cache
def get_signer() -> Signer | None:
    """Answer with the configured signer; None where URLs are not signed."""
    given = get_settings().signing
    if not given:
        return None
    signer: Signer = _build("SIGNING", given)
    return signer


def watermark_of(level: int) -> str:
    """Answer with the name of the watermark for whom this level is the best; "" for none."""
    best = max((each for each in Level if each <= level), default=Level.PREVIEW)
    return get_settings().watermark_levels.get(best, "")


def _build(key: str, given: Mapping[str, Any]) -> Any:
    refuse_unknown(f"IMAGES_APP[{key!r}]", given, ["BACKEND", "OPTIONS"])
    if "BACKEND" not in given:
        message = f"IMAGES_APP[{key!r}] lacks 'BACKEND', the dotted path of a class."
        raise ImproperlyConfigured(message)
    try:
        backend = import_string(str(given["BACKEND"]))(**given.get("OPTIONS", {}))
    except Exception as error:
        # Whatever a host's own class raises, it is the setting that cannot be used.
        message = f"IMAGES_APP[{key!r}] cannot be used: {error}"
        raise ImproperlyConfigured(message) from error
    missing = [name for name in _BACKEND_METHODS[key] if not callable(getattr(backend, name, None))]
    if missing:
        message = f"IMAGES_APP[{key!r}] cannot be used: it has no {', no '.join(missing)}."
        raise ImproperlyConfigured(message)
    return backend


def _check_values(parsed: Settings) -> None:
    for known in dataclasses.fields(Settings):
        wanted = _PLAIN_TYPES.get(str(known.type))
        if wanted and type(getattr(parsed, known.name)) is not wanted:
            message = f"IMAGES_APP[{known.name.upper()!r}] must be {NAMES_OF_TYPES[wanted]}."
            raise ImproperlyConfigured(message)
    choices = {
        "FORMATS": _INPUT_FORMATS,
        "ACCESS_LOG": LOGGED,
        "RENDITION_CACHE": django_settings.CACHES,
        "THUMBNAIL_PRESET": parsed.presets,
        "LADDER_PRESET": parsed.presets,
    }
    for key, is_wrong in _problems(parsed).items():
        if is_wrong:
            message = f"IMAGES_APP[{key!r}] cannot be {getattr(parsed, key.lower())!r}."
            if key in choices:
                message += f" There are {', '.join(choices[key])}."
            raise ImproperlyConfigured(message)


def _problems(parsed: Settings) -> dict[str, bool]:
    """Tell of each key that has bounds whether its value is beyond them."""
    return {
        "THUMBNAIL_PRESET": parsed.thumbnail_preset not in parsed.presets,
        "LADDER_PRESET": parsed.ladder_preset not in parsed.presets,
        "FORMATS": not parsed.formats or any(f not in _INPUT_FORMATS for f in parsed.formats),
        "MAX_UPLOAD_BYTES": parsed.max_upload_bytes < 1,
        "MAX_PIXELS": parsed.max_pixels < 1,
        "MAX_FRAMES": parsed.max_frames < 1,
        "MAX_ANIMATION_PIXELS": parsed.max_animation_pixels < 1,
        "MAX_USER_BYTES": parsed.max_user_bytes < 0,
        "MAX_GALLERY_IMAGES": parsed.max_gallery_images < 0,
        "UPLOAD_DAYS": not 1 <= parsed.upload_days <= _MOST_DAYS,
        "TRASH_DAYS": not 1 <= parsed.trash_days <= _MOST_DAYS,
        "QUARANTINE_DAYS": not 1 <= parsed.quarantine_days <= _MOST_DAYS,
        "MAX_DECODES": parsed.max_decodes < 0,
        "RENDER_PATIENCE": parsed.render_patience < 0,
        "RENDITION_CACHE": parsed.rendition_cache not in {"", *django_settings.CACHES},
        "RENDITION_CACHE_MAX_BYTES": parsed.rendition_cache_max_bytes < 1,
        "ORIGINAL_MAX_AGE": parsed.original_max_age < 0,
        "PAGE_SIZE": not 1 <= parsed.page_size <= 1000,  # noqa: PLR2004
        "SHARE_LINK_DAYS": not 1 <= parsed.share_link_days <= _MOST_DAYS,
        "MAX_SHARE_LINKS": parsed.max_share_links < 0,
        "ACCESS_LOG": any(kind not in LOGGED for kind in parsed.access_log),
        "ACCESS_LOG_DAYS": not 1 <= parsed.access_log_days <= _MOST_DAYS,
        "ACCESS_LOG_STRANGERS": parsed.access_log_strangers < 0,
        "ACCESS_LOG_SAMPLE": parsed.access_log_sample < 1,
    }


def _forget(*, setting: str, **_: Any) -> None:
    if setting in {"IMAGES_APP", "CACHES", "FILE_UPLOAD_TEMP_DIR"}:
        for cached in (get_settings, get_policy, get_engine, get_delivery, get_signer):
            cached.cache_clear()


setting_changed.connect(_forget)
