"""Relations of a host's models to images: forms and admins tell titles to who may see them."""

from __future__ import annotations

import pytest
from django import forms
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.utils import timezone

from images_app.access import Viewer
from images_app.choices import ImageChoiceField
from images_app.models import Gallery, Image
from tests.models.test_swapped import OWN_MODEL, make_project, run, story  # noqa: F401 (a fixture)

pytestmark = pytest.mark.django_db


class CoverForm(forms.ModelForm):
    class Meta:
        model = Gallery
        fields = ("cover",)


class FilteredForm(CoverForm):
    """As hosts do that choose the rows themselves."""

    def __init__(self, *args, owner, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["cover"].queryset = Image.objects.filter(owner=owner)


@pytest.fixture
def mine(make_image, make_user):
    return make_image(name="mine.jpg", owner=make_user("me"))


@pytest.fixture
def others(make_image, make_user):
    return make_image(name="others.jpg", owner=make_user("other"), color=(1, 2, 3))


def form_of(viewer, data=None, cover=None, make=CoverForm, **kwargs):
    form = make(data, instance=Gallery(title="x", cover=cover), **kwargs)
    if viewer is not None:
        form.viewer = viewer
    return form


def test_form__of_nobody_in_particular_offers_and_takes_nothing(mine, others):
    html = str(form_of(None))
    assert "mine" not in html
    assert html.count("<option") == 1
    texts = set()
    for key in (mine.pk, others.pk, 987654, "nonsense"):
        form = form_of(None, {"cover": key})
        assert not form.is_valid()
        texts.add(str(form.errors))
        assert "mine" not in str(form)
    assert len(texts) == 1
    assert form_of(None, {"cover": ""}).is_valid()


def test_form__keeps_what_is_there_without_its_title(mine, others):
    for viewer in (None, Viewer(user=mine.owner)):
        html = str(form_of(viewer, cover=others))
        assert "others" not in html
        assert f'<option value="{others.pk}" selected>Image {others.pk}</option>' in html
        form = form_of(viewer, {"cover": others.pk}, cover=others)
        assert form.is_valid()
        assert form.cleaned_data["cover"] == others
        assert not form.has_changed()


def test_form__of_a_viewer_offers_what_they_may_see(mine, others):
    viewer = Viewer(user=mine.owner)
    html = str(form_of(viewer))
    assert "mine" in html
    assert "others" not in html
    form = form_of(viewer, {"cover": mine.pk})
    assert form.is_valid()
    assert form.cleaned_data["cover"] == mine
    assert not form_of(viewer, {"cover": others.pk}).is_valid()
    assert not form_of(Viewer(user=AnonymousUser()), {"cover": mine.pk}).is_valid()


def test_form__offers_nothing_from_the_trash(mine):
    Image.objects.update(trashed_at=timezone.now())
    viewer, owner = Viewer(user=mine.owner), mine.owner
    for form in (form_of(viewer), form_of(None, make=FilteredForm, owner=owner)):
        assert "mine" not in str(form)
    for kwargs in ({}, {"make": FilteredForm, "owner": owner}):
        assert not form_of(viewer, {"cover": mine.pk}, **kwargs).is_valid()
        assert form_of(viewer, {"cover": mine.pk}, cover=mine, **kwargs).is_valid()


def test_form__honours_rows_that_a_host_has_chosen(mine, others):
    form = form_of(None, make=FilteredForm, owner=mine.owner)
    assert "mine" in str(form)
    assert "others" not in str(form)
    assert form_of(None, {"cover": mine.pk}, make=FilteredForm, owner=mine.owner).is_valid()
    assert not form_of(None, {"cover": others.pk}, make=FilteredForm, owner=mine.owner).is_valid()
    viewer = Viewer(user=others.owner)  # and never beyond what is known of the viewer
    assert "mine" not in str(form_of(viewer, make=FilteredForm, owner=mine.owner))


def test_form__with_all_rows_set_is_like_one_without(mine):
    form = form_of(None)
    form.fields["cover"].queryset = Image.objects.all()
    assert "mine" not in str(form)


def test_form__offers_a_bounded_number_and_what_is_chosen(make_user, mine, monkeypatch, make_image):
    monkeypatch.setattr(ImageChoiceField, "most", 2)
    newer = [make_image(name=f"{n}.jpg", owner=mine.owner, color=(n, 9, 9)) for n in range(3)]
    viewer = Viewer(user=mine.owner)
    assert str(form_of(viewer)).count("<option") == 3
    assert "Only the first 2 are offered." in str(form_of(viewer))
    html = str(form_of(viewer, {"cover": mine.pk}))
    assert f'<option value="{mine.pk}" selected>mine</option>' in html
    assert form_of(viewer, {"cover": newer[0].pk}).is_valid()


def test_admin__that_searches_says_nothing_of_how_many(mine, make_image, monkeypatch):
    make_image(name="newer.jpg", owner=mine.owner, color=(1, 2, 3))
    monkeypatch.setattr(ImageChoiceField, "most", 1)
    site = admin.AdminSite(name="elsewhere")
    request = RequestFactory().get("/")
    request.user = mine.owner
    for kind, is_list in ((admin.ModelAdmin, False), (Radio, True)):
        site.register(Gallery, kind)
        html = str(site._registry[Gallery].get_form(request)())
        assert ("Only the first 1 are offered." in html) is is_list
        site.unregister(Gallery)


class Radio(admin.ModelAdmin):
    radio_fields = {"cover": admin.VERTICAL}


def test_choices_of_the_field__have_no_titles(mine):
    blank, only = Gallery._meta.get_field("cover").get_choices()
    assert blank[0] == ""
    assert only == (mine.pk, f"Image {mine.pk}")


def test_admin__of_a_host_names_no_image_by_its_key(mine, others, make_user):
    """As the address of an add page can: ``?cover=1``."""

    class Raw(admin.ModelAdmin):
        raw_id_fields = ("cover",)

    staff = make_user("staff", is_staff=True, permissions=["add_gallery"])
    for kind in (Raw, admin.ModelAdmin):
        site = admin.AdminSite(name="elsewhere")
        site.register(Gallery, kind)
        request = RequestFactory().get("/", {"cover": mine.pk})
        request.user = staff
        form = site._registry[Gallery].get_form(request)(initial={"cover": mine.pk})
        assert "mine" not in str(form)
        request.user = mine.owner
        form = site._registry[Gallery].get_form(request)(initial={"cover": mine.pk})
        assert "mine" in str(form)
        assert "others" not in str(form)


MODELS = """
from django.conf import settings
from django.db import models
{own}

class Article(models.Model):
    image = models.ForeignKey("{image}", null=True, blank=True, on_delete=models.CASCADE)
    only = models.OneToOneField(
        "{image}", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    many = models.ManyToManyField("{image}", blank=True, related_name="+")


class Line(models.Model):
    article = models.ForeignKey(Article, on_delete=models.CASCADE)
    image = models.ForeignKey(
        "{image}",
        on_delete=models.CASCADE,
        related_name="+",
        limit_choices_to={{"format": "jpeg"}},
    )


class Raw(Article):
    class Meta:
        proxy = True


class Searched(Article):
    class Meta:
        proxy = True


class Radio(Article):
    class Meta:
        proxy = True
"""
ADMIN = """
from django.contrib import admin
from host.models import Article, Line, Radio, Raw, Searched
{own}

class LineInline(admin.TabularInline):
    model = Line
    extra = 1


@admin.register(Article)
class ArticleAdmin(admin.ModelAdmin):
    inlines = [LineInline]
    list_filter = ["image", ("only", admin.RelatedOnlyFieldListFilter), "many"]


@admin.register(Raw)
class RawAdmin(admin.ModelAdmin):
    raw_id_fields = ["image", "only", "many"]


@admin.register(Searched)
class SearchedAdmin(admin.ModelAdmin):
    autocomplete_fields = {searched}


@admin.register(Radio)
class RadioAdmin(admin.ModelAdmin):
    radio_fields = {{"image": admin.VERTICAL}}
    filter_horizontal = ["many"]
"""
USE = """
from django.contrib.admin.widgets import ManyToManyRawIdWidget
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django import forms
from django.views.generic import CreateView
from django.test import RequestFactory
from django.test.utils import setup_test_environment
from host.models import Article, Line
from images_app import get_image_model, ingest_image
from tests.pictures import upload

setup_test_environment()
Image = get_image_model()
editor = User.objects.create_user("editor", password="secret", is_staff=True)
editor.user_permissions.set(
    Permission.objects.filter(content_type__app_label="host").exclude(content_type__model="photo")
)
owner = User.objects.create_user("owner", password="secret")
own = ingest_image(upload("lantern.jpg"), owner=editor)
gone = ingest_image(upload("driftwood.jpg", color=(3, 3, 3)), owner=editor)
Image.objects.filter(pk=gone.pk).update(trashed_at=timezone.now())
secret = ingest_image(upload("lighthouse.jpg", color=(9, 9, 9)), owner=owner)
article = Article.objects.create(image=secret, only=secret)
article.many.set([secret, own])
Line.objects.create(article=article, image=secret)

client = Client()
client.force_login(editor)


def look(name, args=(), **query):
    response = client.get(reverse(f"admin:host_{name}", args=args), query)
    assert response.status_code == 200, (name, response.status_code)
    text = response.content.decode()
    for title in ("lighthouse", "driftwood"):
        assert title not in text, (name, title)
    return text


def is_text(widget):
    return isinstance(getattr(widget, "widget", widget), ManyToManyRawIdWidget)


def sent(name):
    "What a browser would send back of the page."
    response = client.get(reverse(f"admin:host_{name}_change", args=[article.pk]))
    form = response.context["adminform"].form
    data = {}
    parts = [form]
    for inline in response.context["inline_admin_formsets"]:
        parts += [inline.formset.management_form, *inline.formset.initial_forms]
    for part in parts:
        for each in part.fields:
            value = part.fields[each].prepare_value(part[each].value())
            if is_text(part.fields[each].widget):
                value = ",".join(map(str, value))
            data[part.add_prefix(each)] = "" if value is None else value
    return {**data, "line_set-TOTAL_FORMS": data.get("line_set-INITIAL_FORMS", 0)}


def state():
    fresh = Article.objects.get()
    return fresh.image_id, fresh.only_id, sorted(fresh.many.values_list("pk", flat=True))


before = state()
for name in ("article", "raw", "searched", "radio"):
    for key in (secret.pk, gone.pk, 987654):
        look(f"{name}_add", image=key, only=key, many=key)
    look(f"{name}_change", [article.pk])
    data = sent(name)
    url = reverse(f"admin:host_{name}_change", args=[article.pk])
    response = client.post(url, data)
    assert response.status_code == 302, (name, response.context["errors"])
    assert state() == before, (name, state())
    several = isinstance(data["many"], list)
    for bad in (gone.pk, 987654):
        for field in ("image", "many"):
            value = [bad] if field == "many" and several else bad
            response = client.post(url, {**data, field: value})
            assert response.status_code == 200, (name, field, bad)
            assert "driftwood" not in response.content.decode()
    response = client.post(url, {**data, "image": own.pk})
    assert response.status_code == 302, (name, response.context["errors"])
    response = client.post(url, {**data, "image": secret.pk})
    assert response.status_code == 200, name  # once it is let go, it is as any other
    Article.objects.update(image=secret)
assert "lantern" in look("radio_add")

assert "lantern" in look("article_changelist")  # filters offer what the editor may see
for lookup in ("image__id__exact", "many__id__exact"):
    text = look("article_changelist", **{lookup: secret.pk})
    assert "0 articles" in text, text

for field in ("image", "many"):
    query = {"app_label": "host", "model_name": "article", "field_name": field}
    assert client.get(reverse("admin:autocomplete"), query).status_code == 403
permission = Permission.objects.get(codename=f"add_{Image._meta.model_name}")
viewing = f"view_{Image._meta.model_name}"


class ArticleForm(forms.ModelForm):
    class Meta:
        model = Article
        fields = "__all__"


class LineForm(forms.ModelForm):
    class Meta:
        model = Line
        fields = ["image"]


for form in (ArticleForm(), ArticleForm(instance=article), LineForm()):
    for title in ("lantern", "lighthouse", "driftwood"):
        assert title not in str(form)
assert not LineForm({"image": own.pk}).is_valid()
unchanged = {"image": secret.pk, "only": secret.pk, "many": [secret.pk, own.pk]}
assert ArticleForm(unchanged, instance=article).is_valid()
from images_app.access import Viewer
form = LineForm({"image": own.pk})
form.viewer = Viewer(user=editor)
assert form.is_valid() and "lantern" in str(form) and "lighthouse" not in str(form)
Image.objects.filter(pk=own.pk).update(format="png")
form = LineForm({"image": own.pk})
form.viewer = Viewer(user=editor)
assert not form.is_valid()  # by limit_choices_to
Image.objects.filter(pk=own.pk).update(format="jpeg")
view = CreateView.as_view(model=Article, fields=["image", "many"], template_name="x.html")
request = RequestFactory().get("/")
request.user = owner
form = view(request).context_data["form"]
assert "lantern" not in str(form) and "lighthouse" not in str(form)

# Who may see every image by a model permission is offered every image: but none from the trash.
editor.user_permissions.add(Permission.objects.get(codename=viewing))
client.force_login(User.objects.get(pk=editor.pk))
text = client.get(reverse("admin:host_radio_add")).content.decode()
assert "lighthouse" in text and "driftwood" not in text
"""
SEARCH = """
query = {"app_label": "host", "model_name": "article", "field_name": "many", "term": ""}
found = client.get(reverse("admin:autocomplete"), query).json()["results"]
assert sorted(each["text"] for each in found) == ["lantern", "lighthouse"], found
assert "admin-autocomplete" in client.get(reverse("admin:host_article_add")).content.decode()
"""
DONE = '\nprint("all well")\n'
OWN_LAX_ADMIN = """
from host.models import Photo


@admin.register(Photo)
class PhotoAdmin(admin.ModelAdmin):
    search_fields = ["title"]
"""


@pytest.mark.parametrize("kind", ["plain", "swapped", "swapped, in no admin"])
def test_host__tells_no_titles(tmp_path, run, kind):  # noqa: F811
    """Whole projects whose app comes before ours, with nothing done for it."""
    is_plain = kind == "plain"
    is_listed = kind != "swapped, in no admin"
    make_project(
        tmp_path,
        settings="" if is_plain else 'IMAGES_APP_IMAGE_MODEL = "host.Photo"\n',
        models=MODELS.format(
            own="" if is_plain else OWN_MODEL,
            image="images_app.Image" if is_plain else "host.Photo",
        ),
        admin=ADMIN.format(
            own=OWN_LAX_ADMIN if kind == "swapped" else "",
            searched='["image", "only", "many"]' if is_listed else "[]",
        ),
    )
    run("-m", "django", "makemigrations", "host", "--verbosity", "0")
    run("-m", "django", "migrate", "--verbosity", "0")
    run("-m", "django", "makemigrations", "--check", "--dry-run")
    run("-m", "django", "check", "--fail-level", "WARNING")
    assert run(*story(USE + (SEARCH if is_listed else "") + DONE)).endswith("all well\n")
