"""Django admin: add, arrange, share; previews leave through the permission-checked URLs."""

from __future__ import annotations

from django.contrib import admin

from images_app.admin.access_log import AccessEntryAdmin
from images_app.admin.galleries import GalleryAdmin
from images_app.admin.grant_list import GrantAdmin
from images_app.admin.host_relations import ask_the_policy
from images_app.admin.images import ImageAdmin
from images_app.admin.items import GalleryItemAdmin
from images_app.admin.links import ShareLinkAdmin
from images_app.models import (
    AccessEntry,
    Gallery,
    GalleryItem,
    Grant,
    Image,
    ShareLink,
    get_image_model,
)

__all__ = [
    "AccessEntryAdmin",
    "GalleryAdmin",
    "GalleryItemAdmin",
    "GrantAdmin",
    "ImageAdmin",
    "ShareLinkAdmin",
]

ask_the_policy()
admin.site.register(Gallery, GalleryAdmin)
admin.site.register(GalleryItem, GalleryItemAdmin)
admin.site.register(Grant, GrantAdmin)
admin.site.register(ShareLink, ShareLinkAdmin)
admin.site.register(AccessEntry, AccessEntryAdmin)
if get_image_model() is Image:  # a host registers its own model, with ImageAdmin or a subclass
    admin.site.register(Image, ImageAdmin)
