"""The upload form: several files, each let in or refused with its reason."""

from __future__ import annotations

import pytest
from django import forms
from django.core.files.storage import storages
from django.utils import translation
from django.utils.datastructures import MultiValueDict

from images_app.exceptions import UploadRefused
from images_app.forms import UploadForm, as_validation_error
from images_app.ingest import ingest_image
from images_app.models import Gallery, Image
from tests.pictures import noise, picture, upload

pytestmark = pytest.mark.django_db


def form_with(*files, gallery=None, galleries=None) -> UploadForm:
    return UploadForm(
        {"gallery": gallery.pk if gallery else ""},
        MultiValueDict({"images": list(files)}),
        galleries=Gallery.objects.all() if galleries is None else galleries,
    )


def test_form__takes_several_files_in_order(make_gallery, make_user):
    gallery, owner = make_gallery(), make_user()
    form = form_with(*(upload(name) for name in ("b.jpg", "a.jpg", "c.jpg")), gallery=gallery)
    assert form.is_valid()
    assert [image.title for image in form.ingest(owner)] == ["b", "a", "c"]
    assert [item.image.title for item in gallery.items.all()] == ["b", "a", "c"]
    assert set(Image.objects.values_list("owner", flat=True)) == {owner.pk}


def test_form__needs_a_file():
    form = form_with()
    assert not form.is_valid()
    assert form.errors == {"images": ["This field is required."]}


def test_form__keeps_the_good_and_names_the_bad(files):
    good, text, empty = upload("good.jpg"), upload("t.jpg", b"text"), upload("e.jpg", b"")
    form = form_with(text, good, empty)
    assert form.is_valid()
    assert [image.title for image in form.ingest(None)] == ["good"]
    errors = form.errors.as_data()["images"]
    assert [error.code for error in errors] == ["not_an_image", "empty"]
    first, second = form.errors["images"]
    assert first.startswith("t.jpg: This is not an image that can be read here.")
    assert first.endswith("Allowed are JPEG, PNG, GIF, WebP, AVIF.")
    assert second == "e.jpg: The file is empty."
    assert len(files()) == 1


def test_form__says_that_the_storage_fails(monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("/secret/path")

    monkeypatch.setattr(storages["images"], "_save", fail)
    form = form_with(upload())
    assert form.is_valid()
    assert form.ingest(None) == []
    assert form.errors["images"] == [
        "cat.jpg: The storage cannot be reached right now. Try again in a moment."
    ]


@pytest.mark.parametrize(
    "name", ["100%.jpg", "%s.jpg", "%(name)s.jpg", "%d %(limit)s.jpg", "<b>.jpg"]
)
def test_form__takes_names_for_text(name):
    form = form_with(upload(name, b"text"))
    assert form.is_valid()
    form.ingest(None)
    assert form.errors["images"][0].startswith(f"{name}: This is not an image")
    assert "<b>" not in str(form["images"].errors)


def test_form__limits_are_filled_in(settings):
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": 2048}
    form = form_with(upload("big.jpg", noise()))
    assert form.is_valid()
    form.ingest(None)
    assert form.errors["images"] == ["big.jpg: The file is larger than the allowed 2.0\xa0KB."]


def test_form__offers_the_given_galleries_only(make_gallery):
    own, foreign = make_gallery("Own"), make_gallery("Foreign")
    form = form_with(upload(), gallery=foreign, galleries=Gallery.objects.filter(pk=own.pk))
    assert not form.is_valid()
    assert list(form.errors) == ["gallery"]
    assert "Foreign" not in str(form["gallery"])


@pytest.mark.parametrize("gallery", ["nonsense", "0", "99999999999999999999", "\0"])
def test_form__refuses_a_nonsense_gallery(gallery):
    data, files = {"gallery": gallery}, MultiValueDict({"images": [upload()]})
    form = UploadForm(data, files, galleries=Gallery.objects.all())
    assert not form.is_valid()
    assert list(form.errors) == ["gallery"]


def test_form__tells_the_limits(settings):
    settings.IMAGES_APP = {
        "FORMATS": ["jpeg", "webp"],
        "MAX_UPLOAD_BYTES": 5 * 2**20,
        "MAX_PIXELS": 12_000_000,
    }
    field = UploadForm(galleries=Gallery.objects.none()).fields["images"]
    assert field.help_text == (
        "JPEG, WebP, up to 5.0\xa0MB and 12 megapixels each, 100 files at a time."
    )
    html = str(UploadForm(galleries=Gallery.objects.none())["images"])
    assert 'accept="image/jpeg,image/webp"' in html
    assert " multiple" in html


def test_form__tells_where_the_number_of_files_is_not_limited(settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = None
    field = UploadForm(galleries=Gallery.objects.none()).fields["images"]
    assert "any number of files at a time" in field.help_text


def test_form__ignores_the_types_that_the_browser_claims():
    file = upload("page.html", picture("PNG"))
    file.content_type = "text/html"
    form = form_with(file)
    assert form.is_valid()
    (image,) = form.ingest(None)
    assert image.content_type == "image/png"


def test_refusal__is_an_error_of_any_form():
    class OwnForm(forms.Form):
        file = forms.FileField()

    form = OwnForm({}, {"file": upload("a.jpg", b"text")})
    assert form.is_valid()
    with pytest.raises(UploadRefused) as refused, translation.override("de"):
        ingest_image(form.cleaned_data["file"])
    with translation.override("de"):
        form.add_error("file", as_validation_error(refused.value))
    assert form.has_error("file", "not_an_image")
    (told,) = form.errors["file"]
    assert "%" not in told
    assert "JPEG" in told


def test_refusal__of_one_of_several_names_the_file():
    error = as_validation_error(UploadRefused("empty"), "50%.jpg")
    assert (error.code, error.messages) == ("empty", ["50%.jpg: The file is empty."])
