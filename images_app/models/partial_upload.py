"""The partial upload: how far a file has come that arrives in several requests."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from images_app.conf import get_settings
from images_app.models.gallery import Gallery
from images_app.models.image import IMAGE_MODEL
from images_app.models.querysets import WrittenModel, WrittenQuerySet

LONGEST_METADATA = 1000  # characters


class PartialUploadQuerySet(WrittenQuerySet):
    """Partial uploads."""

    def unfinished(self) -> Self:
        """Keep those that have not become an image."""
        return self.filter(image=None)

    def expired(self, at: datetime) -> Self:
        """Keep those that have not moved for so long that they cannot be resumed any more."""
        return self.filter(touched_at__lte=at - timedelta(days=get_settings().upload_days))


class PartialUpload(WrittenModel):
    """One file on its way.

    The image that it becomes gets the same ``public_id``, so that there is never a second one.
    Once it has, ``image`` is set and ``parts`` is empty; the row stays for a while, to tell that
    to who has missed the answer.
    """

    class Duplicates(models.TextChoices):
        ASK = "ask", _("ask")
        ADD = "add", _("add it again")
        USE = "use", _("use what is there")

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(_("public id"), default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.CASCADE,
        related_name="+",
    )
    gallery = models.ForeignKey(
        Gallery,
        verbose_name=_("gallery"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
    )
    image = models.ForeignKey(
        IMAGE_MODEL,
        verbose_name=_("image"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
    )
    position = models.IntegerField(_("position"), null=True, blank=True)
    duplicates = models.CharField(
        _("duplicates"), max_length=3, choices=Duplicates.choices, default=Duplicates.ASK
    )
    metadata = models.CharField(_("metadata"), max_length=LONGEST_METADATA, blank=True)
    length = models.PositiveBigIntegerField(_("size in bytes"))
    offset = models.PositiveBigIntegerField(_("bytes that have arrived"), default=0)
    storage_alias = models.CharField(_("storage"), max_length=100, editable=False)
    parts = models.JSONField(_("names in storage"), default=list, editable=False)
    created_at = models.DateTimeField(_("begun at"), auto_now_add=True)
    touched_at = models.DateTimeField(_("last moved at"), default=timezone.now)

    objects = models.Manager.from_queryset(PartialUploadQuerySet)()  # type: ignore[misc]

    class Meta:
        verbose_name = _("partial upload")
        verbose_name_plural = _("partial uploads")
        ordering = ["-created_at", "-id"]
        default_permissions = ()
        indexes = [models.Index(fields=["touched_at"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(length__gte=1, offset__lte=F("length")),
                name="images_app_partialupload_ends_at_its_length",
            )
        ]

    def __str__(self) -> str:
        return str(self.public_id)

    @property
    def is_complete(self) -> bool:
        """Whether all bytes have arrived."""
        return self.offset == self.length

    @property
    def expires_at(self) -> datetime:
        """When it cannot be resumed any more, unless it moves before."""
        return self.touched_at + timedelta(days=get_settings().upload_days)
