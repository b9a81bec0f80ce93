"""The gallery: an ordered set of images with its own visibility."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Max
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from images_app.models.image import IMAGE_MODEL, AbstractImage
from images_app.models.querysets import GalleryManager, WrittenModel

POSITION_STEP = 10  # leaves room to put an image between two others
LAST_POSITION = 999_999_999  # behind it nothing is counted on: databases have integers of 32 bits


class Gallery(WrittenModel):
    """An ordered set of images."""

    class Visibility(models.TextChoices):
        PRIVATE = "private", _("Private: owner, staff and anyone with a grant")
        MEMBERS = "members", _("Members: everyone who is logged in")
        PUBLIC = "public", _("Public: anyone, without login")

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(_("public id"), default=uuid.uuid4, unique=True, editable=False)
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    visibility = models.CharField(
        _("visibility"), max_length=10, choices=Visibility.choices, default=Visibility.PRIVATE
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    cover = models.ForeignKey(
        IMAGE_MODEL,
        verbose_name=_("cover"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text=_("Shown to those who may see it; without one, the first image is."),
    )
    shows_locations = models.BooleanField(
        _("shows locations"),
        default=False,
        help_text=_(
            "Whoever sees this gallery is told where its images were taken, where the camera "
            "wrote it down: also at whose home, and to anyone if the gallery is public."
        ),
    )
    position = models.IntegerField(
        _("position"),
        default=0,
        help_text=_("Lower comes first; equal ones by date, newest first."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed at"), auto_now=True)
    images: models.ManyToManyField[AbstractImage, GalleryItem] = models.ManyToManyField(
        IMAGE_MODEL, through="images_app.GalleryItem", related_name="galleries"
    )

    objects = GalleryManager()  # type: ignore[misc]

    class Meta:
        verbose_name = _("gallery")
        verbose_name_plural = _("galleries")
        ordering = ["position", "-created_at", "-id"]
        indexes = [
            models.Index(fields=["position", "-created_at", "-id"]),
            models.Index(fields=["visibility"]),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(visibility__in=["private", "members", "public"]),
                name="images_app_gallery_visibility_is_known",
            )
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        """Answer with the URL of the gallery's page."""
        return reverse("images_app:gallery", args=[self.public_id])

    def next_position(self) -> int:
        """Answer with where the next image goes."""
        last: int = self.items.aggregate(last=Max("position"))["last"] or 0
        return min(last + POSITION_STEP, LAST_POSITION)

    def append(self, image: Any, position: int | None = None) -> GalleryItem:
        """Put an image at a position, else at the end; one that hangs here stays where it is."""
        position = self.next_position() if position is None else position
        item, _created = GalleryItem.objects.get_or_create(
            gallery=self, image=image, defaults={"position": position}
        )
        return item


class GalleryItem(WrittenModel):
    """The place of one image in one gallery."""

    id = models.BigAutoField(primary_key=True)
    gallery = models.ForeignKey(
        Gallery, verbose_name=_("gallery"), on_delete=models.CASCADE, related_name="items"
    )
    image = models.ForeignKey(
        IMAGE_MODEL,
        verbose_name=_("image"),
        on_delete=models.CASCADE,
        related_name="gallery_items",
    )
    position = models.IntegerField(_("position"), default=0)

    class Meta:
        verbose_name = _("image in a gallery")
        verbose_name_plural = _("images in galleries")
        ordering = ["gallery", "position", "id"]
        indexes = [models.Index(fields=["gallery", "position", "id"])]
        constraints = [
            models.UniqueConstraint(
                fields=["gallery", "image"], name="images_app_galleryitem_image_hangs_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.gallery} · {self.image}"
