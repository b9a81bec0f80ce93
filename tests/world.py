"""A small world of people and pictures, and one readable table of who may see what in it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.utils import timezone

from images_app.access import Level
from images_app.ingest import ingest_image
from images_app.models import Gallery, Grant
from images_app.renditions import rendition_url
from tests.pictures import upload

NONE, PREVIEW, VIEW, ORIGINAL = None, Level.PREVIEW, Level.VIEW, Level.ORIGINAL

# Columns: an image in a private gallery, in one for members, in a public one; in no gallery; in
# the trash though its gallery is public; and one that never was. Grants are on the galleries of
# the first three, those of the image grantee on the images.
STATES = ("private", "members", "public", "loose", "trashed", "absent")
IMAGE_LEVELS: dict[str, tuple[Level | None, ...]] = {
    "anonymous": (NONE, NONE, VIEW, NONE, NONE, NONE),
    "stranger": (NONE, VIEW, VIEW, NONE, NONE, NONE),
    "inactive": (NONE, NONE, VIEW, NONE, NONE, NONE),
    "previewer": (PREVIEW, VIEW, VIEW, NONE, NONE, NONE),
    "member": (VIEW, VIEW, VIEW, NONE, NONE, NONE),
    "group member": (VIEW, VIEW, VIEW, NONE, NONE, NONE),
    "downloader": (ORIGINAL, ORIGINAL, ORIGINAL, NONE, NONE, NONE),
    "changer": (ORIGINAL, ORIGINAL, ORIGINAL, NONE, NONE, NONE),
    "former member": (NONE, VIEW, VIEW, NONE, NONE, NONE),
    "image grantee": (VIEW, VIEW, VIEW, VIEW, NONE, NONE),
    "gallery owner": (ORIGINAL, ORIGINAL, ORIGINAL, NONE, NONE, NONE),
    "image owner": (ORIGINAL, ORIGINAL, ORIGINAL, ORIGINAL, NONE, NONE),
    "plain staff": (NONE, VIEW, VIEW, NONE, NONE, NONE),
    "editor": (ORIGINAL, ORIGINAL, ORIGINAL, ORIGINAL, NONE, NONE),
    "admin": (ORIGINAL, ORIGINAL, ORIGINAL, ORIGINAL, NONE, NONE),
}
# Where the gallery's own level differs from that of the image in it.
GALLERY_EXCEPTIONS: dict[tuple[str, str], Level | None] = {
    ("image grantee", "private"): NONE,
    ("image owner", "private"): NONE,
    ("image owner", "members"): VIEW,
    ("image owner", "public"): VIEW,
}
VIEWERS = tuple(IMAGE_LEVELS)
GALLERY_STATES = ("private", "members", "public", "absent")


def image_level(viewer: str, state: str) -> Level | None:
    """What the table says."""
    return IMAGE_LEVELS[viewer][STATES.index(state)]


def gallery_level(viewer: str, state: str) -> Level | None:
    """What the table says."""
    return GALLERY_EXCEPTIONS.get((viewer, state), image_level(viewer, state))


@dataclass
class World:
    """The records by the names of the table."""

    users: dict[str, Any]
    images: dict[str, Any]
    galleries: dict[str, Any]

    def image_urls(self, state: str) -> dict[str, tuple[str, Level]]:
        """URL and least level of everything that belongs to one image; the same for the absent."""
        image = self.images["private" if state == "absent" else state]
        urls = {
            "page": (image.get_absolute_url(), PREVIEW),
            "thumb": (rendition_url(image, "thumb"), PREVIEW),
            "rendition": (rendition_url(image, "ladder", image_format="webp"), VIEW),
            "original": (image.original_url, ORIGINAL),
            "download": (image.original_url + "?download", ORIGINAL),
        }
        if state == "absent":
            never = str(uuid.uuid4())
            mine = str(image.public_id)
            return {name: (url.replace(mine, never), level) for name, (url, level) in urls.items()}
        return urls

    def gallery_url(self, state: str) -> str:
        """The URL of a gallery's page."""
        if state == "absent":
            private = self.galleries["private"]
            return private.get_absolute_url().replace(str(private.public_id), str(uuid.uuid4()))
        return self.galleries[state].get_absolute_url()

    def log_in(self, client: Any, viewer: str) -> None:
        """Make a client the viewer's."""
        user = self.users[viewer]
        if not isinstance(user, AnonymousUser):
            client.force_login(user)


def make_world() -> World:
    """Make people, galleries, images and grants."""
    users = _make_users()
    galleries, images = {}, {}
    for state in ("private", "members", "public"):
        galleries[state] = Gallery.objects.create(
            title=f"{state} gallery", visibility=state, owner=users["gallery owner"]
        )
        images[state] = _image(state, users, galleries[state])
    images["loose"] = _image("loose", users, None)
    images["trashed"] = _image("trashed", users, galleries["public"])
    type(images["trashed"]).objects.filter(pk=images["trashed"].pk).update(
        trashed_at=timezone.now()
    )
    for gallery in galleries.values():
        _grant_on(gallery, users)
    for image in images.values():
        Grant.objects.create(image=image, user=users["image grantee"], level=VIEW)
    return World(users=users, images=images, galleries=galleries)


def _make_users() -> dict[str, Any]:
    model = get_user_model()
    users: dict[str, Any] = {
        name: model(username=name.replace(" ", "-")) for name in VIEWERS if name != "anonymous"
    }
    for name in ("plain staff", "editor", "admin"):
        users[name].is_staff = True
    users["admin"].is_superuser = True
    users["inactive"].is_active = False
    for user in users.values():
        user.save()
    users["editor"].user_permissions.set(
        Permission.objects.filter(content_type__app_label="images_app")
    )
    users["group member"].groups.set([Group.objects.create(name="members")])
    users["anonymous"] = AnonymousUser()
    return users


def _image(state: str, users: dict[str, Any], gallery: Gallery | None) -> Any:
    return ingest_image(upload(f"{state}.jpg"), owner=users["image owner"], gallery=gallery)


def _grant_on(gallery: Gallery, users: dict[str, Any]) -> None:
    give = Grant.objects.create
    tomorrow = timezone.now() + timedelta(days=1)
    give(gallery=gallery, user=users["previewer"], level=PREVIEW)
    give(gallery=gallery, user=users["member"], level=VIEW, ends_at=tomorrow)
    give(gallery=gallery, group=Group.objects.get(), level=VIEW)
    give(gallery=gallery, user=users["downloader"], level=ORIGINAL)
    give(gallery=gallery, user=users["changer"], right="change")
    give(gallery=gallery, user=users["inactive"], level=ORIGINAL)
    give(
        gallery=gallery,
        user=users["former member"],
        level=ORIGINAL,
        ends_at=timezone.now() - timedelta(seconds=1),
    )
