"""Records and their querysets: fields and constraints; no pixels, no HTTP."""

from __future__ import annotations

from images_app.models.access_entry import AccessEntry
from images_app.models.camera import CameraData
from images_app.models.gallery import Gallery, GalleryItem
from images_app.models.grant import Grant
from images_app.models.image import (
    IMAGE_MODEL,
    AbstractImage,
    Image,
    get_image_model,
    shown_size,
)
from images_app.models.installation import Installation
from images_app.models.location import Location
from images_app.models.lookup import find_visible
from images_app.models.partial_upload import PartialUpload
from images_app.models.querysets import GalleryQuerySet, ImageQuerySet
from images_app.models.rendition import Rendition, RenditionLease
from images_app.models.share_link import ShareLink

__all__ = [
    "IMAGE_MODEL",
    "AbstractImage",
    "AccessEntry",
    "CameraData",
    "Gallery",
    "GalleryItem",
    "GalleryQuerySet",
    "Grant",
    "Image",
    "ImageQuerySet",
    "Installation",
    "Location",
    "PartialUpload",
    "Rendition",
    "RenditionLease",
    "ShareLink",
    "find_visible",
    "get_image_model",
    "shown_size",
]
