"""A small world to ask a policy about: people, galleries, and images that need no files."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from images_app.access import Level, Viewer
from images_app.conf import get_settings
from images_app.models import Gallery, Grant, get_image_model


@dataclass(frozen=True, kw_only=True)
class World:
    """What a policy is asked about, by names that its failures are told with."""

    viewers: Mapping[str, Viewer]
    images: Mapping[str, Any]
    galleries: Mapping[str, Any]


class WorldMaker:
    """Makes the world that a contract asks about; each method is there to be overridden."""

    def make_world(self) -> World:
        """Make people, galleries and images; add your own to it, or make another one."""
        users = {name: self.make_user(name, **flags) for name, flags in _PEOPLE.items()}
        _permit_everything(users["editor"])
        owner, other = users["owner"], users["other owner"]
        galleries = {
            f"{visibility} gallery": self.make_gallery(f"{visibility} gallery", owner, visibility)
            for visibility in ("private", "members", "public")
        } | {"gallery of nobody's": self.make_gallery("gallery of nobody's", None, "private")}
        hung = {f"image in the {name}": [gallery] for name, gallery in galleries.items()}
        hung |= {"loose image": [], "image in every gallery": list(galleries.values())}
        images = {name: self.make_image(name, other, inside) for name, inside in hung.items()}
        images["image of nobody's"] = self.make_image("image of nobody's", None, [])
        tomorrow = timezone.now() + timedelta(days=1)
        _grant(users, galleries["private gallery"], images["loose image"])
        viewers = {name: Viewer(user=user) for name, user in users.items()}
        viewers["member, a day later"] = Viewer(user=users["member"], at=tomorrow)
        return World(viewers=viewers, images=images, galleries=galleries)

    def make_user(self, name: str, **flags: bool) -> Any:
        """Make a user; ``is_staff`` and ``is_superuser`` are set where the model has them."""
        model = get_user_model()
        columns = {field.name for field in model._meta.concrete_fields}
        flags = {flag: value for flag, value in flags.items() if flag in columns}
        user = model(**{model.USERNAME_FIELD: f"contract-{name.replace(' ', '-')}"}, **flags)
        user.save()
        return user

    def make_gallery(self, name: str, owner: Any, visibility: str) -> Any:
        """Make a gallery."""
        return Gallery.objects.create(title=name, owner=owner, visibility=visibility)

    def make_image(
        self, name: str, owner: Any, galleries: list[Any], *, is_trashed: bool = False
    ) -> Any:
        """Make the row of an image, without a file behind it, and hang it in galleries.

        Override it where your own image model needs more fields.
        """
        image = get_image_model()(
            title=name,
            owner=owner,
            trashed_at=timezone.now() if is_trashed else None,
            storage_alias=get_settings().storage,
            storage_name=f"contract/{uuid.uuid4().hex}.jpg",
            file_name=f"{name}.jpg",
            format="jpeg",
            width=640,
            height=480,
            byte_size=1,
            checksum="0" * 64,
        )
        image.save()
        for gallery in galleries:
            gallery.append(image)
        return image


_PEOPLE: dict[str, dict[str, bool]] = {
    "stranger": {},
    "owner": {},
    "other owner": {},
    "member": {},
    "member of a group": {},
    "plain staff": {"is_staff": True},
    "editor": {"is_staff": True},
    "superuser": {"is_staff": True, "is_superuser": True},
}


def _permit_everything(user: Any) -> None:
    """Give Django's own permissions on images and galleries."""
    if hasattr(user, "user_permissions"):
        labels = {get_image_model()._meta.app_label, Gallery._meta.app_label}
        permissions = Permission.objects.filter(content_type__app_label__in=labels)
        user.user_permissions.set(permissions)


def _grant(users: Mapping[str, Any], gallery: Any, image: Any) -> None:
    """Let the members in by several ways at once: joins would show rows several times."""
    give, member = Grant.objects.create, users["member"]
    soon = timezone.now() + timedelta(hours=1)
    give(gallery=gallery, user=member, level=Level.VIEW, ends_at=soon)
    give(image=image, user=member, level=Level.PREVIEW)
    give(image=image, user=member, right="change", ends_at=soon)
    if hasattr(users["member of a group"], "groups"):
        group = Group.objects.create(name=f"contract-{uuid.uuid4().hex}")
        for name in ("member", "member of a group"):
            users[name].groups.add(group)
        give(gallery=gallery, group=group, level=Level.ORIGINAL)
        give(gallery=gallery, group=group, right="share")
        give(image=image, group=group, level=Level.VIEW)
