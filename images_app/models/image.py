"""The image: the record of one uploaded picture, swappable."""

from __future__ import annotations

import uuid
from typing import Any, Self

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models, router, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from images_app.models.querysets import ImageManager, ImageQuerySet
from images_app.specs import CONTENT_TYPES, EXTENSIONS, Size

# The app's configuration has set the default before any models are imported.
IMAGE_MODEL: str = getattr(settings, "IMAGES_APP_IMAGE_MODEL", "images_app.Image")
_FIRST_SIDEWAYS = 5  # EXIF orientations from here on swap width and height
_FOCAL_POINT = frozenset({"focal_x", "focal_y"})
# What others may change while somebody has the image open: written back only where it was set.
_TRACKED = _FOCAL_POINT | {
    *("version", "storage_alias", "storage_name", "file_name", "checksum", "byte_size", "format"),
    *("width", "height", "orientation", "frames", "dominant_color"),
}
_UNIT = [MinValueValidator(0.0), MaxValueValidator(1.0)]


class AbstractImage(models.Model):
    """Everything that the app needs to know of an image; extend it for fields of your own.

    ``width`` and ``height`` are those of the picture as it is shown, after orientation.
    ``version`` rises whenever the bytes, the orientation or the focal point change, and
    with it every URL.
    """

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(_("public id"), default=uuid.uuid4, unique=True, editable=False)
    title = models.CharField(_("title"), max_length=200, blank=True)
    alt_text = models.CharField(
        _("alternative text"),
        max_length=500,
        blank=True,
        help_text=_("What is to be seen, for those who cannot see it."),
    )
    caption = models.TextField(_("caption"), blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    created_at = models.DateTimeField(_("added at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed at"), auto_now=True)
    trashed_at = models.DateTimeField(_("trashed at"), null=True, blank=True, editable=False)
    taken_at = models.DateTimeField(_("taken at"), null=True, blank=True)
    focal_x = models.FloatField(
        _("focal point, across"),
        default=0.5,
        validators=_UNIT,
        help_text=_("What crops keep in view: 0 is the left edge, 1 the right one."),
    )
    focal_y = models.FloatField(
        _("focal point, down"),
        default=0.5,
        validators=_UNIT,
        help_text=_("0 is the upper edge, 1 the lower one."),
    )

    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    storage_alias = models.CharField(_("storage"), max_length=100, editable=False)
    storage_name = models.CharField(_("name in storage"), max_length=200, editable=False)
    file_name = models.CharField(_("file name"), max_length=200, editable=False)
    format = models.CharField(
        _("format"),
        max_length=10,
        choices=[(name, name.upper()) for name in CONTENT_TYPES],
        editable=False,
    )
    width = models.PositiveIntegerField(_("width"), editable=False)  # pixels
    height = models.PositiveIntegerField(_("height"), editable=False)  # pixels
    orientation = models.PositiveSmallIntegerField(_("orientation"), default=1, editable=False)
    byte_size = models.PositiveBigIntegerField(_("size in bytes"), editable=False)
    frames = models.PositiveIntegerField(_("frames"), default=1, editable=False)
    checksum = models.CharField(_("SHA-256 checksum"), max_length=64, db_index=True, editable=False)
    dominant_color = models.CharField(
        _("dominant colour"),
        max_length=7,
        default="#808080",
        editable=False,
        validators=[RegexValidator(r"\A#[0-9a-f]{6}\Z")],
    )

    # Set where the image belongs to a field of another model, on which a policy may dispatch.
    host_content_type = models.ForeignKey(
        "contenttypes.ContentType",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    host_key = models.CharField(max_length=64, null=True, blank=True, editable=False)
    host_field = models.CharField(max_length=64, null=True, blank=True, editable=False)

    objects = ImageManager()

    class Meta:
        abstract = True
        verbose_name = _("image")
        verbose_name_plural = _("images")
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["-created_at", "-id"]),
            models.Index(fields=["owner", "-created_at", "-id"]),
            models.Index(fields=["host_content_type", "host_key"]),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(width__gte=1, height__gte=1, byte_size__gte=1, frames__gte=1),
                name="%(app_label)s_%(class)s_is_not_empty",
            ),
            models.CheckConstraint(
                condition=Q(version__gte=1), name="%(app_label)s_%(class)s_version_counts_from_1"
            ),
            models.CheckConstraint(
                condition=Q(focal_x__range=(0, 1), focal_y__range=(0, 1)),
                name="%(app_label)s_%(class)s_focal_point_is_inside",
            ),
            models.CheckConstraint(
                condition=Q(orientation__range=(1, 8)),
                name="%(app_label)s_%(class)s_orientation_is_exif",
            ),
            models.CheckConstraint(
                condition=Q(format__in=list(CONTENT_TYPES)),
                name="%(app_label)s_%(class)s_format_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.file_name or str(self.public_id)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; a moved focal point raises the version, for the crops have new bytes then.

        A URL must never mean two pictures. So the version rises from what the database has,
        under a lock, and neither it nor the focal point is written back by who left it alone.
        """
        if args or self._state.adding or kwargs.get("force_insert"):
            super().save(*args, **kwargs)
            _remember(self, _TRACKED)
            return
        wanted = kwargs.pop("update_fields", None)
        names = _loaded_fields(self) if wanted is None else frozenset(wanted)
        changed = _changed(self, names & _TRACKED)
        names = (names - _TRACKED) | changed
        alias = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=alias):
            if changed & _FOCAL_POINT and "version" not in changed:
                rows = ImageQuerySet(type(self)).using(alias).select_for_update()
                self.version = rows.values_list("version", flat=True).get(pk=self.pk) + 1
                names |= {"version"}
            super().save(*args, update_fields=names, **kwargs)
        _remember(self, names & _TRACKED)

    def get_absolute_url(self) -> str:
        """Answer with the URL of the image's page."""
        return reverse("images_app:image", args=[self.public_id])

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        """Remember version and focal point as they were read, for ``save`` to compare with."""
        image = super().from_db(*args, **kwargs)
        _remember(image, _TRACKED)
        return image

    def refresh_from_db(
        self, using: Any = None, fields: Any = None, from_queryset: Any = None
    ) -> None:
        """Read again where it is written, what ``save`` compares with included."""
        if from_queryset is None:
            from_queryset = ImageQuerySet(type(self))
        fields = None if fields is None else list(fields)
        read = _TRACKED if fields is None else _TRACKED.intersection(fields)
        super().refresh_from_db(using=using, fields=fields, from_queryset=from_queryset)
        _remember(self, read)

    @property
    def original_url(self) -> str:
        """The URL of the original's bytes, which changes with the version."""
        file_name = f"{self.version}.{EXTENSIONS[self.format]}"
        return reverse("images_app:original", args=[self.public_id, file_name])

    @property
    def focal_point(self) -> tuple[float, float]:
        """(x, y), each from 0 to 1."""
        return self.focal_x, self.focal_y

    @property
    def content_type(self) -> str:
        """The media type of the original, by our own record."""
        return CONTENT_TYPES[self.format]

    @property
    def is_animated(self) -> bool:
        """Whether the original has more than one frame."""
        return self.frames > 1

    @property
    def alternative(self) -> str:
        """What an ``alt`` attribute should hold: the text, else at least the title."""
        return self.alt_text or self.title

    @property
    def megapixels(self) -> float:
        """Width x height in millions."""
        return self.width * self.height / 1_000_000


class Image(AbstractImage):
    """The image model unless IMAGES_APP_IMAGE_MODEL names another."""

    class Meta(AbstractImage.Meta):
        swappable = "IMAGES_APP_IMAGE_MODEL"


def get_image_model() -> type[AbstractImage]:
    """Answer with the image model in use.

    Raises:
        ImproperlyConfigured: when IMAGES_APP_IMAGE_MODEL names no installed AbstractImage.

    """
    try:
        model = apps.get_model(IMAGE_MODEL, require_ready=False)
    except (LookupError, ValueError) as error:
        message = f"IMAGES_APP_IMAGE_MODEL is {IMAGE_MODEL!r}, which is no installed model."
        raise ImproperlyConfigured(message) from error
    if not issubclass(model, AbstractImage):
        message = f"IMAGES_APP_IMAGE_MODEL is {IMAGE_MODEL!r}, which is no AbstractImage."
        raise ImproperlyConfigured(message)
    return model


def shown_size(width: int, height: int, orientation: int) -> Size:
    """Answer with (width, height) as shown, of pixels stored under an EXIF orientation."""
    return (width, height) if orientation < _FIRST_SIDEWAYS else (height, width)


def _loaded_fields(image: AbstractImage) -> frozenset[str]:
    """Name what a plain save() writes: every field that is not deferred."""
    deferred = image.get_deferred_fields()
    return frozenset(
        field.name
        for field in image._meta.concrete_fields
        if not (field.primary_key or field.generated or field.attname in deferred)
    )


def _changed(image: AbstractImage, names: frozenset[str]) -> frozenset[str]:
    """Compare with what was read; what was set without having been read counts as changed."""
    values, read = image.__dict__, image.__dict__.get("_read", {})
    return frozenset(name for name in names if name in values and values[name] != read.get(name))


def _remember(image: AbstractImage, names: frozenset[str]) -> None:
    """Note these fields as the database has them, as far as they are loaded."""
    values, read = image.__dict__, image.__dict__.get("_read", {})
    values["_read"] = read | {name: values[name] for name in names if name in values}
