"""The ways to deliver that are measured, each a small value."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.delivery.nginx import SECRET, STATIC_FILES, deployed

GALLERY_SIZE = 60
LIFETIME = 24 * 3600  # seconds of a signature, so that none expires while we measure


class Table(enum.Enum):
    """What is asked for; each gets a table of its own."""

    ONE = "one rendition, nothing cached"
    AGAIN = "one rendition, asked again with its validators"
    GALLERY = "a gallery of 60 renditions, nothing cached"
    GALLERY_AGAIN = "a gallery of 60 renditions, asked again with their validators"

    @property
    def is_revisit(self) -> bool:
        """Whether validators of a first visit are sent."""
        return self in {Table.AGAIN, Table.GALLERY_AGAIN}

    @property
    def is_gallery(self) -> bool:
        """Whether it is many addresses in turn."""
        return self in {Table.GALLERY, Table.GALLERY_AGAIN}


@dataclass(frozen=True, kw_only=True)
class Mode:
    """One way to deliver."""

    name: str
    asks: str  # a key of addresses.addresses()
    note: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What Django is told on top; the keys of IMAGES_APP are merged with ours. JSON only."""
    nginx: str | None = None
    """A whole nginx.conf with the places of deploy/'s, which nginx.py fits; None to ask Django's
    server itself."""
    has_cookie: bool = True
    has_django: bool = True  # else nginx answers by itself, and its settings do not matter
    has_body: bool = True
    table: Table = Table.ONE


def _ours(**settings: Any) -> dict[str, Any]:
    return {"IMAGES_APP": settings}


def _signed_by(name: str, **options: Any) -> dict[str, Any]:
    backend = {"BACKEND": f"images_app.signing.{name}", "OPTIONS": {"lifetime": LIFETIME} | options}
    return _ours(SIGNING=backend)


_EMPTY = Mode(name="empty view", asks="empty", has_body=False, note="guards and sends nothing")
_LOGIN = Mode(name="hand-written, login", asks="login only", note="FileResponse")
_OWNER = Mode(name="hand-written, owner", asks="owner only", note="FileResponse")
_PRIVATE_STORAGE = Mode(
    name="django-private-storage", asks="private-storage", note="checks the login"
)
_WAGTAIL = Mode(name="Wagtail", asks="wagtail", note="checks a signature, no login")
_FILER = Mode(name="django-filer", asks="filer", note="checks the owner")
_STREAMING = Mode(name="images_app, streaming", asks="ours", note="checks by the policy")
_SIGNED = Mode(
    name="images_app, signed, Django",
    asks="ours",
    settings=_signed_by("DjangoSigner"),
    note="checks a signature made by the policy",
)
ACCEL = Mode(
    name="images_app, nginx X-Accel",
    asks="ours",
    settings=_ours(DELIVERY={"BACKEND": "images_app.delivery.NginxDelivery"}),
    nginx=deployed(),
    note="checks by the policy",
)
_SECURE_LINK = Mode(
    name="images_app, nginx secure_link",
    asks="ours",
    settings=_signed_by("SecureLinkSigner", secret=SECRET),
    nginx=deployed("secure-link"),
    has_django=False,
    note="checks a signature made by the policy",
)
_AUTH_REQUEST = Mode(
    name="images_app, nginx auth_request",
    asks="ours",
    nginx=deployed("auth-request"),
    note="checks by the policy, every 5 s",
)
_STATIC = Mode(
    name="nginx, static file",
    asks="static",
    nginx=STATIC_FILES,
    has_cookie=False,
    has_django=False,
    note="guards nothing",
)

BY_DJANGO = (_STREAMING, _SIGNED)
BY_NGINX = (ACCEL, _SECURE_LINK, _AUTH_REQUEST)
ONE = (
    *(_EMPTY, _LOGIN, _OWNER, _PRIVATE_STORAGE, _WAGTAIL, _FILER),
    *(*BY_DJANGO, *BY_NGINX, _STATIC),
)
# filer knows If-Modified-Since too; Wagtail and FileResponse send no validator, so that the whole
# file leaves again, as the hand-written row shows.
AGAIN = (_OWNER, _PRIVATE_STORAGE, _FILER, *BY_DJANGO, *BY_NGINX, _STATIC)
GALLERY = (_OWNER, *BY_DJANGO, _SECURE_LINK, _AUTH_REQUEST)

MODES = (
    *ONE,
    *(replace(mode, table=Table.AGAIN) for mode in AGAIN),
    *(
        replace(mode, table=table, asks=f"{mode.asks}, gallery")
        for table in (Table.GALLERY, Table.GALLERY_AGAIN)
        for mode in GALLERY
    ),
)
CONFIGURATIONS = ("stock", "tuned")
BASELINE = (_OWNER.name, "stock")
STATIC = _STATIC.name
