"""The authorisation table: every URL, for every kind of viewer, in every state, by every method."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.contrib.contenttypes.models import ContentType
from django.urls import URLPattern, get_resolver, reverse

from images_app.access import Level, Viewer
from images_app.models import Gallery, Image
from tests.pictures import body
from tests.world import (
    GALLERY_STATES,
    STATES,
    VIEWERS,
    gallery_level,
    image_level,
    make_world,
)

pytestmark = pytest.mark.django_db
OTHER_METHODS = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f-]{27}")


@pytest.fixture
def world():
    return make_world()


@pytest.fixture
def viewer_client(client, world, viewer):
    world.log_in(client, viewer)
    client.raise_request_exception = False
    return client


def status_of(client, method, url) -> int:
    """The status alone; the file of the answer is closed unread."""
    response = client.generic(method, url)
    response.close()
    return response.status_code


every_viewer = pytest.mark.parametrize("viewer", VIEWERS)


def is_anonymous(viewer: str) -> bool:
    return viewer in {"anonymous", "inactive"}  # Django logs an inactive user out


# --- images and galleries ---------------------------------------------------------------------


def expected_status(viewer: str, *, is_page: bool, is_allowed: bool) -> int:
    if is_allowed:
        return 200
    return 302 if is_page and is_anonymous(viewer) else 404


@every_viewer
def test_image_urls__answer_as_the_table_says(viewer_client, world, viewer):
    unexpected = []
    for state in STATES:
        level = image_level(viewer, state)
        for name, (url, needed) in world.image_urls(state).items():
            is_allowed = level is not None and level >= needed
            expected = expected_status(viewer, is_page=name == "page", is_allowed=is_allowed)
            for method in ("GET", "HEAD"):
                status = status_of(viewer_client, method, url)
                if status != expected:
                    unexpected.append((state, name, method, status, expected))
    assert unexpected == []


@every_viewer
def test_decision__is_that_of_the_rendition(viewer_client, world, viewer):
    """What a web server is told is what the rendition itself would answer, headers and all."""
    unexpected = []
    for state in STATES:
        for name in ("thumb", "rendition"):
            url = world.image_urls(state)[name][0]
            answer = viewer_client.get(url)
            answer.close()
            told = viewer_client.get(url.replace("/renditions/", "/decisions/"))
            if (answer.status_code, told.status_code) not in {(200, 204), (404, 403)}:
                unexpected.append((state, name, answer.status_code, told.status_code))
            carried = {"Content-Length", "Accept-Ranges"}
            if told.status_code == 204:
                expected = {k: v for k, v in answer.headers.items() if k not in carried}
                assert {k: v for k, v in told.headers.items() if k not in carried} == expected
    assert unexpected == []


def test_decision__forbidden_is_the_same_as_absent(client, world):
    private, *others = (
        fingerprint_of(client.get(url.replace("/renditions/", "/decisions/")))
        for state in ("private", "loose", "trashed", "absent")
        for url, _ in [world.image_urls(state)["rendition"]]
    )
    assert private[0] == 403
    assert others == [private] * 3


@every_viewer
def test_gallery_urls__answer_as_the_table_says(viewer_client, world, viewer):
    unexpected = []
    for state in GALLERY_STATES:
        is_allowed = gallery_level(viewer, state) is not None
        expected = expected_status(viewer, is_page=True, is_allowed=is_allowed)
        for method in ("GET", "HEAD"):
            status = status_of(viewer_client, method, world.gallery_url(state))
            if status != expected:
                unexpected.append((state, method, status, expected))
    assert unexpected == []


@every_viewer
def test_other_methods__are_refused_before_any_lookup(
    viewer_client, world, viewer, django_assert_max_num_queries
):
    for state in ("public", "private", "absent"):
        urls = [url for url, _ in world.image_urls(state).values()]
        for url in [*urls, world.gallery_url(state), reverse("images_app:gallery_list")]:
            for method in OTHER_METHODS:
                with django_assert_max_num_queries(0):
                    response = viewer_client.generic(method, url)
                assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")


def fingerprint_of(response) -> tuple:
    """All that a client can see, ids taken out of login redirects."""
    headers = {k: UUID.sub(b"ID", v.encode()) for k, v in response.headers.items()}
    return response.status_code, headers, UUID.sub(b"ID", body(response))


@every_viewer
def test_forbidden__is_the_same_as_absent(viewer_client, world, viewer):
    """Same bytes and headers, whatever is asked along with it."""
    tries = [
        {},
        {"Range": "bytes=0-9"},
        {"Range": "bytes=99999999-"},
        {"If-None-Match": '"1-original"'},
        {"If-None-Match": "*"},
        {"If-Match": '"1"'},
        {"If-Modified-Since": "Sat, 01 Jan 2050 00:00:00 GMT"},
        {"If-Range": '"1-original"', "Range": "bytes=0-9"},
        {"Accept": "text/html"},
    ]
    absent = world.image_urls("absent")
    compared = 0
    for state in STATES[:-1]:
        level = image_level(viewer, state)
        for name, (url, needed) in world.image_urls(state).items():
            if level is not None and level >= needed:
                continue
            for method in ("GET", "HEAD"):
                for headers in tries:
                    forbidden = viewer_client.generic(method, url, headers=headers)
                    never = viewer_client.generic(method, absent[name][0], headers=headers)
                    assert fingerprint_of(forbidden) == fingerprint_of(never)
                    compared += 1
    assert compared


@every_viewer
def test_forbidden_gallery__is_the_same_as_absent(viewer_client, world, viewer):
    never = fingerprint_of(viewer_client.get(world.gallery_url("absent")))
    for state in GALLERY_STATES[:-1]:
        if gallery_level(viewer, state) is None:
            assert fingerprint_of(viewer_client.get(world.gallery_url(state))) == never


@every_viewer
def test_gallery_list__shows_exactly_the_visible(viewer_client, world, viewer):
    shown = viewer_client.get(reverse("images_app:gallery_list")).context["page"].rows
    expected = {state for state in GALLERY_STATES if gallery_level(viewer, state) is not None}
    assert {gallery.visibility for gallery in shown} == expected


@every_viewer
def test_gallery_page__shows_exactly_the_visible(viewer_client, world, viewer):
    for state in ("private", "members", "public"):
        response = viewer_client.get(world.gallery_url(state))
        if response.status_code == 200:  # the trashed image of the public gallery is not there
            assert [image.title for image in response.context["page"].rows] == [state]


@every_viewer
def test_gallery_page__offers_only_urls_that_answer(viewer_client, world, viewer):
    """List and file cannot disagree: every URL in a page's pictures is open to its viewer."""
    for state in ("private", "members", "public"):
        response = viewer_client.get(world.gallery_url(state))
        if response.status_code == 200:
            found = set(re.findall(r"/(?:renditions|originals)/[^\s\",]+", body(response).decode()))
            assert found
            for url in found:
                assert status_of(viewer_client, "GET", url) == 200


@every_viewer
def test_queryset__agrees_with_the_table(world, viewer):
    """The policy's own answer, level by level, with its annotations."""
    asking = Viewer(user=world.users[viewer])
    for level in Level:
        seen = {
            image.title: (image.viewer_level, image.anyone)
            for image in Image.objects.visible_to(asking, level)
        }
        expected = {}
        for state in STATES[:-1]:
            best = image_level(viewer, state)
            if best is not None and best >= level:
                anyone = state == "public" and level <= Level.VIEW
                expected[state] = (best, anyone)
        assert seen == expected


@every_viewer
def test_gallery_queryset__agrees_with_the_table(world, viewer):
    asking = Viewer(user=world.users[viewer])
    for level in Level:
        seen = {
            gallery.visibility: (gallery.viewer_level, gallery.anyone)
            for gallery in Gallery.objects.visible_to(asking, level)
        }
        expected = {}
        for state in GALLERY_STATES[:-1]:
            best = gallery_level(viewer, state)
            if best is not None and best >= level:
                expected[state] = (best, state == "public" and level <= Level.VIEW)
        assert seen == expected


def test_made_up_renditions__are_absent(client, world, files):
    """Superseded or future versions, unknown fingerprints and formats: 404, nothing made."""
    image = world.images["public"]
    url = world.image_urls("public")["thumb"][0]
    fingerprint = url.rsplit("/", 1)[1].split(".")[0]
    before = files()
    base = f"/renditions/{image.public_id}"
    for path in (
        f"{base}/2/{fingerprint}.jpg",
        f"{base}/0/{fingerprint}.jpg",
        f"{base}/99999999999999999999999/{fingerprint}.jpg",
        f"{base}/1/{fingerprint}.png",
        f"{base}/1/{fingerprint}.JPG",
        f"{base}/1/{fingerprint}",
        f"{base}/1/{fingerprint}.jpg.jpg",
        f"{base}/1/0123456789abcdef.jpg",
        f"{base}/1/..%2f{fingerprint}.jpg",
        f"/originals/{image.public_id}/2.jpg",
        f"/originals/{image.public_id}/1.png",
    ):
        response = client.get(path)
        assert response.status_code == 404, path
        assert response["Cache-Control"] == "no-store"
    assert files() == before


# --- the whole URLconf ------------------------------------------------------------------------

# For every URL of the project: what GET answers to anonymous, stranger, plain staff, editor,
# admin. "image" and "gallery" rows have their own, finer table above.
FINER = "finer table"
ROWS: dict[str, str | tuple[int, int, int, int, int]] = {
    "images_app:gallery_list": (200, 200, 200, 200, 200),
    "images_app:gallery": FINER,
    "images_app:image": FINER,
    "images_app:original": FINER,
    "images_app:decision": FINER,
    "images_app:rendition": FINER,
    "images_app:no_original": (404, 404, 404, 404, 404),
    "images_app:no_rendition": (404, 404, 404, 404, 404),
    "healthz": (200, 200, 200, 200, 200),
    "readyz": (200, 200, 200, 200, 200),
    "login": (200, 302, 302, 302, 302),
    "logout": (405, 405, 405, 405, 405),
    # Django admin, with Django's own answers: 302 is its login.
    "admin:index": (302, 302, 200, 200, 200),
    "admin:login": (200, 200, 302, 302, 302),
    "admin:logout": (302, 302, 405, 405, 405),
    "admin:password_change": (302, 302, 200, 200, 200),
    "admin:password_change_done": (302, 302, 200, 200, 200),
    "admin:jsi18n": (302, 302, 200, 200, 200),
    "admin:autocomplete": (302, 302, 403, 200, 200),
    "admin:view_on_site": (302, 302, 302, 302, 302),
    "admin:app_list": (302, 302, 404, 200, 200),
    "admin:catch_all": (302, 302, 404, 404, 404),
    **{
        f"admin:{model}_{view}": (302, 302, 403, 200, 200)
        for model in ("images_app_image", "images_app_gallery", "images_app_galleryitem")
        for view in ("changelist", "add", "change", "delete")
    },
    # The policy hides the object, so Django tells the plain staff that it is not there.
    **{
        f"admin:{model}_history": (302, 302, 302, 200, 200)
        for model in ("images_app_image", "images_app_gallery", "images_app_galleryitem")
    },
    **{
        f"admin:{model}_redirect": (302, 302, 302, 302, 302)
        for model in (
            "images_app_image",
            "images_app_gallery",
            "images_app_galleryitem",
            "accounts_user",
            "auth_group",
        )
    },
    **{
        f"admin:{model}_{view}": (302, 302, 403, 403, 200)
        for model in ("accounts_user", "auth_group")
        for view in ("changelist", "add", "change", "delete", "history")
    },
    "admin:auth_user_password_change": (302, 302, 403, 403, 200),
}
# Django's admin login redirects who is logged in on GET only.
DIFFERENT_FOR_HEAD = {("admin:login", "HEAD")}
COLUMNS = ("anonymous", "stranger", "plain staff", "editor", "admin")


def all_urls(patterns=None, namespace="") -> Iterator[tuple[str, URLPattern]]:
    """Every URL of the project, by name; what Django leaves without one gets a name here."""
    last_model = ""
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(entry, URLPattern):
            name = entry.name
            if name is None and entry.lookup_str.endswith("RedirectView"):
                name = f"{last_model}_redirect"
            elif name is None:
                name = "catch_all"
            yield f"{namespace}{name}", entry
        else:
            inner = f"{entry.namespace}:" if entry.namespace else namespace
            for name, pattern in all_urls(entry.url_patterns, inner):
                yield name, pattern
        if isinstance(entry, URLPattern) and entry.name:
            last_model = entry.name.rsplit("_", 1)[0]


def test_table__has_every_url_and_no_other():
    assert sorted({name for name, _ in all_urls()}) == sorted(ROWS)


def address(name: str, world) -> str:
    """An address of that URL, with arguments that exist."""
    gallery, image = world.galleries["private"], world.images["private"]
    user, group = world.users["member"], world.users["group member"].groups.get()
    objects = {
        "images_app_image": image,
        "images_app_gallery": gallery,
        "images_app_galleryitem": gallery.items.first(),
        "accounts_user": user,
        "auth_group": group,
    }
    model = name.removeprefix("admin:").rsplit("_", 1)[0]
    if name == "admin:autocomplete":
        query = "?app_label=images_app&model_name=galleryitem&field_name=image"
        return reverse(name) + query
    if name == "admin:view_on_site":
        content_type = ContentType.objects.get_for_model(Image)
        return reverse(name, args=[content_type.pk, image.pk])
    if name == "admin:app_list":
        return reverse(name, args=["images_app"])
    if name == "admin:catch_all":
        return "/admin/no/such/page/"
    if name == "admin:auth_user_password_change":
        return reverse(name, args=[user.pk])
    if name.startswith("images_app:no_"):
        return reverse(name, args=["no/such/image"])
    if name.endswith("_redirect"):
        return reverse(f"admin:{model}_changelist") + f"{objects[model].pk}/"
    if model in objects and not name.endswith(("changelist", "_add")):
        return reverse(name, args=[objects[model].pk])
    return reverse(name)


@pytest.mark.parametrize("viewer", COLUMNS)
def test_every_url__answers_as_the_table_says(viewer_client, world, viewer):
    unexpected = []
    for name, row in ROWS.items():
        if row == FINER:
            continue
        expected = row[COLUMNS.index(viewer)]
        url = address(name, world)
        for method in ("GET", "HEAD"):
            status = status_of(viewer_client, method, url)
            if status != expected and (name, method) not in DIFFERENT_FOR_HEAD:
                unexpected.append((name, method, status, expected))
    assert unexpected == []


@pytest.mark.parametrize("viewer", ["anonymous", "stranger", "plain staff"])
def test_admin__takes_nothing_from_those_who_may_not(viewer_client, world, viewer):
    """POST to every URL of the app's admin: refused, and the records stay as they were."""
    before = (Image.objects.count(), Gallery.objects.count())
    for name in ROWS:
        if name.startswith("admin:images_app") and not name.endswith("redirect"):
            response = viewer_client.post(address(name, world), {"post": "yes"})
            is_hidden = viewer != "plain staff" or name.endswith("history")
            assert response.status_code == (302 if is_hidden else 403), name
    assert (Image.objects.count(), Gallery.objects.count()) == before
