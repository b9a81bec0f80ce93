"""The form that fetches: one address a line, each let in or refused with its reason."""

from __future__ import annotations

import time
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from images_app.contrib.remote.conf import get_remote
from images_app.contrib.remote.sources import fetch_image
from images_app.contrib.remote.targets import LONGEST_URL
from images_app.exceptions import ImagesAppError
from images_app.forms import GalleryField
from images_app.models import AbstractImage, Gallery, GalleryQuerySet

MOST_URLS = 10  # in one request
_LONGEST_SHOWN = 100  # characters of an address in an error


class FetchForm(forms.Form):
    """Fetches images, into a gallery if one is chosen."""

    urls = forms.CharField(
        label=gettext_lazy("Addresses"),
        max_length=MOST_URLS * (LONGEST_URL + 2),
        widget=forms.Textarea(attrs={"rows": 5, "cols": 80, "spellcheck": "false"}),
    )
    gallery = GalleryField(
        queryset=Gallery.objects.none(),
        required=False,
        label=gettext_lazy("Gallery"),
        empty_label=gettext_lazy("None: only owner and staff see them"),
    )

    def __init__(self, *args: Any, galleries: GalleryQuerySet, **kwargs: Any) -> None:
        """Take the galleries that may be chosen."""
        super().__init__(*args, **kwargs)
        gallery, hosts = self.fields["gallery"], get_remote().hosts
        assert isinstance(gallery, forms.ModelChoiceField)  # noqa: S101 (for the type checker)
        gallery.queryset = galleries
        self.fields["urls"].help_text = (
            _("One a line, at most %(number)s. Allowed are %(hosts)s.")
            % {"number": MOST_URLS, "hosts": ", ".join(hosts)}
            if hosts
            else _("The settings of this site name no host to fetch images from.")
        )

    def clean_urls(self) -> list[str]:
        """Answer with the addresses, each once."""
        lines = (line.strip() for line in self.cleaned_data["urls"].splitlines())
        urls = list(dict.fromkeys(line for line in lines if line))
        if len(urls) > MOST_URLS:
            message = _("These are more than %(number)s addresses.")
            raise ValidationError(message, code="too_many", params={"number": MOST_URLS})
        return urls

    def fetch(self, user: Any) -> list[AbstractImage]:
        """Let in what is good, in order; each refused address becomes an error of the form.

        Raises:
            PermissionDenied: when the user may not fetch at all.

        """
        images, starts_until = [], time.monotonic() + get_remote().max_seconds
        for url in self.cleaned_data["urls"]:
            if time.monotonic() > starts_until:
                self._complain(url, "no_time", _("There was no time for it. Try it on its own."))
                continue
            try:
                images.append(self._fetch(url, user))
            except ImagesAppError as error:
                self._complain(url, error.code, _(error.public_message) % error.params)
        return images

    def _fetch(self, url: str, user: Any) -> AbstractImage:
        gallery = self.cleaned_data["gallery"]
        return fetch_image(url, owner=user, gallery=gallery, user=user)

    def _complain(self, url: str, code: str, reason: str) -> None:
        params = {"url": url[:_LONGEST_SHOWN], "reason": reason}
        self.add_error("urls", ValidationError("%(url)s: %(reason)s", code=code, params=params))
