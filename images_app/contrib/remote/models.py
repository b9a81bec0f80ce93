"""Where an image was fetched from, in a table of its own so that a swapped image stays small."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from images_app.contrib.remote.fetching import LONGEST_VALIDATOR, Validators
from images_app.contrib.remote.targets import LONGEST_URL
from images_app.models.image import IMAGE_MODEL
from images_app.models.querysets import WrittenModel


class RemoteSource(WrittenModel):
    """What is needed to look again. Delivery never asks it: the original is kept here."""

    FETCHED, UNCHANGED, REPLACED = "fetched", "unchanged", "replaced"

    image = models.OneToOneField(
        IMAGE_MODEL,
        verbose_name=_("image"),
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="remote_source",
    )
    url = models.CharField(_("address"), max_length=LONGEST_URL)
    final_url = models.CharField(_("address after redirects"), max_length=LONGEST_URL)
    etag = models.CharField("ETag", max_length=LONGEST_VALIDATOR, blank=True)
    last_modified = models.CharField("Last-Modified", max_length=LONGEST_VALIDATOR, blank=True)
    checksum = models.CharField(_("SHA-256 of the fetched bytes"), max_length=64)
    fetched_at = models.DateTimeField(_("fetched at"))
    checked_at = models.DateTimeField(_("checked at"), db_index=True)
    outcome = models.CharField(_("outcome"), max_length=50)  # one of the above, or an error's code

    class Meta:
        verbose_name = _("remote source")
        verbose_name_plural = _("remote sources")
        ordering = ["-fetched_at", "-image_id"]

    def __str__(self) -> str:
        return self.shown_url

    @property
    def shown_url(self) -> str:
        """The URL without its query, in which people put keys."""
        return self.url.partition("?")[0]

    @property
    def validators(self) -> Validators:
        """What the server said of the bytes."""
        return Validators(url=self.final_url, etag=self.etag, last_modified=self.last_modified)
