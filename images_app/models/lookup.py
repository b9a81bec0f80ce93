"""One image by its public id, by the policy's own query, compiled once for viewers of a kind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db import models, router
from django.utils import timezone

from images_app.access import Access, Level, Viewer
from images_app.conf import get_policy, watermark_of
from images_app.models.image import AbstractImage, get_image_model
from images_app.models.prepared import Values, adapt, prepared
from images_app.models.querysets import ImageQuerySet, least_level

# All that the bytes of an image depend on; the rest is fetched only where somebody asks for it.
_FIELDS = {
    "id",
    "public_id",
    "title",
    "version",
    "storage_alias",
    "storage_name",
    "file_name",
    "format",
    "width",
    "height",
    "frames",
    "byte_size",
}
_MOST_LINKS = 4  # of a viewer for whom a query is prepared
_MADE = ("rendition_alias", "rendition_size")
_ADAPTED: dict[str, Any] = {"at": models.DateTimeField(), "public_id": models.UUIDField()}


def find_visible(
    viewer: Viewer,
    public_id: UUID,
    access: Access,
    rendition: tuple[str, str] | None = None,
    watermark: str | None = None,
) -> Any:
    """Find an image that a viewer may reach, by the same query as every list.

    Args:
        viewer: who asks.
        public_id: of the image.
        access: the least level, or a right.
        rendition: (fingerprint, format) of one whose record is wanted too; see
            ImageQuerySet.with_rendition.
        watermark: that the wanted bytes bear, see ImageQuerySet.visible_to.

    Returns:
        The image, or None for absent and forbidden alike.

    """
    values: Values = {"public_id": public_id}
    if rendition is not None:
        values |= {"fingerprint": rendition[0], "format": rendition[1]}
    kind = _kind(get_policy(), viewer)
    if kind is None:
        return next(iter(_query(viewer, access, values, watermark)), None)
    if watermark is not None and watermark not in viewer.watermarks:
        # What the mark changes then is the level that it takes, and which links count.
        viewer = viewer.with_links_marked("")
        access, watermark = least_level(access, watermark), None
    return _find_prepared(viewer, access, values, (kind, watermark))


def _find_prepared(
    viewer: Viewer, access: Access, values: Values, kind: tuple[Any, str | None]
) -> Any:
    user: Any = viewer.user
    model, has_rendition = get_image_model(), "fingerprint" in values
    policy = get_policy()
    alias = router.db_for_write(model)  # a right that ended has not ended in a copy
    columns = _columns(model)
    values |= {"at": viewer.at or timezone.now()}
    for number, link in enumerate(viewer.links):
        values |= {f"link{number}": link.id, f"version{number}": link.password_version}
    fields = _ADAPTED
    if user.pk is not None:
        values["pk"] = user.pk
        fields = {**_ADAPTED, "pk": user._meta.pk}

    def query(wanted: Values) -> Any:
        links = (
            replace(link, id=wanted[f"link{n}"], password_version=wanted[f"version{n}"])
            for n, link in enumerate(viewer.links)
        )
        user_like = _stand_in(user, wanted.get("pk"))
        stand_in = Viewer(user=user_like, at=wanted["at"], links=tuple(links))
        wanted_columns = (*columns, *(_MADE if has_rendition else ()))
        return _query(stand_in, access, wanted, kind[1]).values_list(*wanted_columns)

    marks = tuple(link.watermark for link in viewer.links)
    who = (user.__class__, type(user.pk), *_flags(user).values(), marks)
    # Levels with marks of their own change what a mark takes.
    levels = tuple(map(watermark_of, Level)) if kind[1] else ()
    found = prepared(
        (_Identity(policy), kind, *who, levels, access, model, has_rendition),
        alias,
        query,
        {name: type(value) for name, value in values.items()},
        fields,
    )
    if found is None:
        return next(iter(_query(viewer, access, values, kind[1])), None)
    row = found.first(alias, adapt(alias, values, fields))
    if row is None:
        return None
    image = model.from_db(alias, columns, row[: len(columns)])
    if has_rendition:
        made = dict(zip(_MADE, row[len(columns) :], strict=True))
        key = f"{values['fingerprint']}.{values['format']}"
        vars(image).update(made, rendition_key=key)
    return image


def _query(
    viewer: Viewer, access: Access, wanted: Values, watermark: str | None = None
) -> ImageQuerySet:
    images = ImageQuerySet(get_image_model()).visible_to(
        viewer, access, annotate=False, watermark=watermark
    )
    images = images.filter(public_id=wanted["public_id"])
    if "fingerprint" in wanted:
        images = images.with_rendition(wanted["fingerprint"], wanted["format"])
    return images.order_by()[:1]


def _kind(policy: Any, viewer: Viewer) -> Any:
    """Ask the policy, unless a subclass has another rule than the class that names the kinds.

    Viewers with many links are of none: each number of them has a query of its own.
    """
    if len(viewer.links) > _MOST_LINKS:
        return None
    if "images" in getattr(policy, "__dict__", {}):
        return None
    for cls in type(policy).__mro__:
        if "viewer_kind" in vars(cls):
            is_ordinary = not viewer.is_authenticated or hasattr(viewer.user, "_meta")
            return policy.viewer_kind(viewer) if is_ordinary else None
        if "images" in vars(cls):
            return None
    return None


def _columns(model: type[AbstractImage]) -> tuple[str, ...]:
    """Name the fields in the model's order, which ``from_db`` counts on."""
    fields = model._meta.concrete_fields
    return tuple(field.attname for field in fields if field.attname in _FIELDS)


def _flags(user: Any) -> dict[str, bool]:
    """Answer with what a policy may ask of the user besides the key."""
    names = ("is_authenticated", "is_active", "is_staff", "is_superuser")
    return {name: bool(getattr(user, name, False)) for name in names}


def _stand_in(user: Any, key: Any) -> Any:
    """Answer with a user who has a made-up key and the flags, and nothing else of this one.

    What a policy asks of it beyond that fails, and then its query is not prepared.
    """
    if key is None:
        return AnonymousUser()
    model = user.__class__
    known = {model._meta.pk.attname: key}
    columns = {field.attname for field in model._meta.concrete_fields}
    known |= {name: value for name, value in _flags(user).items() if name in columns}
    names = [f.attname for f in model._meta.concrete_fields if f.attname in known]
    return model.from_db(None, names, [known[name] for name in names])


@dataclass(frozen=True)
class _Identity:
    """A policy as a part of a key, whether it can be hashed or not; it lives as long as the key."""

    policy: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.policy is other.policy

    def __hash__(self) -> int:
        return id(self.policy)
