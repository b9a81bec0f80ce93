"""Why may they see this? The page says what the policy says, in words, and names nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from html import unescape

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.db.models import Value
from django.test import Client
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import date_format

from images_app.access import Level, Right, UnlockedLink, Viewer
from images_app.admin import GalleryAdmin, GalleryItemAdmin, ImageAdmin
from images_app.admin.reasons import NAMES, explainer
from images_app.models import Gallery, GalleryItem, Grant, Image
from images_app.policies import DefaultPolicy, Reason
from images_app.sharing import create_link
from images_app.views.authorise import is_reachable
from project.urls import urlpatterns as project_urls
from tests.models.test_swapped import OWN_MODEL, make_project, run, story  # noqa: F401 (a fixture)
from tests.world import GALLERY_STATES, VIEWERS, make_world

pytestmark = pytest.mark.django_db
EDITOR = ("change_gallery", "change_image")
PREVIEW, VIEW, ORIGINAL = Level

# The admin under another name beside the project's.
backstage = admin.AdminSite(name="backstage")
backstage.register(Image, ImageAdmin)
backstage.register(Gallery, GalleryAdmin)
backstage.register(GalleryItem, GalleryItemAdmin)
urlpatterns = [path("backstage/", backstage.urls), *project_urls]


@pytest.fixture
def staff_with(make_user):
    """A client of staff with these permissions, and, if asked for, that to know users."""

    def logged_in(*permissions, knows_users=True, knows_groups=True):
        user = make_user("asking", permissions=permissions, is_staff=True)
        names = ["view_user"] * knows_users + ["view_group"] * knows_groups
        user.user_permissions.add(*Permission.objects.filter(codename__in=names))
        client = Client()
        client.force_login(user)
        client.user = user
        return client

    return logged_in


@pytest.fixture
def editor(staff_with):
    return staff_with(*EDITOR)


@pytest.fixture
def owner(make_user):
    return make_user("proprietor")


@pytest.fixture
def gallery(make_gallery, owner):
    return make_gallery("Holidays", owner=owner)


@pytest.fixture
def image(make_image, gallery, owner):
    return make_image(name="harbour.jpg", owner=owner, gallery=gallery)


def why_url(obj, site="admin"):
    meta = obj._meta
    return reverse(f"{site}:{meta.app_label}_{meta.model_name}_why", args=[obj.pk])


def comparable(response, what) -> str:
    """The page without what was asked for, and without the token of its forms."""
    text = re.sub(r'value="[A-Za-z0-9]{64}"', "", response.content.decode())
    return text.replace(what, "")


def words(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html)).strip()


def ask(client, obj, user="", **query):
    response = client.get(why_url(obj), {"user": user, "link": "", **query})
    assert response.status_code == 200
    return response


def accesses(response) -> dict[str, bool]:
    rows = re.findall(
        r'<th scope="row">(.*?)</th><td>(yes|no)</td>', response.content.decode(), re.DOTALL
    )
    return {words(name): answer == "yes" for name, answer in rows}


def reasons(response) -> list[str]:
    text = response.content.decode()
    _, _, section = text.partition('aria-labelledby="images-app-reasons"')
    return [
        words(item) for item in re.findall(r"<li>(.*?)</li>", section.partition("</section>")[0])
    ]


def said_by_policy(obj, viewer) -> dict[str, bool]:
    """What visible_to says for each access, by the words of the page."""
    return {str(name): is_reachable(obj, viewer, access) for access, name in NAMES.items()}


# It says what the policy says


@pytest.fixture
def world():
    return make_world()


@pytest.mark.parametrize("viewer", VIEWERS)
def test_why__says_what_the_policy_says(world, editor, viewer):
    user = world.users[viewer]
    shown = [image for state, image in world.images.items() if state != "trashed"]
    for obj in (*shown, *(world.galleries[state] for state in GALLERY_STATES[:-1])):
        response = ask(editor, obj, user.get_username())
        expected = said_by_policy(obj, Viewer(user=user))
        assert len(expected) == 6
        assert accesses(response) == expected
        given = {sentence.partition(" – ")[0] for sentence in reasons(response)}
        levels = {str(NAMES[level]): level for level in Level}
        best = max((levels[each] for each in given if each in levels), default=None)
        if given - set(levels):
            best = ORIGINAL  # a right gives it besides
        reached = [level for name, level in levels.items() if expected[name]]
        assert best == max(reached, default=None)
        rights = {str(NAMES[right]) for right in Right}
        assert given & rights == {name for name in rights if expected[name]}


def test_why__only_a_form_until_somebody_is_named(editor, gallery):
    response = editor.get(why_url(gallery))
    assert accesses(response) == {}
    assert 'aria-labelledby="images-app-reasons"' not in response.content.decode()


# In words


def grant_on(subject, holder, **values):
    kind = "group" if isinstance(holder, Group) else "user"
    on = "gallery" if isinstance(subject, Gallery) else "image"
    return Grant.objects.create(**{kind: holder, on: subject, **values})


def test_words__grants(editor, make_user, gallery, image):
    ann, friends = make_user("ann"), Group.objects.create(name="Friends")
    ann.groups.add(friends)
    ends_at = timezone.make_aware(datetime(2099, 12, 1, 10, 30))  # noqa: DTZ001 (aware by then)
    grant_on(gallery, friends, level=20, ends_at=ends_at)
    grant_on(gallery, ann, level=30, ends_at=timezone.now() - timedelta(seconds=1))
    grant_on(image, ann, right="change")
    by, end = "view (all sizes) – by a grant to the group Friends on", "Dec. 1, 2099, 10:30 a.m."
    assert reasons(ask(editor, gallery, "ann")) == [f"{by} this gallery, until {end}"]
    assert reasons(ask(editor, image, "ann")) == [
        "original (download) – by a grant to the user ann on this image",
        "change – by a grant to the user ann on this image",
        f"{by} the gallery “Holidays”, until {end}",
    ]


@pytest.mark.parametrize(
    ("visibility", "user", "label"),
    [
        ("public", "", "Public: anyone, without login"),
        ("members", "ann", "Members: everyone who is logged in"),
    ],
)
def test_words__visibility(editor, make_user, gallery, image, visibility, user, label):
    make_user("ann")
    Gallery.objects.update(visibility=visibility)
    by = "view (all sizes) – by the visibility of "
    assert reasons(ask(editor, gallery, user)) == [f"{by}this gallery ({label})"]
    assert reasons(ask(editor, image, user)) == [f"{by}the gallery “Holidays” ({label})"]


def test_words__owners(editor, gallery, image, owner):
    by = "as the owner of this image"
    assert reasons(ask(editor, image, "proprietor")) == [
        *(f"{access} – {by}" for access in ("original (download)", "change", "share", "delete")),
        "original (download) – as the owner of the gallery “Holidays”",
    ]


@pytest.mark.parametrize("is_superuser", [False, True])
def test_words__staff(editor, make_user, gallery, is_superuser):
    permissions = () if is_superuser else ("delete_gallery", "view_gallery")
    make_user("boss", permissions=permissions, is_staff=True, is_superuser=is_superuser)
    names = ("original (download)", *(["change", "share"] if is_superuser else []), "delete")
    by = "as staff, by the model permissions"
    assert reasons(ask(editor, gallery, "boss")) == [f"{name} – {by}" for name in names]


def test_words__nobody(editor, gallery):
    response = ask(editor, gallery)
    text = response.content.decode()
    assert not any(accesses(response).values())
    assert "There is no way in for them." in text
    assert "What somebody may do who is not logged in" in text


def test_words__an_inactive_account(editor, make_user, gallery):
    make_user("left", is_active=False)
    grant_on(gallery, Gallery.objects.get().owner, level=30)
    Gallery.objects.update(visibility="public")
    response = ask(editor, gallery, "left")
    assert "This account is not active" in response.content.decode()
    assert accesses(response) == accesses(ask(editor, gallery))
    assert "This account is not active" not in ask(editor, gallery).content.decode()


def test_page__escapes_what_people_wrote(editor, make_user, make_gallery, make_image):
    evil = "<script>alert(1)</script>"
    user = make_user("ann<b>")
    gallery = make_gallery(evil)
    image = make_image(gallery=gallery, fields={"title": evil})
    group = Group.objects.create(name=evil)
    user.groups.add(group)
    grant_on(gallery, group, level=20)
    link, _ = create_link(
        Viewer(user=make_user("admin", is_superuser=True, is_staff=True)), gallery
    )
    type(link).objects.update(note=evil)
    for obj in (gallery, image):
        for name in ("ann<b>", "<i>unknown"):
            text = ask(editor, obj, name, link=link.public_id).content.decode()
            assert "<script>alert" not in text
            assert "<b>" not in text
            assert "<i>unknown" not in text
        assert f"the group {evil}" in reasons(ask(editor, obj, "ann<b>"))[0]


def test_page__is_labelled(editor, gallery):
    text = ask(editor, gallery).content.decode()
    for name in ("user", "link"):
        assert f'<label for="id_{name}"' in text
    assert 'aria-describedby="id_user_helptext"' in text
    assert 'id="id_user_helptext"' in text
    assert text.partition('id="content-main"')[2].count('scope="row"') == 6
    assert re.findall(r"<h1>.*?</h1>", text) == ["<h1>Why may they see this?</h1>"]
    assert "<title>Why may they see this?" in text.replace("\n", "")


# Links


@pytest.fixture
def links(gallery, image, make_gallery, owner):
    """Links to the image, to its gallery, and to another gallery."""
    viewer, other = Viewer(user=owner), make_gallery("Other", owner=owner)
    return {
        "image": create_link(viewer, image, level=PREVIEW, note="a taste")[0],
        "gallery": create_link(viewer, gallery)[0],
        "other": create_link(viewer, other, note="elsewhere")[0],
    }


def offered(response) -> list[str]:
    return [words(each) for each in re.findall(r"<option.*?</option>", response.content.decode())]


def test_links__to_the_image_and_to_where_it_hangs(editor, gallery, image, links):
    by_image = ["none", "Holidays: view (all sizes)", "harbour: a taste"]
    assert sorted(offered(editor.get(why_url(image)))) == sorted(by_image)
    assert offered(editor.get(why_url(gallery))) == by_image[:2]
    for name, sentence in (
        ("image", "preview (small sizes) – by the share link “a taste” to this image"),
        ("gallery", "view (all sizes) – by a share link to the gallery “Holidays”"),
    ):
        link = links[name]
        response = ask(editor, image, link=link.public_id)
        assert reasons(response) == [f"{sentence}, until {ends(link)}"]
        opened = UnlockedLink(id=link.pk, password_version=1)
        viewer = replace(Viewer(user=AnonymousUser()), links=(opened,))
        assert accesses(response) == said_by_policy(image, viewer)


def ends(link) -> str:
    return date_format(timezone.localtime(link.ends_at), "DATETIME_FORMAT")


@pytest.mark.parametrize("wrong", ["other", "nonsense"])
def test_links__no_others(editor, gallery, links, wrong):
    value = links["other"].public_id if wrong == "other" else "nonsense"
    response = ask(editor, gallery, link=value)
    assert response.context["form"].errors.keys() == {"link"}
    assert accesses(response) == {}
    assert "elsewhere" not in response.content.decode()


def test_links__none_that_one_may_not_share(staff_with, image, links):
    client = staff_with("change_image")  # not that of galleries
    assert offered(client.get(why_url(image))) == ["none", "harbour: a taste"]


def test_links__none_that_have_ended(editor, gallery, links):
    type(links["gallery"]).objects.update(revoked_at=timezone.now())
    assert offered(editor.get(why_url(gallery))) == ["none"]


def test_watermark__is_named(editor, settings, make_user, image, owner):
    settings.IMAGES_APP = {
        "WATERMARKS": {"proof": {"text": "PROOF"}, "client": {"text": "CLIENT"}},
        "WATERMARK_LEVELS": {"view": "proof"},
    }
    link, _token = create_link(Viewer(user=owner), image, watermark="client")
    grant_on(image, make_user("ann"), level=20)
    named = "They see it with the watermark “{}”."
    assert named.format("client") in ask(editor, image, link=link.public_id).content.decode()
    assert named.format("proof") in ask(editor, image, "ann").content.decode()
    assert "watermark “" not in ask(editor, image, "proprietor").content.decode()


# Who may ask, and about whom


def test_users__only_known_ones_are_told_apart(staff_with, make_user, gallery):
    make_user("ann")
    client = staff_with(*EDITOR, knows_users=False)
    pages = []
    for name in ("ann", "nobody-of-that-name"):
        response = ask(client, gallery, name)
        assert accesses(response) == {}
        pages.append(comparable(response, name))
    assert pages[0] == pages[1]
    assert "you may not know of them" in pages[0]
    assert accesses(ask(client, gallery, "asking"))["change"] is True
    assert accesses(ask(client, gallery))["change"] is False


def test_groups__unknown_ones_have_no_name(staff_with, make_user, gallery):
    ann, friends = make_user("ann"), Group.objects.create(name="Friends")
    ann.groups.add(friends)
    grant_on(gallery, friends, level=20)
    client = staff_with(*EDITOR, knows_groups=False)
    response = ask(client, gallery, "ann")
    assert reasons(response) == ["view (all sizes) – by a grant to a group on this gallery"]
    assert "Friends" not in response.content.decode()


def test_galleries__that_one_may_not_see_have_no_name(
    staff_with, make_user, make_gallery, gallery, image, owner
):
    """An editor of images alone sees the image, and not where it hangs."""
    ann, friends = make_user("ann"), Group.objects.create(name="Friends")
    ann.groups.add(friends)
    shown = make_gallery("Shown", visibility="members")
    for each in (gallery, shown):
        grant_on(each, friends, level=20, ends_at=timezone.now() + timedelta(days=1))
    GalleryItem.objects.create(gallery=shown, image=image)
    client = staff_with("change_image")
    response = ask(client, image, "ann")
    hidden, *others = reasons(response)
    assert hidden == "view (all sizes) – by a grant on a gallery that you may not see"
    assert [other.partition(" – ")[2].partition(", until")[0] for other in others] == [
        "by the visibility of the gallery “Shown” (Members: everyone who is logged in)",
        "by a grant to the group Friends on the gallery “Shown”",
    ]
    assert "Holidays" not in response.content.decode()
    by_owner = reasons(ask(client, image, "proprietor"))
    assert "original (download) – as the owner of a gallery that you may not see" in by_owner


@pytest.mark.parametrize(
    ("permissions", "status"),
    [((), 302), (("view_gallery",), 403), (("delete_gallery", "view_gallery"), 403)],
)
def test_page__needs_the_permission_to_change(staff_with, gallery, permissions, status):
    assert staff_with(*permissions).get(why_url(gallery)).status_code == status


def test_page__the_policy_too(staff_with, gallery, settings):
    """Of an OwnerOnlyPolicy, the model permission opens nothing that is not one's own."""
    settings.IMAGES_APP = {"POLICY": {"BACKEND": "images_app.policies.owner_only.OwnerOnlyPolicy"}}
    client = staff_with(*EDITOR)
    absent = client.get(why_url(gallery))
    assert absent["Location"] == reverse("admin:index")
    Gallery.objects.update(owner=client.user)
    assert client.get(why_url(gallery)).status_code == 200


def test_page__is_for_staff(client, client_of, make_user, gallery):
    for each in (client, client_of(make_user("visitor", permissions=EDITOR))):
        response = each.get(why_url(gallery))
        assert response.status_code == 302
        assert "/admin/login/" in response["Location"]


@pytest.mark.parametrize("key", ["9999999", "nonsense", "1 or 1", "_5F", "1_2F2", "é", "add"])
@pytest.mark.parametrize("kind", ["gallery", "image"])
def test_page__of_what_is_not_there_leads_home(editor, gallery, image, kind, key):
    response = editor.get(f"/admin/images_app/{kind}/{key}/why/")
    assert (response.status_code, response["Location"]) == (302, reverse("admin:index"))


def test_page__finds_keys_that_urls_hold_quoted(editor, monkeypatch):
    """A host's image may have a key of letters, which the admin quotes: its URLs are so."""
    asked = []
    monkeypatch.setattr(GalleryAdmin, "get_object", lambda self, request, key: asked.append(key))
    editor.get(f"/admin/images_app/gallery/{quote('a_b/c')}/why/")
    assert asked == ["a_b/c"]


def test_page__of_a_trashed_image_is_as_of_an_absent_one(editor, image):
    Image.objects.update(trashed_at=timezone.now())
    said = []
    for key in (image.pk, image.pk + 1):
        url = f"/admin/images_app/image/{key}/why/"
        said.append(comparable(editor.get(url, {"user": ""}, follow=True), f"“{key}”"))
    assert said[0] == said[1]
    assert "harbour" not in said[0]


def test_page__tells_of_the_trash_where_a_host_shows_it(editor, image, monkeypatch):
    Image.objects.update(trashed_at=timezone.now())
    monkeypatch.setattr(ImageAdmin, "get_queryset", lambda self, request: Image.objects.all())
    monkeypatch.setattr(ImageAdmin, "has_change_permission", lambda self, *args: True)
    response = ask(editor, image, "proprietor")
    assert not any(accesses(response).values())
    assert "It is in the trash, so that nobody sees it." in response.content.decode()


def test_page__takes_no_post(editor, gallery):
    assert editor.post(why_url(gallery), {"user": ""}).status_code == 405


@pytest.mark.parametrize("kind", ["gallery", "image"])
def test_page__is_linked_from_what_one_may_change(staff_with, gallery, image, kind):
    obj = {"gallery": gallery, "image": image}[kind]
    client = staff_with(f"change_{kind}")
    change = reverse(f"admin:images_app_{kind}_change", args=[obj.pk])
    assert why_url(obj) in client.get(change).content.decode()
    client.user.user_permissions.set(Permission.objects.filter(codename=f"view_{kind}"))
    text = client.get(change).content.decode()
    assert "/history/" in text
    assert why_url(obj) not in text


def test_page__its_queries_do_not_grow_with_the_grants_of_others(
    editor, make_user, gallery, django_assert_max_num_queries
):
    for number in range(5):
        grant_on(gallery, make_user(f"user {number}"), level=20)
    with django_assert_max_num_queries(50):
        ask(editor, gallery, "user 1")


# Other policies


class Silent:
    """A policy that shows everything to everyone, and gives no reasons."""

    def images(self, viewer, queryset, access, *, annotate=True):
        return queryset.annotate(viewer_level=Value(30), anyone=Value(True))

    galleries = images

    def may_add(self, viewer, gallery):
        return True


class Telling(Silent):
    def explain(self, viewer, obj):
        yield Reason(way="by <decree>", access=VIEW)
        yield Reason(way="grant", access=Right.SHARE, through=obj)


class Stricter(DefaultPolicy):
    """Has another rule than the class whose reasons it inherits."""

    def images(self, viewer, queryset, access, *, annotate=True):
        return super().images(viewer, queryset, access, annotate=annotate).filter(title="x")


@pytest.mark.parametrize(
    ("policy", "obj", "expected"),
    [
        ("Silent", "gallery", None),
        ("Stricter", "gallery", None),
        ("Telling", "gallery", ["by <decree> (this gallery)", "by a grant on this gallery"]),
        ("Telling", "image", ["by <decree> (this image)", "by a grant on this image"]),
    ],
)
def test_policy__has_its_own_reasons_or_none(
    editor, settings, gallery, image, policy, obj, expected
):
    settings.IMAGES_APP = {"POLICY": {"BACKEND": f"{__name__}.{policy}"}}
    response = ask(editor, {"gallery": gallery, "image": image}[obj])
    is_silent = "The policy of this site gives no reasons." in response.content.decode()
    assert is_silent is (expected is None)
    assert [each.partition(" – ")[2] for each in reasons(response)] == (expected or [])


def test_explainer__a_rule_and_its_reasons_belong_together():
    class Same(DefaultPolicy):
        pass

    class Both(Stricter):
        def explain(self, viewer, obj):
            return []

    patched = DefaultPolicy()
    patched.images = None
    assert explainer(Same()) is not None
    assert explainer(Both()) is not None
    assert explainer(Stricter()) is None
    assert explainer(patched) is None


# Other admins


@pytest.mark.urls(__name__)
def test_site__under_another_name_stays_within_itself(editor, gallery, image):
    for obj in (gallery, image):
        text = editor.get(why_url(obj, "backstage"), {"user": ""}).content.decode()
        assert "/backstage/images_app/" in text
        assert "/admin/" not in text.replace("/static/admin/", "")
        change = reverse(f"backstage:images_app_{obj._meta.model_name}_change", args=[obj.pk])
        assert why_url(obj, "backstage") in editor.get(change).content.decode()


OWN_ADMIN = """
from django.contrib import admin
from django.contrib.admin.utils import quote
from images_app.admin import ImageAdmin
from host.models import Photo


@admin.register(Photo)
class PhotoAdmin(ImageAdmin):
    list_display = ("title", "licence")
    list_display_links = ("title",)
"""
USE_OF_OWN_ADMIN = """
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from images_app import ingest_image
from images_app.access import Viewer
from images_app.models import Gallery
from images_app.sharing import create_link
from tests.pictures import upload

admin = User.objects.create_superuser("admin", password="secret")
gallery = Gallery.objects.create(title="Holidays", owner=admin, visibility="members")
photo = ingest_image(upload("cat.jpg"), owner=admin, gallery=gallery)
link, _ = create_link(Viewer(user=admin), photo)
client = Client()
client.force_login(admin)
url = reverse("admin:host_photo_why", args=[photo.pk])
assert url == f"/admin/host/photo/{photo.pk}/why/"
change = reverse("admin:host_photo_change", args=[photo.pk])
assert url in client.get(change).content.decode()
text = client.get(url, {"user": "", "link": str(link.public_id)}).content.decode()
assert "by a share link to this image" in text, text
assert change in text and "images_app_image" not in text
print("all well")
"""


def test_swapped__a_hosts_own_model_has_the_page_under_its_own_name(tmp_path, run):  # noqa: F811
    make_project(
        tmp_path,
        settings='IMAGES_APP_IMAGE_MODEL = "host.Photo"\n',
        models=OWN_MODEL,
        admin=OWN_ADMIN,
    )
    run("-m", "django", "makemigrations", "host")
    run("-m", "django", "migrate", "--verbosity", "0")
    assert run(*story(USE_OF_OWN_ADMIN)).endswith("all well\n")
