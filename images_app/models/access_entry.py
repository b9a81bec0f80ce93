"""The access entry: one line of the access log, which outlives what it speaks of."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from images_app.models.grant import Grant
from images_app.models.querysets import WrittenModel
from images_app.models.share_link import ShareLink


class Kind(models.TextChoices):
    """What was asked for."""

    PAGE = "page", _("page of an image")
    GALLERY = "gallery", _("page of a gallery")
    RENDITION = "rendition", _("rendition")
    ORIGINAL = "original", _("original")
    LINK = "link", _("share link")


class Reason(models.TextChoices):
    """Why somebody was refused, or let in by other means than the policy."""

    ABSENT = "absent", _("there is none")
    TRASHED = "trashed", _("in the trash")
    FORBIDDEN = "forbidden", _("not shown to this viewer")
    LEVEL = "level", _("shown at a lower level only")
    OUTDATED = "outdated", _("no such version or size")
    ENDED = "ended", _("ended, revoked or used up")
    PASSWORD = "password", _("wrong password")
    RESTING = "resting", _("too many wrong passwords")
    SIGNED = "signed", _("by a signed URL")


class AccessEntry(WrittenModel):
    """Who asked for what, when, at which level, and whether they were let in."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(_("at"), db_index=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    kind = models.CharField(_("what"), max_length=10, choices=Kind.choices)
    public_id = models.UUIDField(_("public id"), db_index=True)  # as asked: there may be none
    level = models.PositiveSmallIntegerField(
        _("level"), choices=Grant.LevelChoices.choices, null=True
    )
    is_allowed = models.BooleanField(_("let in"))
    reason = models.CharField(_("reason"), max_length=10, choices=Reason.choices, blank=True)
    link = models.ForeignKey(
        ShareLink,
        verbose_name=_("share link"),
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    class Meta:
        verbose_name = _("access log entry")
        verbose_name_plural = _("access log")
        default_permissions = ("view",)
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.public_id}"
