"""The admin: adding, arranging, sharing."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Value
from django.urls import reverse

from images_app.models import Gallery, GalleryItem, Grant, Image
from tests.pictures import bomb_header, picture, upload

pytestmark = pytest.mark.django_db
ADD = "admin:images_app_image_add"
ALL_PERMISSIONS = [
    f"{action}_{model}"
    for action in ("add", "change", "delete", "view")
    for model in ("image", "gallery", "galleryitem", "grant")
]


@pytest.fixture
def editor(make_user):
    return make_user("editor", permissions=ALL_PERMISSIONS, is_staff=True)


@pytest.fixture
def staff(client_of, editor):
    return client_of(editor)


def test_add__several_files_hang_in_the_gallery_in_order(staff, editor, make_gallery):
    gallery = make_gallery()
    names = ["b.jpg", "a.jpg", "c.png"]
    content = {"c.png": picture("PNG")}
    response = staff.post(
        reverse(ADD),
        {"images": [upload(name, content.get(name)) for name in names], "gallery": gallery.pk},
    )
    assert response.status_code == 302
    assert response["Location"] == reverse("admin:images_app_gallery_change", args=[gallery.pk])
    titles = [item.image.title for item in gallery.items.all()]
    assert titles == ["b", "a", "c"]
    assert {image.owner for image in Image.objects.all()} == {editor}


def test_add__without_a_gallery_leads_to_the_list(staff):
    response = staff.post(reverse(ADD), {"images": [upload()]})
    assert response["Location"] == reverse("admin:images_app_image_changelist")


WRONG_FILES = {
    "text.jpg": (b"Hello, I am no picture.", "not an image"),
    "cut.jpg": (picture(size=(400, 300))[:-900], "damaged or incomplete"),
    "eps.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "EPS or PostScript file"),
    "huge.png": (bomb_header(60_000, 60_000), "more pixels than allowed"),
    "empty.jpg": (b"", "The file is empty."),
}


def test_add__wrong_files_are_named_and_good_ones_kept(staff, files):
    bad = [SimpleUploadedFile(name, content) for name, (content, _) in WRONG_FILES.items()]
    response = staff.post(reverse(ADD), {"images": [upload("first.jpg"), *bad, upload("last.jpg")]})
    assert response.status_code == 200
    errors = response.context["form"].errors["images"]
    assert len(errors) == len(WRONG_FILES)
    for error, (name, (_, reason)) in zip(errors, WRONG_FILES.items(), strict=True):
        assert error.startswith(f"{name}: ")
        assert reason in error
    assert sorted(Image.objects.values_list("title", flat=True)) == ["first", "last"]
    assert len(files()) == 2
    assert "2 images were added." in response.content.decode()


def test_add__no_file_is_an_error(staff):
    response = staff.post(reverse(ADD), {})
    assert response.context["form"].errors["images"] == ["This field is required."]


def test_add__file_names_are_escaped(staff):
    file = SimpleUploadedFile("<script>alert(1)</script>.jpg", b"text")
    response = staff.post(reverse(ADD), {"images": [file]})
    assert b"<script>alert(1)" not in response.content


def test_add__preselects_the_gallery(staff, make_gallery):
    gallery = make_gallery()
    response = staff.get(reverse(ADD), {"gallery": gallery.pk})
    assert f'<option value="{gallery.pk}" selected>' in response.content.decode()


def test_add__needs_the_permission(client_of, make_user):
    client = client_of(make_user(permissions=["view_image"], is_staff=True))
    assert client.get(reverse(ADD)).status_code == 403


def test_image_list__previews_by_checked_urls(staff, make_image):
    image = make_image()
    response = staff.get(reverse("admin:images_app_image_changelist"))
    assert f'src="/renditions/{image.public_id}/1/' in response.content.decode()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("alt=missing", ["bare"]),
        ("alt=present", ["told"]),
        ("q=TOLD", ["told"]),
        ("format__exact=png", []),
        ("", ["bare", "told"]),
    ],
)
def test_image_list__filters_and_searches(staff, make_image, query, expected):
    make_image(name="told.jpg", fields={"alt_text": "a cat"})
    make_image(name="bare.jpg")
    url = reverse("admin:images_app_image_changelist")
    found = staff.get(f"{url}?{query}").context["cl"].queryset
    assert sorted(image.title for image in found) == expected


def test_image_list__is_a_constant_number_of_queries(
    staff, make_gallery, django_assert_max_num_queries
):
    make_gallery(images=8)
    with django_assert_max_num_queries(14):
        staff.get(reverse("admin:images_app_image_changelist"))


def test_image_change__a_moved_focal_point_raises_the_version(staff, make_image):
    image = make_image()
    url = reverse("admin:images_app_image_change", args=[image.pk])
    form = staff.get(url).context["adminform"].form
    data = {name: form[name].value() or "" for name in form.fields}
    data |= {"focal_x": "0.25", "taken_at_0": "", "taken_at_1": ""}
    data |= {"grants-TOTAL_FORMS": "0", "grants-INITIAL_FORMS": "0"}
    response = staff.post(url, data)
    assert response.status_code == 302, response.context["errors"]
    image.refresh_from_db()
    assert (image.version, image.focal_point) == (2, (0.25, 0.5))


def gallery_form(**changes):
    return {
        "title": "New",
        "description": "",
        "visibility": "private",
        "owner": "",
        "cover": "",
        "position": "0",
        "grants-TOTAL_FORMS": "0",
        "grants-INITIAL_FORMS": "0",
        **changes,
    }


def test_gallery_add__belongs_to_its_maker_and_takes_grants(staff, editor, make_user):
    friend = make_user("friend")
    url = reverse("admin:images_app_gallery_add")
    assert staff.get(url).context["adminform"].form.initial["owner"] == editor.pk
    grant = {
        "grants-TOTAL_FORMS": "1",
        "grants-0-user": str(friend.pk),
        "grants-0-level": "20",
    }
    response = staff.post(url, gallery_form(owner=str(editor.pk), **grant))
    assert response.status_code == 302, response.context["errors"]
    gallery = Gallery.objects.get()
    assert gallery.owner == editor
    assert Grant.objects.get(gallery=gallery).user == friend


@pytest.mark.parametrize(
    "grant",
    [
        {"level": "20"},
        {"user": "friend"},
        {"user": "friend", "level": "20", "right": "share"},
        {"user": "friend", "group": "nobody", "level": "20"},
    ],
)
def test_gallery_change__an_unclear_grant_is_refused(staff, make_gallery, make_user, grant):
    friend, gallery = make_user("friend"), make_gallery()
    data = {f"grants-0-{key}": value for key, value in grant.items()}
    if "user" in grant:
        data["grants-0-user"] = str(friend.pk)
    data |= {"grants-TOTAL_FORMS": "1", "grants-0-gallery": str(gallery.pk)}
    url = reverse("admin:images_app_gallery_change", args=[gallery.pk])
    assert staff.post(url, gallery_form(**data)).status_code == 200
    assert not Grant.objects.exists()


def test_gallery_change__shows_images_and_leads_on(staff, make_gallery):
    gallery = make_gallery(images=2)
    url = reverse("admin:images_app_gallery_change", args=[gallery.pk])
    text = staff.get(url).content.decode()
    assert text.count('class="images-app-preview"') == 2
    assert f"/admin/images_app/image/add/?gallery={gallery.pk}" in text
    assert f"/admin/images_app/galleryitem/?gallery__id__exact={gallery.pk}" in text


VISIBILITY = "admin:images_app_gallery_changelist"


def test_visibility__is_confirmed_first(staff, make_gallery):
    one, other = make_gallery("One", images=1), make_gallery("Other")
    chosen = {"action": "change_visibility", "_selected_action": [one.pk, other.pk]}
    response = staff.post(reverse(VISIBILITY), chosen)
    text = response.content.decode()
    assert "One – Private" in text
    assert "1 image)" in text
    assert set(Gallery.objects.values_list("visibility", flat=True)) == {"private"}
    response = staff.post(
        reverse(VISIBILITY), {**chosen, "confirmed": "yes", "visibility": "members"}
    )
    assert response.status_code == 302
    assert set(Gallery.objects.values_list("visibility", flat=True)) == {"members"}


def test_visibility__nonsense_changes_nothing(staff, make_gallery):
    gallery = make_gallery()
    response = staff.post(
        reverse(VISIBILITY),
        {
            "action": "change_visibility",
            "_selected_action": [gallery.pk],
            "confirmed": "yes",
            "visibility": "everybody",
        },
    )
    assert response.status_code == 200
    assert Gallery.objects.get().visibility == "private"


def test_items__are_reordered_a_page_at_a_time(staff, make_gallery):
    gallery = make_gallery(images=3)
    url = reverse("admin:images_app_galleryitem_changelist") + f"?gallery__id__exact={gallery.pk}"
    items = list(gallery.items.all())
    data = {"form-TOTAL_FORMS": "3", "form-INITIAL_FORMS": "3", "_save": "Save"}
    for number, item in enumerate(items):
        data |= {f"form-{number}-id": item.pk, f"form-{number}-position": 100 - number}
    assert staff.post(url, data).status_code == 302
    assert [item.pk for item in gallery.items.all()] == [item.pk for item in reversed(items)]


def test_items__an_image_is_hung_by_hand(staff, make_gallery, make_image):
    gallery, image = make_gallery(), make_image()
    url = reverse("admin:images_app_galleryitem_add")
    data = {"gallery": gallery.pk, "image": image.pk, "position": "5"}
    assert staff.post(url, data).status_code == 302
    assert GalleryItem.objects.get().image_id == image.pk


class OnlyOwn:
    """A policy for the tests below: everyone has what they own, and nothing else."""

    def images(self, viewer, queryset, access, *, annotate=True):
        return self._own(viewer, queryset)

    def galleries(self, viewer, queryset, access, *, annotate=True):
        return self._own(viewer, queryset)

    def may_add(self, viewer, gallery):
        return gallery.owner_id == viewer.user.pk

    def _own(self, viewer, queryset):
        return queryset.filter(owner=viewer.user.pk).annotate(
            viewer_level=Value(30), anyone=Value(False)
        )


@pytest.fixture
def only_own(settings):
    settings.IMAGES_APP = {"POLICY": {"BACKEND": f"{__name__}.OnlyOwn"}}


@pytest.mark.usefixtures("only_own")
def test_policy__narrows_what_the_admin_shows(staff, editor, make_gallery, make_user):
    own, foreign = make_gallery("Own", owner=editor), make_gallery("Foreign", owner=make_user())
    shown = staff.get(reverse(VISIBILITY)).context["cl"].queryset
    assert [gallery.pk for gallery in shown] == [own.pk]
    url = reverse("admin:images_app_gallery_change", args=[foreign.pk])
    assert staff.get(url).status_code == 302  # Django's own answer: "perhaps it was deleted?"


@pytest.mark.usefixtures("only_own")
def test_policy__no_foreign_gallery_is_filled(staff, make_gallery, make_user, files):
    foreign = make_gallery("Foreign", owner=make_user())
    response = staff.post(reverse(ADD), {"images": [upload()], "gallery": foreign.pk})
    assert "gallery" in response.context["form"].errors
    assert files() == []


@pytest.mark.usefixtures("only_own")
def test_policy__no_foreign_image_is_hung(staff, editor, make_gallery, make_image, make_user):
    own, foreign = make_gallery(owner=editor), make_image(owner=make_user())
    url = reverse("admin:images_app_galleryitem_add")
    response = staff.post(url, {"gallery": own.pk, "image": foreign.pk, "position": "5"})
    assert "image" in response.context["adminform"].form.errors
