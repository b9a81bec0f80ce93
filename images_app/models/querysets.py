"""The one authorisation function: what a viewer may reach, asked of the policy."""

from __future__ import annotations

from typing import Any, Self

from django.db import models, router
from django.db.models import Case, CharField, F, FilteredRelation, Q, Value, When
from django.db.models.fields.related_descriptors import (
    ForwardManyToOneDescriptor,
    ForwardOneToOneDescriptor,
)
from django.db.models.signals import class_prepared
from django.dispatch import receiver

from images_app.access import Access, Level, Right, Viewer
from images_app.conf import get_policy, watermark_of


class WrittenQuerySet(models.QuerySet[Any]):
    """Rows as they are where they are written, whatever a host's router says of reading.

    A right that was taken away, or a row that was just made, is not yet so in a copy.
    """

    @property
    def db(self) -> str:
        """The alias of the database that will be asked."""
        return self._db or router.db_for_write(self.model, **self._hints)  # type: ignore[attr-defined]


class ImageQuerySet(WrittenQuerySet):
    """Images."""

    def visible_to(
        self,
        viewer: Viewer,
        access: Access = Level.VIEW,
        *,
        annotate: bool = True,
        watermark: str | None = None,
    ) -> Self:
        """Keep the images that the viewer may reach at ``access``; nothing in the trash is.

        Args:
            viewer: who asks.
            access: the least level, or a right.
            annotate: whether pages need ``viewer_level``, ``anyone`` and, for who has unlocked
                links that show images marked, ``viewer_watermark`` (None: that of the level).
            watermark: that the wanted bytes bear, "" for unmarked ones, which are not for those
                who are held to a mark; None asks for the image, in whichever form it is shown.

        """
        images = self.filter(trashed_at=None)
        visible: Any = _reached(images, viewer, access, watermark, annotate=annotate)
        if annotate and viewer.watermarks:
            visible = visible.annotate(viewer_watermark=_shown_watermark(self.model, viewer))
        return visible  # type: ignore[no-any-return]

    def trashed_for(self, viewer: Viewer) -> Self:
        """Keep the images in the trash that the viewer may delete, and so restore."""
        images = self.exclude(trashed_at=None)
        return get_policy().images(viewer, images, Right.DELETE, annotate=False)  # type: ignore[return-value]

    def with_rendition(self, fingerprint: str, image_format: str) -> Self:
        """Add what is recorded of one rendition of each image, without a query of its own.

        ``rendition_key`` says of which; ``rendition_alias`` and ``rendition_size`` (bytes) are
        None where it has not been made.
        """
        same = Q(
            renditions__version=F("version"),
            renditions__fingerprint=fingerprint,
            renditions__format=image_format,
        )
        return self.annotate(
            made=FilteredRelation("renditions", condition=same),
            rendition_key=Value(f"{fingerprint}.{image_format}"),
            rendition_alias=F("made__storage_alias"),
            rendition_size=F("made__byte_size"),
        )


class GalleryQuerySet(WrittenQuerySet):
    """Galleries."""

    def visible_to(
        self, viewer: Viewer, access: Access = Level.PREVIEW, *, annotate: bool = True
    ) -> Self:
        """Keep the galleries that the viewer may reach at ``access``."""
        visible: Self = get_policy().galleries(viewer, self, access, annotate=annotate)  # type: ignore[assignment]
        return visible


WrittenManager = models.Manager.from_queryset(WrittenQuerySet)
ImageManager = models.Manager.from_queryset(ImageQuerySet)
GalleryManager = models.Manager.from_queryset(GalleryQuerySet)


class WrittenModel(models.Model):
    """A record that is read where it is written, by every way that Django has to read it."""

    objects = WrittenManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"  # for what others point at, and for reading again


class _FollowedWhereWritten:
    """Reads what a record points at from the database that it is written to."""

    def get_queryset(self, **hints: Any) -> Any:
        """See Django's ForwardManyToOneDescriptor."""
        rows: Any = super().get_queryset(**hints)  # type: ignore[misc]
        return rows.using(router.db_for_write(rows.model, **hints)) if hints else rows


class _ToOne(_FollowedWhereWritten, ForwardManyToOneDescriptor):  # type: ignore[type-arg]
    pass


class _OneToOne(_FollowedWhereWritten, ForwardOneToOneDescriptor):  # type: ignore[type-arg]
    pass


@receiver(class_prepared)
def _follow_where_written(sender: Any, **_: Any) -> None:
    """Do so for every relation of our records: a swapped image has the base manager of its host."""
    if issubclass(sender, WrittenModel):
        for field in sender._meta.local_fields:
            if field.many_to_one or field.one_to_one:
                descriptor = _OneToOne if field.one_to_one else _ToOne
                setattr(sender, field.name, descriptor(field))


def least_level(access: Access, watermark: str) -> Access:
    """Answer with the level that it takes to have bytes of a level under this watermark.

    Who is held to a mark at that level needs a higher one for the bytes without, or with another.
    A mark to which nobody is held who sees so much takes ORIGINAL: else everybody could have each
    size made once more for each mark that is configured.
    """
    if isinstance(access, Right):
        return access
    enough = [level for level in Level if level >= access]
    if watermark and watermark not in map(watermark_of, enough):
        return Level.ORIGINAL
    return next(level for level in enough if watermark_of(level) in {"", watermark})


def _reached(
    images: ImageQuerySet,
    viewer: Viewer,
    access: Access,
    watermark: str | None,
    *,
    annotate: bool,
) -> Any:
    policy = get_policy()
    if watermark is None or isinstance(access, Right):
        return policy.images(viewer, images, access, annotate=annotate)
    unmarked, least = viewer.with_links_marked(""), least_level(access, watermark)
    if not watermark or watermark not in viewer.watermarks:
        return policy.images(unmarked, images, least, annotate=annotate)
    condition = Q(pk__in=_keys(policy.images(unmarked, images, least, annotate=False)))
    for level in _marked_levels(access):
        condition |= _by_marked_link(images.model, viewer, watermark, level)
    return policy.images(viewer, images, access, annotate=annotate).filter(condition)


def _by_marked_link(model: Any, viewer: Viewer, watermark: str, level: Level) -> Q:
    """Answer with what is reached at that level by the links of one mark, and by nothing else."""
    policy, images = get_policy(), ImageQuerySet(model)
    unmarked, marked = viewer.with_links_marked(""), viewer.with_links_marked("", watermark)
    with_link = policy.images(marked, images, level, annotate=False)
    without = policy.images(unmarked, images, level, annotate=False)
    return Q(pk__in=_keys(with_link)) & ~Q(pk__in=_keys(without))


def _shown_watermark(model: Any, viewer: Viewer) -> Case:
    """Answer with the mark of the link that shows more than all else does; None without one."""
    return Case(
        *(
            When(_by_marked_link(model, viewer, watermark, level), then=Value(watermark))
            for level in _marked_levels(Level.PREVIEW)
            for watermark in viewer.watermarks
        ),
        default=None,
        output_field=CharField(null=True),
    )


def _marked_levels(least: Level) -> list[Level]:
    """Answer with the levels that bear marks, from a least one on, best first."""
    return [level for level in sorted(Level, reverse=True) if least <= level < Level.ORIGINAL]


def _keys(images: Any) -> Any:
    return images.order_by().values("pk")
