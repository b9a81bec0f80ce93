"""The grant: a level or a right, given to a user or a group, on a gallery or an image."""

from __future__ import annotations

from itertools import product

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from images_app.access import Level, Right
from images_app.models.gallery import Gallery
from images_app.models.image import IMAGE_MODEL
from images_app.models.querysets import WrittenModel


def exactly_one(first: str, second: str, name: str) -> models.CheckConstraint:
    """Answer with the constraint that one of two fields is set, and the other is not."""
    return models.CheckConstraint(
        condition=Q(**{f"{first}__isnull": False, f"{second}__isnull": True})
        | Q(**{f"{first}__isnull": True, f"{second}__isnull": False}),
        name=name,
        # Lazily, or the language of whoever makes migrations would get into them.
        violation_error_message=format_lazy(
            _("Choose exactly one of {first} and {second}."), first=_(first), second=_(second)
        ),
    )


def _once_each() -> list[models.UniqueConstraint]:
    """Nulls never collide, so each combination of holder, object and kind has its own."""
    kinds = {"level": [], "right": ["right"]}
    return [
        models.UniqueConstraint(
            fields=[holder, subject, *kinds[kind]],
            condition=Q(**{f"{name}__isnull": False for name in (holder, subject, kind)}),
            name=f"images_app_grant_one_{kind}_of_{holder}_on_{subject}",
        )
        for holder, subject, kind in product(("user", "group"), ("gallery", "image"), kinds)
    ]


class Grant(WrittenModel):
    """One row: who, on what, how much, until when."""

    class LevelChoices(models.IntegerChoices):
        PREVIEW = Level.PREVIEW.value, _("preview (small sizes)")
        VIEW = Level.VIEW.value, _("view (all sizes)")
        ORIGINAL = Level.ORIGINAL.value, _("original (download)")

    class RightChoices(models.TextChoices):
        CHANGE = Right.CHANGE.value, _("change")
        SHARE = Right.SHARE.value, _("share")
        DELETE = Right.DELETE.value, _("delete")

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
    )
    group = models.ForeignKey(
        "auth.Group",
        verbose_name=_("group"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
    )
    gallery = models.ForeignKey(
        Gallery,
        verbose_name=_("gallery"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="grants",
    )
    image = models.ForeignKey(
        IMAGE_MODEL,
        verbose_name=_("image"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="grants",
    )
    level = models.PositiveSmallIntegerField(
        _("level"), choices=LevelChoices.choices, null=True, blank=True
    )
    right = models.CharField(
        _("right"), max_length=10, choices=RightChoices.choices, null=True, blank=True
    )
    ends_at = models.DateTimeField(
        _("ends at"), null=True, blank=True, help_text=_("Empty: until it is taken back.")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("grant")
        verbose_name_plural = _("grants")
        constraints = [
            exactly_one("user", "group", "images_app_grant_to_user_or_group"),
            exactly_one("gallery", "image", "images_app_grant_on_gallery_or_image"),
            exactly_one("level", "right", "images_app_grant_of_level_or_right"),
            models.CheckConstraint(
                condition=Q(level__isnull=True) | Q(level__in=[level.value for level in Level]),
                name="images_app_grant_level_is_known",
            ),
            models.CheckConstraint(
                condition=Q(right__isnull=True) | Q(right__in=[right.value for right in Right]),
                name="images_app_grant_right_is_known",
            ),
            *_once_each(),
        ]
        # One row of what somebody holds on one thing: every decision asks for that.
        indexes = [
            models.Index(fields=[holder, subject])
            for holder, subject in product(("user", "group"), ("gallery", "image"))
        ]

    def __str__(self) -> str:
        kind = self.get_right_display() if self.right else self.get_level_display()
        return (
            f"{self.user or self.group}: {kind}"  # of what, not everybody may read who reads this
        )
