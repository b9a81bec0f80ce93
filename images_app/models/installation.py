"""The installation: which site this database is, and how often it has taken stored bytes away."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from images_app.models.querysets import WrittenModel


class Installation(WrittenModel):
    """One row; the same id stands beside the bytes. See ``images_app.ownership``."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    site_id = models.UUIDField(_("id of the site"), default=uuid.uuid4, editable=False)
    runs = models.PositiveBigIntegerField(_("runs that take bytes away"), default=0)

    class Meta:
        verbose_name = _("installation")
        verbose_name_plural = _("installation")
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="images_app_installation_is_one")
        ]

    def __str__(self) -> str:
        return str(self.site_id)
