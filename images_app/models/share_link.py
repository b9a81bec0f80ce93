"""The share link: who has it sees one gallery or image, for a while, without an account."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from images_app.access import Level
from images_app.conf import get_settings
from images_app.models.gallery import Gallery
from images_app.models.grant import Grant, exactly_one
from images_app.models.image import IMAGE_MODEL
from images_app.models.querysets import WrittenModel, WrittenQuerySet

MOST_WRONG_GUESSES = 10
REST = timedelta(minutes=1)
"""How long a link rests after so many wrong guesses of its password."""


class ShareLinkQuerySet(WrittenQuerySet):
    """Share links."""

    def live(self, at: datetime | None = None) -> Self:
        """Keep those that open: not revoked, not ended, made by somebody who is still active."""
        now = at or timezone.now()
        living = self.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=now), revoked_at=None)
        makers: Any = self.model._meta.get_field("created_by").related_model
        if "is_active" in {field.name for field in makers._meta.get_fields()}:
            # Not by IN: some databases would then read every active user for one link.
            active = makers._base_manager.filter(is_active=True, pk=OuterRef("created_by"))
            # Not by a join: then an UPDATE would find its rows by a subquery, which a database
            # does not ask again after it has waited for another's UPDATE of the same row.
            living = living.filter(Exists(active))
        return living

    def not_used_up(self) -> Self:
        """Keep those that may be unlocked once more."""
        return self.filter(Q(max_views__isnull=True) | Q(views__lt=F("max_views")))

    def not_resting(self, now: datetime) -> Self:
        """Keep those whose password may be guessed."""
        few = Q(wrong_guesses__lt=MOST_WRONG_GUESSES)
        return self.filter(few | Q(last_wrong_at__lte=now - REST))


class ShareLink(WrittenModel):
    """One link. Its token is known to nobody but who was given it: here is only a hash."""

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(_("public id"), default=uuid.uuid4, unique=True, editable=False)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    gallery = models.ForeignKey(
        Gallery,
        verbose_name=_("gallery"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="share_links",
    )
    image = models.ForeignKey(
        IMAGE_MODEL,
        verbose_name=_("image"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="share_links",
    )
    level = models.PositiveSmallIntegerField(
        _("level"), choices=Grant.LevelChoices.choices, default=Level.VIEW.value
    )
    watermark = models.CharField(_("watermark"), max_length=100, blank=True)
    note = models.CharField(_("for whom"), max_length=200, blank=True)
    password = models.CharField(max_length=128, blank=True, editable=False)  # as Django hashes it
    password_version = models.PositiveIntegerField(default=1, editable=False)
    ends_at = models.DateTimeField(_("ends at"), null=True, blank=True)
    max_views = models.PositiveIntegerField(_("most views"), null=True, blank=True)
    views = models.PositiveIntegerField(_("views"), default=0, editable=False)
    last_view_at = models.DateTimeField(_("last viewed at"), null=True, editable=False)
    # Who leaves takes along what they opened to others.
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("made by"),
        on_delete=models.CASCADE,
        related_name="+",
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, editable=False)
    # The limiter of guesses is in the row: it holds for all servers, and takes no more room.
    wrong_guesses = models.PositiveSmallIntegerField(default=0, editable=False)
    last_wrong_at = models.DateTimeField(null=True, editable=False)

    objects = models.Manager.from_queryset(ShareLinkQuerySet)()  # type: ignore[misc]

    class Meta:
        verbose_name = _("share link")
        verbose_name_plural = _("share links")
        ordering = ["-created_at", "-id"]
        constraints = [
            exactly_one("gallery", "image", "images_app_sharelink_to_gallery_or_image"),
            models.CheckConstraint(
                condition=Q(level__in=[level.value for level in Level]),
                name="images_app_sharelink_level_is_known",
            ),
            models.CheckConstraint(
                condition=Q(watermark="") | Q(level__lt=Level.ORIGINAL.value),
                name="images_app_sharelink_originals_bear_no_watermark",
                violation_error_message=_("Originals bear no watermark."),
            ),
            models.CheckConstraint(
                condition=Q(max_views__isnull=True) | Q(max_views__gte=1),
                name="images_app_sharelink_most_views_is_one_or_more",
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.public_id}"  # shown where what it shows is not

    def clean(self) -> None:
        """Refuse watermarks that are not configured."""
        if self.watermark and self.watermark not in get_settings().watermarks:
            raise ValidationError({"watermark": _("There is no such watermark.")})

    @property
    def subject(self) -> Any:
        """The gallery or image that it shows."""
        return self.gallery if self.gallery_id is not None else self.image

    @property
    def has_password(self) -> bool:
        """Whether a password must be told."""
        return bool(self.password)

    @property
    def is_used_up(self) -> bool:
        """Whether nobody else can open it, though who has opened it is still inside."""
        return self.max_views is not None and self.views >= self.max_views

    @property
    def is_asking(self) -> bool:
        """Whether opening it takes a password, or a click, since it counts."""
        return self.has_password or self.max_views is not None
