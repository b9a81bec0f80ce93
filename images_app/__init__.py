"""Private images for Django: every byte through one authorisation decision.

The public API is the names in ``__all__``. They load on first use, so that
importing an engine or a value never imports Django's models.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from images_app.access import Level, Right, Viewer
    from images_app.exceptions import ImagesAppError, UploadRefused
    from images_app.ingest import ingest_image
    from images_app.models import get_image_model
    from images_app.renditions import rendition_url
    from images_app.representation import Representation
    from images_app.views.sending import send_representation

_HOMES = {
    "ImagesAppError": "images_app.exceptions",
    "Level": "images_app.access",
    "Representation": "images_app.representation",
    "Right": "images_app.access",
    "UploadRefused": "images_app.exceptions",
    "Viewer": "images_app.access",
    "get_image_model": "images_app.models",
    "ingest_image": "images_app.ingest",
    "rendition_url": "images_app.renditions",
    "send_representation": "images_app.views.sending",
}

__all__ = [
    "ImagesAppError",
    "Level",
    "Representation",
    "Right",
    "UploadRefused",
    "Viewer",
    "get_image_model",
    "ingest_image",
    "rendition_url",
    "send_representation",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home (PEP 562)."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
