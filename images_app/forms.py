"""Forms: several files at once, each let in or refused with its reason; share links."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from images_app.access import Level
from images_app.choices import FewChoicesField
from images_app.conf import get_limits, get_settings
from images_app.exceptions import ImagesAppError
from images_app.ingest import ingest_image
from images_app.models import AbstractImage, Gallery, GalleryQuerySet, Grant, get_image_model
from images_app.specs import CONTENT_TYPES

if TYPE_CHECKING:  # generic for the type checker only
    _ModelForm = forms.ModelForm[Any]
else:
    _ModelForm = forms.ModelForm


class MultipleFileInput(forms.FileInput):
    """``<input type="file" multiple>``."""

    allow_multiple_selected = True


class MultipleFileField(forms.FileField):
    """A list of uploaded files; empty ones are left to ingest, which names them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=MultipleFileInput, allow_empty_file=True, **kwargs)

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[bytes]]:
        """Answer with every file."""
        single = super().clean
        return [single(file, initial) for file in data] if data else [single(None, initial)]


class GalleryField(FewChoicesField):
    """A gallery to add to; each page of a gallery leads to this field, with itself chosen."""

    more_text = gettext_lazy(
        "Only the first %(number)d are offered. For another gallery, open its page and add there."
    )


class UploadForm(forms.Form):
    """Adds images, to a gallery if one is chosen or given."""

    images = MultipleFileField(label=gettext_lazy("Files"))
    gallery = GalleryField(
        queryset=Gallery.objects.none(),
        required=False,
        label=gettext_lazy("Gallery"),
        empty_label=gettext_lazy("None: only owner and staff see them"),
    )

    def __init__(
        self,
        *args: Any,
        galleries: GalleryQuerySet | None = None,
        gallery: Gallery | None = None,
        **kwargs: Any,
    ) -> None:
        """Take the galleries that may be chosen, or the one that there is no choice but."""
        super().__init__(*args, **kwargs)
        self.only_gallery = gallery
        choice = self.fields["gallery"]
        assert isinstance(choice, GalleryField)  # noqa: S101 (for the type checker)
        if gallery is not None:
            del self.fields["gallery"]
        elif galleries is not None:
            choice.queryset = galleries
        limits = get_limits()
        self.fields["images"].help_text = _(
            "%(formats)s, up to %(size)s and %(pixels)s megapixels each, "
            "%(number)s files at a time."
        ) % {
            "formats": limits.allowed,
            "size": filesizeformat(limits.max_bytes),
            "pixels": limits.max_pixels // 1_000_000,
            "number": settings.DATA_UPLOAD_MAX_NUMBER_FILES or _("any number of"),
        }
        self.fields["images"].widget.attrs["accept"] = ",".join(
            CONTENT_TYPES[name] for name in limits.formats
        )

    failure: ImagesAppError | None = None
    """What kept a file out for which it is worth trying again: no fault of the file's."""

    def public_ids(self) -> dict[str, str]:
        """Return the public ids of the galleries that are offered, by the values of the choice."""
        choice = self["gallery"].field
        assert isinstance(choice, GalleryField)  # noqa: S101 (for the type checker)
        return {str(row.pk): str(row.public_id) for row in choice.offered()}

    def ingest(self, owner: Any) -> list[AbstractImage]:
        """Let in what is good, in order; each refused file becomes an error of the form."""
        images, gallery = [], self.only_gallery or self.cleaned_data["gallery"]
        self.failure = None
        for file in self.cleaned_data["images"]:
            try:
                image = ingest_image(file, owner=owner, gallery=gallery)
            except ImagesAppError as error:
                self.add_error("images", as_validation_error(error, file.name))
                if error.retry_after is not None:
                    self.failure = error
            else:
                images.append(image)
        return images


def as_validation_error(error: ImagesAppError, file_name: str | None = None) -> ValidationError:
    """Return a failure as an error of a form, for its ``add_error``.

    Args:
        error: such as ``UploadRefused``.
        file_name: that it begins with, where there are several files.

    """
    reason = _(error.public_message) % error.params
    if file_name is None:
        return ValidationError("%(reason)s", code=error.code, params={"reason": reason})
    return ValidationError(
        _("%(name)s: %(reason)s"), code=error.code, params={"name": file_name, "reason": reason}
    )


IMAGE_FIELDS = ("title", "alt_text", "focal_x", "focal_y")
"""What people say of an image on the pages where they add and arrange."""


class _ImageForm(_ModelForm):
    """Some of the fields of one image; only what was changed is written."""

    def validate_constraints(self) -> None:
        """Leave out what the fields' validators say already: it costs a query for each."""

    def save_changed(self) -> None:
        """Save, leaving alone what others have changed meanwhile."""
        if self.changed_data:
            self.instance.save(update_fields=[*self.changed_data, "updated_at"])


@cache
def image_form(*names: str) -> type[_ImageForm]:
    """Answer with the form of these fields, of IMAGE_FIELDS."""
    widgets: dict[str, Any] = {}
    if "alt_text" in names:
        widgets["alt_text"] = forms.Textarea(attrs={"rows": 2})
    made: Any = forms.modelform_factory(
        get_image_model(), form=_ImageForm, fields=names, widgets=widgets
    )
    form: type[_ImageForm] = made
    return form


class PlaceForm(forms.Form):
    """The place of an image in a gallery, for browsers without scripts."""

    position = forms.IntegerField(
        label=gettext_lazy("Position"), min_value=-(2**31), max_value=2**31 - 1
    )


_LONGEST_PASSWORD = 128
_NEVER = 0


class ShareLinkForm(forms.Form):
    """The terms of a new share link."""

    note = forms.CharField(
        label=gettext_lazy("For whom"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("A note; whoever opens the link does not see it."),
    )
    level = forms.TypedChoiceField(
        label=gettext_lazy("Level"),
        coerce=lambda value: Level(int(value)),
        choices=Grant.LevelChoices.choices,
        initial=Level.VIEW.value,
    )
    days = forms.TypedChoiceField(label=gettext_lazy("Ends after"), coerce=int)
    password = forms.CharField(
        label=gettext_lazy("Password"),
        max_length=_LONGEST_PASSWORD,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy("Tell it by another way than the link. Empty: none is asked for."),
    )
    max_views = forms.IntegerField(
        label=gettext_lazy("Most views"),
        min_value=1,
        max_value=1_000_000,
        required=False,
        help_text=gettext_lazy("How many browsers may open it. Empty: any number."),
    )
    watermark = forms.ChoiceField(label=gettext_lazy("Watermark"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer what the settings have."""
        super().__init__(*args, **kwargs)
        usual, days = get_settings().share_link_days, self.fields["days"]
        assert isinstance(days, forms.TypedChoiceField)  # noqa: S101 (for the type checker)
        days.choices = [(n, _days(n)) for n in sorted({1, 7, 30, 90, 365, usual})]
        days.choices += [(_NEVER, _("never, until it is revoked"))]
        days.initial = usual
        watermark, names = self.fields["watermark"], get_settings().watermarks
        assert isinstance(watermark, forms.ChoiceField)  # noqa: S101 (likewise)
        watermark.choices = [("", _("none of its own")), *((name, name) for name in names)]
        if not names:
            del self.fields["watermark"]

    def clean(self) -> dict[str, Any]:
        """Refuse a mark on what cannot bear one."""
        terms: dict[str, Any] = super().clean() or self.cleaned_data
        if terms.get("watermark") and terms.get("level") == Level.ORIGINAL:
            self.add_error("watermark", _("Originals bear no watermark."))
        return terms

    def terms(self) -> dict[str, Any]:
        """Answer with the keywords of ``create_link``."""
        terms = dict(self.cleaned_data)
        days = terms.pop("days")
        if days == _NEVER:
            return {**terms, "never_ends": True}
        return {**terms, "ends_at": timezone.now() + timedelta(days=days)}


class LinkPasswordForm(forms.Form):
    """Another password for a share link."""

    password = forms.CharField(
        label=gettext_lazy("New password"),
        max_length=_LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


def _days(number: int) -> str:
    return ngettext("%d day", "%d days", number) % number
