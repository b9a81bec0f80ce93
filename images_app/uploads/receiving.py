"""Taking in one whole file, for whom and where: as a new image, or as one that is there already."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.core.files import File
from django.db.models import Q

from images_app.access import Level, Viewer
from images_app.database import atomic
from images_app.ingest import as_kept, checksum_of, ingest_image
from images_app.models import (
    AbstractImage,
    Gallery,
    GalleryItem,
    ImageQuerySet,
    PartialUpload,
    get_image_model,
)
from images_app.quotas import check_quota
from images_app.sharing import shareable_images

Duplicates = PartialUpload.Duplicates
_MOST_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where an upload goes, and what becomes of a file that is there already."""

    gallery: Gallery | None
    position: int | None = None
    duplicates: str = Duplicates.ASK.value


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What became of an upload: an image, or those between which the uploader has to choose."""

    image: AbstractImage | None = None
    is_new: bool = False
    duplicates: tuple[AbstractImage, ...] = ()


def take_in(
    file: File[bytes], viewer: Viewer, target: Target, *, public_id: UUID | None = None
) -> Taken:
    """Let one file in, unless the uploader may see the same one already.

    Args:
        file: see ``ingest_image``.
        viewer: whose image it will be; logged in.
        target: where it goes; whether the viewer may add there was decided before.
        public_id: that the new image gets, if not a random one.

    Raises:
        UploadRefused, StorageUnavailable, Busy: see ``ingest_image``; nothing was kept.

    """
    if target.duplicates != Duplicates.ADD:
        with as_kept(file) as kept:
            checksum = checksum_of(kept)
        if target.duplicates == Duplicates.ASK:
            found = same_images(viewer, checksum)[:_MOST_SHOWN]
            if found:
                return Taken(duplicates=tuple(found))
        else:
            image = _usable(viewer, checksum, target.gallery)
            if image is not None:
                _hang(image, target)
                return Taken(image=image)
    with atomic(get_image_model()):
        # Asked again where the image is recorded; here, so that nothing is decoded in vain.
        check_quota(viewer.user, target.gallery, file.size, public_id=public_id)
    fields = {} if public_id is None else {"public_id": public_id}
    image = ingest_image(
        file, owner=viewer.user, gallery=target.gallery, position=target.position, **fields
    )
    return Taken(image=image, is_new=True)


def same_images(viewer: Viewer, checksum: str) -> Any:
    """Answer with the images of the same bytes that the viewer may see, oldest first.

    Of any others nothing is told; not even that they are there.
    """
    visible = ImageQuerySet(get_image_model()).visible_to(viewer, Level.VIEW)
    return visible.filter(checksum=checksum).order_by("created_at", "pk")


def _usable(viewer: Viewer, checksum: str, gallery: Gallery | None) -> AbstractImage | None:
    """Answer with the image to hang, which hangs there already or may be shown for good."""
    own = replace(viewer, links=())  # what a link has lent cannot be given on
    shareable = shareable_images(own).order_by().values("pk")
    may_be_used = Q(pk__in=shareable)
    if gallery is not None:
        may_be_used |= Q(pk__in=gallery.items.order_by().values("image"))
    image: AbstractImage | None = same_images(viewer, checksum).filter(may_be_used).first()
    return image


def _hang(image: AbstractImage, target: Target) -> None:
    if target.gallery is None:
        return
    with atomic(GalleryItem):
        if not GalleryItem.objects.filter(gallery=target.gallery, image=image.pk).exists():
            check_quota(None, target.gallery, 0)
        target.gallery.append(image, target.position)
