"""Forms: several files at once, each let in or refused with its reason."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from images_app.conf import get_limits
from images_app.exceptions import ImagesAppError
from images_app.ingest import ingest_image
from images_app.models import AbstractImage, Gallery, GalleryQuerySet
from images_app.specs import CONTENT_TYPES


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


class UploadForm(forms.Form):
    """Adds images, to a gallery if one is chosen."""

    images = MultipleFileField(label=gettext_lazy("Files"))
    gallery = forms.ModelChoiceField(
        queryset=Gallery.objects.none(),
        required=False,
        label=gettext_lazy("Gallery"),
        empty_label=gettext_lazy("None: only owner and staff see them"),
    )

    def __init__(self, *args: Any, galleries: GalleryQuerySet, **kwargs: Any) -> None:
        """Take the galleries that may be chosen."""
        super().__init__(*args, **kwargs)
        gallery = self.fields["gallery"]
        assert isinstance(gallery, forms.ModelChoiceField)  # noqa: S101 (for the type checker)
        gallery.queryset = galleries
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

    def ingest(self, owner: Any) -> list[AbstractImage]:
        """Let in what is good, in order; each refused file becomes an error of the form."""
        images = []
        for file in self.cleaned_data["images"]:
            try:
                image = ingest_image(file, owner=owner, gallery=self.cleaned_data["gallery"])
            except ImagesAppError as error:
                self.add_error("images", _as_validation_error(file, error))
            else:
                images.append(image)
        return images


def _as_validation_error(file: UploadedFile[bytes], error: ImagesAppError) -> ValidationError:
    reason = _(error.public_message) % error.params
    return ValidationError(
        _("%(name)s: %(reason)s"), code=error.code, params={"name": file.name, "reason": reason}
    )
