"""The rendition: the record that certain bytes were made and stored."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from images_app.models.image import IMAGE_MODEL
from images_app.models.querysets import WrittenModel
from images_app.specs import CONTENT_TYPES, EXTENSIONS


class Rendition(WrittenModel):
    """Bytes made from one version of an original under a spec; the row comes last."""

    id = models.BigAutoField(primary_key=True)
    image = models.ForeignKey(
        IMAGE_MODEL,
        verbose_name=_("image"),
        on_delete=models.CASCADE,
        related_name="renditions",
    )
    version = models.PositiveIntegerField(_("version"))
    fingerprint = models.CharField(_("fingerprint"), max_length=16)
    format = models.CharField(_("format"), max_length=10)
    width = models.PositiveIntegerField(_("width"))  # pixels
    height = models.PositiveIntegerField(_("height"))  # pixels
    byte_size = models.PositiveBigIntegerField(_("size in bytes"))
    storage_alias = models.CharField(_("storage"), max_length=100)
    created_at = models.DateTimeField(_("made at"), auto_now_add=True)

    class Meta:
        verbose_name = _("rendition")
        verbose_name_plural = _("renditions")
        constraints = [
            models.UniqueConstraint(
                fields=["image", "version", "fingerprint", "format"],
                name="images_app_rendition_identity",
            ),
            models.CheckConstraint(
                condition=models.Q(format__in=list(CONTENT_TYPES)),
                name="images_app_rendition_format_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.storage_name

    @property
    def storage_name(self) -> str:
        """The name in storage, which is also how the URL ends."""
        return rendition_name(self.image.public_id, self.version, self.fingerprint, self.format)


class RenditionLease(WrittenModel):
    """Somebody is making a rendition; gone when they are done, void when they died."""

    id = models.BigAutoField(primary_key=True)
    image = models.ForeignKey(IMAGE_MODEL, on_delete=models.CASCADE, related_name="+")
    version = models.PositiveIntegerField()
    fingerprint = models.CharField(max_length=16)
    format = models.CharField(max_length=10)
    holder = models.UUIDField(db_index=True)
    ends_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["image", "version", "fingerprint", "format"],
                name="images_app_renditionlease_one_holder",
            )
        ]

    def __str__(self) -> str:
        return f"{self.fingerprint} of {self.image_id}"


def rendition_name(public_id: object, version: int, fingerprint: str, image_format: str) -> str:
    """Answer with ``<public_id>/<version>/<fingerprint>.<ext>``: a function of the identity."""
    return f"{public_id}/{version}/{fingerprint}.{EXTENSIONS[image_format]}"
