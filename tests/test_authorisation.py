"""The authorisation table: every URL, for every kind of viewer, in every state, by every method."""

from __future__ import annotations

import copy
import json
import logging
import re
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import AsyncClient, Client, override_settings
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone

from images_app.access import Level, Right, Viewer
from images_app.contrib.remote.models import RemoteSource
from images_app.models import (
    AccessEntry,
    Gallery,
    Grant,
    Image,
    PartialUpload,
    Rendition,
    ShareLink,
    find_visible,
)
from images_app.renditions import rendition_url
from images_app.sharing import unlocked_links
from tests.databases import DATABASE
from tests.pictures import body
from tests.world import (
    EVERYBODY,
    GALLERY_STATES,
    HANGS_IN,
    LINKS,
    STATES,
    VIEWERS,
    Opened,
    gallery_level,
    image_level,
    make_world,
    may_change,
    may_share,
)

pytestmark = pytest.mark.django_db
OTHER_METHODS = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
UUID_OF_NOTHING = "00000000-0000-4000-8000-000000000000"
UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f-]{27}")
BYTES_IN_A_PAGE = re.compile(r"/(?:renditions|originals)/[^\s\",]+")
AUTO = {"formats": ["webp", "jpeg"], "format": "auto", "width": 300}


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("world")


@pytest.fixture(autouse=True)
def private_folder(module_folder):
    """The files of the one world, instead of a folder for each test."""
    return module_folder


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker, module_folder):
    """One world for all tests, with all renditions made; each test undoes what it did to it."""
    storages = copy.deepcopy(django_settings.STORAGES)
    for alias in ("images", "image_renditions"):
        storages[alias]["OPTIONS"]["location"] = module_folder / alias
    presets = {"PRESETS": {"auto": AUTO}}
    with (
        pytest.MonkeyPatch.context() as patch,
        django_db_blocker.unblock(),
        override_settings(STORAGES=storages, IMAGES_APP=presets),
        transaction.atomic(using=DATABASE),
    ):
        # As in conftest.py: it would end the transaction.
        patch.setattr(BaseDatabaseWrapper, "close_if_unusable_or_obsolete", lambda self: None)
        made = make_world()
        client = Client()
        made.log_in(client, "admin")
        for state in STATES[:-2]:
            for url, _ in made.image_urls(state).values():
                client.get(url).close()
        yield made
        transaction.set_rollback(True, using=DATABASE)


@pytest.fixture(autouse=True)
def world_first(world, db):
    """The world is around the test's transaction, not in it."""


@pytest.fixture(autouse=True)
def quiet():
    """Ten thousand lines of "Not Found" would take longer than the requests."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


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


every_viewer = pytest.mark.parametrize("viewer", EVERYBODY)


def is_anonymous(world, viewer: str) -> bool:
    user = world.user_of(viewer)
    return not (user.is_authenticated and user.is_active)  # Django logs an inactive user out


# --- images: the cells -------------------------------------------------------------------------

# How it is asked for, and what comes where it is allowed. {etag} is the image's own.
TRIES = {
    "GET": ("GET", {}, 200),
    "HEAD": ("HEAD", {}, 200),
    "range": ("GET", {"Range": "bytes=0-9"}, 206),
    "no such range": ("GET", {"Range": "bytes=99999999-"}, 416),
    "same": ("GET", {"If-None-Match": "{etag}"}, 304),
    "HEAD same": ("HEAD", {"If-None-Match": "{etag}"}, 304),
    "other": ("GET", {"If-None-Match": '"0-other"'}, 200),
    "any": ("GET", {"If-None-Match": "*"}, 304),
    "since": ("GET", {"If-Modified-Since": "Sat, 01 Jan 2050 00:00:00 GMT"}, 200),
    "match": ("GET", {"If-Match": '"0-other"'}, 412),
    "if range": ("GET", {"If-Range": '"0-other"', "Range": "bytes=0-9"}, 200),
    "text": ("GET", {"Accept": "text/html"}, 200),
}
FEW = ("GET", "HEAD")
# Which URLs are asked for in which ways, by WSGI and by ASGI.
ENDPOINTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "page": (FEW, ("GET",)),
    "links": (FEW, ()),
    "thumb": (("GET", "HEAD", "range", "same"), ("GET", "same")),
    "rendition": (
        ("GET", "HEAD", "range", "same", "HEAD same", "other", "since", "match"),
        ("GET", "HEAD", "range", "same"),
    ),
    "original": (tuple(TRIES), ("GET", "HEAD", "range", "same")),
    "download": (FEW, ("GET",)),
    "avif": (("GET",), ()),
    "jpeg": (("GET",), ()),
    "negotiated": (FEW, ("GET",)),
    "thumb decision": (("GET",), ()),
    "decision": (FEW, ("GET",)),
}
TRANSPORTS = ("WSGI", "ASGI")
# What is absent comes first: the others are compared with it.
CELLS = {
    transport: [
        (state, endpoint, trial)
        for state in reversed(STATES)
        for endpoint, ways in ENDPOINTS.items()
        for trial in ways[TRANSPORTS.index(transport)]
    ]
    for transport in TRANSPORTS
}
GALLERY_CELLS = [
    (state, view, method)
    for state in reversed(GALLERY_STATES)
    for view in ("gallery", "gallery_links")
    for method in ("GET", "HEAD")
]
PAGES = {"page", "links"}


def expected_status(world, viewer, endpoint, trial, *, is_allowed) -> int:
    if endpoint in PAGES:
        refused = 302 if is_anonymous(world, viewer) else 404
        return 200 if is_allowed else refused
    if endpoint.endswith("decision"):
        return 204 if is_allowed else 403
    return TRIES[trial][2] if is_allowed else 404


def is_allowed_by_table(viewer, state, endpoint, needed) -> bool:
    if endpoint == "links":
        return may_share(viewer, "image", state)
    level = image_level(viewer, state)
    return level is not None and level >= needed


def fingerprint_of(response) -> tuple:
    """All that a client can see, ids taken out of login redirects."""
    headers = {k: UUID.sub(b"ID", v.encode()) for k, v in response.headers.items()}
    return response.status_code, headers, UUID.sub(b"ID", body(response))


class Asking:
    """One viewer goes through the cells; ``ask`` sends a request by WSGI or by ASGI."""

    def __init__(self, world, viewer, cookies, etags):
        self.world, self.viewer, self.etags = world, viewer, etags
        self.has_session = django_settings.SESSION_COOKIE_NAME in cookies
        self.urls = {state: world.image_urls(state) for state in STATES}
        for state in STATES:
            self.urls[state]["links"] = (world.links_url("image", state), None)
        self.absent, self.unexpected, self.count = {}, [], 0

    def request(self, cell) -> tuple:
        state, endpoint, trial = cell
        method, headers, _ = TRIES[trial]
        etag = self.etags.get(endpoint, '"1"')
        return (
            method,
            self.urls[state][endpoint][0],
            {name: value.format(etag=etag) for name, value in headers.items()},
        )

    def check(self, cell, response) -> None:
        state, endpoint, trial = cell
        needed = self.urls[state][endpoint][1]
        is_allowed = is_allowed_by_table(self.viewer, state, endpoint, needed)
        due = expected_status(self.world, self.viewer, endpoint, trial, is_allowed=is_allowed)
        self.count += 1
        if response.status_code != due:
            self.unexpected.append((*cell, response.status_code, due))
        elif not is_allowed:
            # Byte for byte what is absent, whatever is asked along with it: no validator and no
            # range tells a stranger anything.
            seen = fingerprint_of(response)
            if seen != self.absent.setdefault((endpoint, trial), seen):
                self.unexpected.append((*cell, "not as if absent"))
        elif endpoint not in PAGES and due < 400:
            audience = "public" if self._is_public(state, needed) else "private"
            if not response["Cache-Control"].startswith(audience):
                self.unexpected.append((*cell, response["Cache-Control"]))
        response.close()

    def _is_public(self, state, needed) -> bool:
        level = image_level("anonymous", state)
        return not self.has_session and level is not None and level >= needed


@pytest.fixture
def etags(world):
    """The real validators, which are the same for all images of the world: each is version 1."""
    client = Client()
    client.force_login(world.users["admin"])
    urls = world.image_urls("private")
    found = {}
    for endpoint in set(ENDPOINTS) & set(urls) - PAGES:
        response = client.get(urls[endpoint][0])
        response.close()
        found[endpoint] = response["ETag"]
    return found


@every_viewer
def test_image_cells__answer_as_the_table_says(viewer_client, world, viewer, etags):
    asking = Asking(world, viewer, viewer_client.cookies, etags)
    for cell in CELLS["WSGI"]:
        method, url, headers = asking.request(cell)
        asking.check(cell, viewer_client.generic(method, url, headers=headers))
    assert asking.unexpected == []
    assert asking.count == len(CELLS["WSGI"])


@every_viewer
def test_image_cells__answer_so_by_asgi(viewer_client, world, viewer, etags):
    client = AsyncClient(raise_request_exception=False)
    client.cookies = viewer_client.cookies
    asking = Asking(world, viewer, client.cookies, etags)

    async def ask_all():
        for cell in CELLS["ASGI"]:
            method, url, headers = asking.request(cell)
            asking.check(cell, await client.generic(method, url, headers=headers))

    async_to_sync(ask_all)()
    assert asking.unexpected == []
    assert asking.count == len(CELLS["ASGI"])


def test_absent__is_the_same_by_wsgi_and_asgi(client, world):
    urls = [world.image_urls("private")[name][0] for name in ("thumb", "original", "decision")]
    for url in urls:
        asynchronous = async_to_sync(AsyncClient().get)(url)
        assert fingerprint_of(asynchronous) == fingerprint_of(client.get(url))


def test_cells__are_many(record_property):
    of_images = sum(map(len, CELLS.values()))
    count = len(EVERYBODY) * (of_images + len(GALLERY_CELLS))
    print(f"{count} cells: {len(EVERYBODY)} viewers, {of_images} of images each")
    record_property("cells", count)
    assert count >= 5000


def test_table__is_whole():
    for viewer in EVERYBODY:
        assert len([image_level(viewer, state) for state in STATES]) == len(STATES)
        assert image_level(viewer, "trashed") is None
        assert image_level(viewer, "absent") is None


@every_viewer
def test_match__holds_for_the_strong_validator_alone(viewer_client, world, viewer, etags):
    """If-Match compares strongly (RFC 9110 13.1.1), and so renditions never match."""
    for state in ("private", "public"):
        for endpoint, due in (("thumb", 412), ("original", 200)):
            url, needed = world.image_urls(state)[endpoint]
            allowed = is_allowed_by_table(viewer, state, endpoint, needed)
            response = viewer_client.get(url, headers={"If-Match": etags[endpoint]})
            response.close()
            assert response.status_code == (due if allowed else 404), (state, endpoint)


@every_viewer
def test_decision__is_that_of_the_rendition(viewer_client, world, viewer):
    """What a web server is told is what the rendition itself would answer, headers and all."""
    carried = {"Content-Length", "Accept-Ranges"}
    for state in STATES:
        urls = world.image_urls(state)
        for name, decision in (("thumb", "thumb decision"), ("jpeg", "decision")):
            answer, told = viewer_client.get(urls[name][0]), viewer_client.get(urls[decision][0])
            answer.close()
            assert (answer.status_code, told.status_code) in {(200, 204), (404, 403)}
            if told.status_code == 204:
                expected = {k: v for k, v in answer.headers.items() if k not in carried}
                assert {k: v for k, v in told.headers.items() if k not in carried} == expected


# --- galleries and lists -----------------------------------------------------------------------


@every_viewer
def test_gallery_cells__answer_as_the_table_says(viewer_client, world, viewer):
    unexpected, absent = [], {}
    for state, view, method in GALLERY_CELLS:
        is_sharing = view == "gallery_links"
        level = gallery_level(viewer, state)
        is_allowed = may_share(viewer, "gallery", state) if is_sharing else level is not None
        due = expected_status(world, viewer, "page", "GET", is_allowed=is_allowed)
        url = world.links_url("gallery", state) if is_sharing else world.gallery_url(state)
        response = viewer_client.generic(method, url)
        if response.status_code != due:
            unexpected.append((state, view, method, response.status_code, due))
        elif not is_allowed:
            seen = fingerprint_of(response)
            assert absent.setdefault((view, method), seen) == seen
    assert unexpected == []


def visible_in(viewer, gallery) -> list[str]:
    """The images that hang in a gallery for a viewer, by the table, in order."""
    return [
        state
        for state, galleries in HANGS_IN.items()
        if gallery in galleries and image_level(viewer, state) is not None
    ]


@every_viewer
def test_gallery_list__shows_exactly_the_visible(viewer_client, world, viewer):
    """Galleries, the number of their images, and covers, which one may see or not as any image."""
    rows = viewer_client.get(reverse("images_app:gallery_list")).context["page"].rows
    shown = {
        gallery.title: (
            gallery.number_of_images,
            gallery.shown_cover and gallery.shown_cover.title,
        )
        for gallery in rows
    }
    expected = {}
    for state in GALLERY_STATES[:-1]:
        if gallery_level(viewer, state) is not None:
            inside = visible_in(viewer, state)
            chosen = {"public": "cover", "private": "public"}.get(state, "absent")
            is_seen = image_level(viewer, chosen) is not None
            first = inside[0] if inside else None
            expected[f"{state} gallery"] = (len(inside), chosen if is_seen else first)
    assert shown == expected


@every_viewer
def test_gallery_page__shows_exactly_the_visible(viewer_client, world, viewer):
    for state in GALLERY_STATES[:-1]:
        if gallery_level(viewer, state) is not None:
            shown = viewer_client.get(world.gallery_url(state)).context["page"].rows
            assert [image.title for image in shown] == visible_in(viewer, state)


@every_viewer
def test_pages__offer_only_urls_that_answer(viewer_client, world, viewer):
    """List and file cannot disagree: every URL in a page's pictures is open to its viewer."""
    seen = {state for state in STATES if image_level(viewer, state) is not None}
    pages = [reverse("images_app:gallery_list")]
    pages += [world.gallery_url(s) for s in ("private", "public") if gallery_level(viewer, s)]
    pages += [world.images[state].get_absolute_url() for state in seen & {"private", "public"}]
    found = set()
    for page in pages:
        found |= set(BYTES_IN_A_PAGE.findall(body(viewer_client.get(page)).decode()))
    assert found
    for url in found:
        assert status_of(viewer_client, "GET", url) == 200, url
    offered = {UUID.search(url.encode())[0].decode() for url in found}
    assert offered <= {str(world.images[state].public_id) for state in seen}


# --- the querysets -----------------------------------------------------------------------------


def asking_of(world, viewer, client) -> Viewer:
    links = unlocked_links(client.session)
    return Viewer(user=world.user_of(viewer), links=links)


@every_viewer
def test_queryset__agrees_with_the_table(viewer_client, world, viewer):
    """The policy's own answer, level by level, with its annotations."""
    asking = asking_of(world, viewer, viewer_client)
    for level in Level:
        seen = {
            image.title: (image.viewer_level, image.anyone)
            for image in Image.objects.visible_to(asking, level)
        }
        expected = {}
        for state in STATES:
            best, anyones = image_level(viewer, state), image_level("anonymous", state)
            if best is not None and best >= level:
                expected[state] = (best, anyones is not None and anyones >= level)
        assert seen == expected
        found = {
            state
            for state, image in world.images.items()
            if find_visible(asking, image.public_id, level)
        }
        assert found == set(expected)


@every_viewer
def test_gallery_queryset__agrees_with_the_table(viewer_client, world, viewer):
    asking = asking_of(world, viewer, viewer_client)
    for level in Level:
        seen = {
            gallery.title: (gallery.viewer_level, gallery.anyone)
            for gallery in Gallery.objects.visible_to(asking, level)
        }
        expected = {}
        for state in GALLERY_STATES[:-1]:
            best = gallery_level(viewer, state)
            if best is not None and best >= level:
                anyone = state == "public" and level <= Level.VIEW
                expected[f"{state} gallery"] = (best, anyone)
        assert seen == expected


@every_viewer
def test_right_to_share__agrees_with_the_table(viewer_client, world, viewer):
    asking = asking_of(world, viewer, viewer_client)
    images = {image.title for image in Image.objects.visible_to(asking, Right.SHARE)}
    galleries = {gallery.title for gallery in Gallery.objects.visible_to(asking, Right.SHARE)}
    assert images == {state for state in STATES if may_share(viewer, "image", state)}
    assert galleries == {
        f"{state} gallery" for state in GALLERY_STATES if may_share(viewer, "gallery", state)
    }


# --- methods that change something, and made-up addresses -----------------------------------------


@every_viewer
def test_other_methods__are_refused_before_any_lookup(
    viewer_client, world, viewer, django_assert_max_num_queries
):
    urls = [reverse("images_app:gallery_list")]
    for state in ("public", "private", "absent"):
        urls += [url for url, _ in world.image_urls(state).values()]
        urls += [world.gallery_url(state)]
    with django_assert_max_num_queries(0):
        for url in urls:
            for method in OTHER_METHODS:
                response = viewer_client.generic(method, url)
                assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")


@every_viewer
def test_methods_of_sharing__are_few(viewer_client, world, viewer, django_assert_max_num_queries):
    forms = [world.links_url("gallery", "private"), world.links_url("image", "private")]
    forms += [reverse("images_app:links"), reverse("images_app:shared", args=["no-such-token"])]
    public_id = world.images["private"].public_id
    actions = [
        reverse(f"images_app:{name}", args=[public_id]) for name in ("revoke_link", "link_password")
    ]
    with django_assert_max_num_queries(0):
        for url in forms:
            for method in OTHER_METHODS[1:]:
                response = viewer_client.generic(method, url)
                assert (response.status_code, response["Allow"]) == (405, "GET, HEAD, POST")
        for url in actions:
            for method in ("GET", "HEAD", *OTHER_METHODS[1:]):
                response = viewer_client.generic(method, url)
                assert (response.status_code, response["Allow"]) == (405, "POST")


@every_viewer
def test_sharing__takes_the_right_to(viewer_client, world, viewer):
    """New links, ended links and other passwords: for those alone who may share what is behind."""
    subjects = [("gallery", state) for state in ("private", "public", "nobody's")]
    subjects += [("image", state) for state in ("private", "loose", "nobody's")]
    terms = {"level": 10, "days": 1}
    for kind, state in subjects:
        link = ShareLink.objects.create(
            **{kind: (world.galleries if kind == "gallery" else world.images)[state]},
            created_by=world.users["editor"],
            token_hash=f"{kind} {state}",
        )
        page = world.links_url(kind, state)
        is_allowed = may_share(viewer, kind, state)
        refused = expected_status(world, viewer, "page", "GET", is_allowed=False)
        before = ShareLink.objects.count()
        made = viewer_client.post(page, terms)
        assert made.status_code == (200 if is_allowed else refused), (kind, state)
        is_made = is_allowed and not made.context["form"].errors
        assert ShareLink.objects.count() == before + is_made
        # Sharing a gallery takes the level on all that hangs there, so that "sharer" may do so.
        assert is_made is is_allowed
        for name in ("link_password", "revoke_link"):
            url = reverse(f"images_app:{name}", args=[link.public_id])
            answer = viewer_client.post(url, {"password": "new"})
            assert answer.status_code == (302 if is_allowed else refused)
        link.refresh_from_db()
        changed = link.password_version == 2, link.revoked_at is not None
        assert changed == (is_allowed, is_allowed), (kind, state)


@every_viewer
def test_links_page__lists_what_may_be_shared(viewer_client, world, viewer):
    for kind, rows in (("gallery", world.galleries), ("image", world.images)):
        for row in rows.values():
            ShareLink.objects.create(
                **{kind: row}, created_by=world.users["editor"], token_hash=f"{kind} {row.title}"
            )
    response = viewer_client.get(reverse("images_app:links"))
    if is_anonymous(world, viewer):
        assert response.status_code == 302
        return
    shown = {link.subject.title for link in response.context["links"]}
    expected = {s for s in STATES if may_share(viewer, "image", s)}
    expected |= {f"{s} gallery" for s in GALLERY_STATES if may_share(viewer, "gallery", s)}
    assert shown == expected


@every_viewer
def test_dead_tokens__are_as_tokens_that_never_were(viewer_client, world, viewer):
    """Expired, revoked, used up, of somebody who left or whose image is in the trash."""
    never = reverse("images_app:shared", args=["no-such-token"])
    expected = fingerprint_of(viewer_client.get(never))
    assert expected[0] == 404
    share = world.share
    past, ends = timezone.now(), {"ends_at": timezone.now(), "created_by": world.users["inactive"]}
    deaths = [{"revoked_at": past}, {"views": 1, "max_views": 1}]
    deaths += [{key: value} for key, value in ends.items()]
    deaths += [{"image": world.images["trashed"], "gallery": None}]
    deaths += [{"created_by": world.users["stranger"]}]  # who may not share it
    for death in deaths:
        link, token = share(LINKS["link, view"], world.galleries["private"])
        ShareLink.objects.filter(pk=link.pk).update(**death)
        for method in ("get", "post"):
            answer = getattr(viewer_client, method)(reverse("images_app:shared", args=[token]))
            assert fingerprint_of(answer) == expected, (death, method)


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
        f"{base}/01/{fingerprint}.jpg",
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


# --- signed URLs -------------------------------------------------------------------------------


@pytest.fixture
def signing(settings, world):
    settings.IMAGES_APP = {"SIGNING": {"BACKEND": "images_app.signing.DjangoSigner"}}


@every_viewer
def test_signed_urls__carry_on_what_the_viewer_may_see(client, signing, world, viewer):
    """Whoever is sent one sees what its first viewer saw: nothing more, and no original."""
    theirs = Client()
    world.log_in(theirs, viewer)
    unexpected = []
    for image in Image.objects.visible_to(asking_of(world, viewer, theirs), Level.PREVIEW):
        level, anyones = image_level(viewer, image.title), image_level("anonymous", image.title)
        for preset, needed in (("thumb", Level.PREVIEW), ("ladder", Level.VIEW)):
            url = rendition_url(image, preset, sign=True)
            seen = level >= needed or (anyones is not None and anyones >= needed)
            moved = url.replace("/renditions/", "/decisions/")
            for asked, due in ((url, 200 if seen else 404), (moved, 204 if anyones else 403)):
                for method in ("GET", "HEAD"):
                    status = status_of(client, method, asked)
                    if status != due:
                        unexpected.append((image.title, preset, asked, method, status, due))
            query = url.partition("?")[2]
            due = 404 if not anyones or anyones < Level.ORIGINAL else 200
            assert status_of(client, "GET", f"{image.original_url}?{query}") == due
    assert unexpected == []


def test_signed_urls__die_with_the_image_and_with_time(client, signing, world, monkeypatch):
    image = Image.objects.visible_to(Viewer(user=world.users["admin"])).get(title="private")
    url = rendition_url(image, "thumb", sign=True)
    other = url.replace(str(image.public_id), str(world.images["loose"].public_id))
    assert (status_of(client, "GET", url), status_of(client, "GET", other)) == (200, 404)
    now = time.time
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: now() + 100_000)
        assert status_of(client, "GET", url) == 404


# --- watermarks ---------------------------------------------------------------------------------

MARKS = {"low": {"text": "LOW"}, "high": {"text": "HIGH"}, "client": {"text": "CLIENT"}}
# Which of the ladder's URLs answer to whom, where PREVIEW is marked "low" and VIEW "high":
# by the best level that is not lent by a link with a mark, and by the mark of such a link at VIEW.
OPEN_FORMS: dict[tuple[Level | None, str], dict[str, set[str]]] = {
    (None, ""): {"thumb": set(), "ladder": set()},
    (Level.PREVIEW, ""): {"thumb": {"low"}, "ladder": set()},
    (Level.VIEW, ""): {"thumb": {"low", "high"}, "ladder": {"high"}},
    (Level.ORIGINAL, ""): {
        "thumb": {"", "low", "high", "client"},
        "ladder": {"", "low", "high", "client"},
    },
    (None, "client"): {"thumb": {"client"}, "ladder": {"client"}},
    (Level.PREVIEW, "client"): {"thumb": {"low", "client"}, "ladder": {"client"}},
    # What everybody sees in any case, a link does not take the common mark from.
    (Level.VIEW, "client"): {"thumb": {"low", "high"}, "ladder": {"high"}},
    (Level.ORIGINAL, "client"): {
        "thumb": {"", "low", "high", "client"},
        "ladder": {"", "low", "high", "client"},
    },
}


@pytest.fixture
def marking(settings, world):
    settings.IMAGES_APP = {
        "WATERMARKS": MARKS,
        "WATERMARK_LEVELS": {"preview": "low", "view": "high"},
    }


def unexpected_forms(client, world, state, level, mark) -> list[tuple]:
    """Every form of one image that answers otherwise than the table says; absent, if refused."""
    unexpected = []
    for preset, is_open in OPEN_FORMS[level, mark].items():
        for name in ("", *MARKS):
            url = rendition_url(world.images[state], preset, watermark=name)
            never = url.replace(str(world.images[state].public_id), str(UUID_OF_NOTHING))
            for method in ("GET", "HEAD"):
                response = client.generic(method, url)
                if response.status_code != (200 if name in is_open else 404):
                    unexpected.append((state, preset, name, method, response.status_code))
                elif name not in is_open:
                    absent = fingerprint_of(client.generic(method, never))
                    assert fingerprint_of(response) == absent
                response.close()
    return unexpected


@pytest.mark.parametrize("viewer", ["stranger", "previewer", "downloader", "link, preview"])
def test_watermarks__are_on_what_their_levels_show(viewer_client, marking, world, viewer):
    unexpected = []
    for state in ("private", "public", "twice", "loose"):
        level = image_level(viewer, state)
        unexpected += unexpected_forms(viewer_client, world, state, level, "")
    assert unexpected == []


@pytest.mark.parametrize("user", ["anonymous", "previewer", "member", "downloader"])
def test_watermarks__of_links_are_on_what_they_lend(client, marking, world, user):
    opened = Opened(galleries=("private",), terms=(("watermark", "client"),), user=user)
    world.open_as(client, opened)
    unexpected = []
    for state, mark in (("private", "client"), ("twice", "client"), ("public", ""), ("loose", "")):
        level = image_level(user, state)
        unexpected += unexpected_forms(client, world, state, level, mark)
    assert unexpected == []


# Where only PREVIEW is marked "low": who may have which mark of the ladder, by level.
UNUSED = {None: set(), Level.PREVIEW: set(), Level.VIEW: {""}, Level.ORIGINAL: {"", *MARKS}}


@pytest.mark.parametrize("is_signing", [False, True])
@pytest.mark.parametrize("user", ["anonymous", "previewer", "member", "downloader"])
def test_watermarks__that_hold_nobody_are_not_made_for_anybody(
    client, world, settings, user, is_signing
):
    """Else each size could be had, and made, once more for each mark in the settings."""
    settings.IMAGES_APP = {"WATERMARKS": MARKS, "WATERMARK_LEVELS": {"preview": "low"}}
    if is_signing:
        settings.IMAGES_APP["SIGNING"] = {"BACKEND": "images_app.signing.DjangoSigner"}
    world.log_in(client, user)
    unexpected = []
    for state in ("private", "public"):
        level = image_level(user, state)
        viewer = asking_of(world, user, client)
        seen = Image.objects.visible_to(viewer, Level.PREVIEW).filter(title=state).first()
        image = seen or world.images[state]
        for mark in ("", *MARKS):
            url = rendition_url(image, "ladder", watermark=mark, sign=is_signing and bool(seen))
            made = Rendition.objects.count()
            status = status_of(client, "GET", url)
            due = 200 if mark in UNUSED[level] else 404
            if status != due or (due == 404 and Rendition.objects.count() != made):
                unexpected.append((state, mark, status, due))
    assert unexpected == []


@pytest.mark.parametrize("is_marked_link", [False, True])
@pytest.mark.parametrize("user", ["anonymous", "previewer", "member", "downloader"])
def test_watermarks__pages_offer_only_what_answers(client, marking, world, user, is_marked_link):
    terms = (("watermark", "client"),) if is_marked_link else ()
    world.open_as(client, Opened(galleries=("private",), terms=terms, user=user))
    pages = [reverse("images_app:gallery_list"), world.gallery_url("private")]
    pages += [world.images[state].get_absolute_url() for state in ("private", "public")]
    found = set()
    for page in pages:
        found |= set(BYTES_IN_A_PAGE.findall(body(client.get(page)).decode()))
    assert found
    assert [url for url in found if status_of(client, "GET", url) != 200] == []


# --- adding and changing ------------------------------------------------------------------------

TUS = {"Tus-Resumable": "1.0.0", "Upload-Length": "10"}
# By which request, and what comes where it is allowed: nothing of it changes anything.
CHANGING = {
    "add_images": ("GET", "path", {}, 200),
    "add_images, HEAD": ("HEAD", "path", {}, 200),
    "add_images, nothing": ("POST", "path", {}, 400),
    "arrange": ("GET", "path", {}, 200),
    "arrange, HEAD": ("HEAD", "path", {}, 200),
    "order_images": ("POST", "path", {}, 400),
    "upload": ("POST", "query", {}, 400),
    "upload_place": ("GET", "query", {}, 200),
    "upload_place, HEAD": ("HEAD", "query", {}, 200),
    "resumable": ("POST", "query", TUS, 201),
}
FOR_PEOPLE = {"add_images", "arrange"}  # anonymous ones are asked to log in


@every_viewer
def test_changing__a_gallery_is_for_who_may(viewer_client, world, viewer):
    absent, unexpected = {}, []
    for state in reversed(GALLERY_STATES):
        for cell, (method, place, headers, allowed) in CHANGING.items():
            name = cell.partition(",")[0]
            gallery = world.public_id("gallery", state)
            url = reverse(f"images_app:{name}", args=[gallery] if place == "path" else [])
            query = "" if place == "path" else f"?gallery={gallery}"
            response = viewer_client.generic(method, url + query, headers=headers)
            refused = 404
            if is_anonymous(world, viewer):
                refused = 302 if name in FOR_PEOPLE else 401
            is_allowed = may_change(viewer, "gallery", state)
            due = allowed if is_allowed else refused
            seen = fingerprint_of(response)
            if response.status_code != due:
                unexpected.append((state, cell, response.status_code, due))
            elif not is_allowed and seen != absent.setdefault(cell, seen):
                unexpected.append((state, cell, "not as if absent"))
    assert unexpected == []


@every_viewer
def test_changing__an_image_is_for_who_may(viewer_client, world, viewer):
    url = reverse("images_app:edit_images")
    for state in STATES:
        key = str(world.public_id("image", state))
        edit = json.dumps({"images": [{"id": key}]})
        response = viewer_client.post(url, edit, content_type="application/json")
        if is_anonymous(world, viewer):
            assert response.status_code == 401
            continue
        answer = response.json()
        allowed = may_change(viewer, "image", state)
        assert [image["id"] for image in answer["images"]] == ([key] if allowed else []), state
        refusal = {"id": ["This image is not there, or not yours to change."]}
        assert answer["errors"] == ({} if allowed else {key: refusal}), state


def test_unfinished_uploads__are_nobody_elses(client, world):
    gallery = world.galleries["private"]
    made = PartialUpload.objects.create(
        owner=world.users["gallery owner"], gallery=gallery, length=10
    )
    absent = reverse("images_app:resumable_part", args=[UUID_OF_NOTHING])
    url = reverse("images_app:resumable_part", args=[made.public_id])
    for viewer in VIEWERS:
        client.logout()
        world.log_in(client, viewer)
        for method in ("HEAD", "PATCH", "DELETE"):
            answers = [
                client.generic(method, each, headers={"Tus-Resumable": "1.0.0"})
                for each in (url, absent)
            ]
            seen = [fingerprint_of(answer) for answer in answers]
            if viewer != "gallery owner":
                assert seen[0] == seen[1], (viewer, method)
                assert seen[0][0] == (401 if is_anonymous(world, viewer) else 404)
            elif method == "HEAD":
                assert seen[0][0] == 200
    assert not PartialUpload.objects.filter(pk=made.pk).exists()  # by its owner, in the end


# --- the admin's previews ----------------------------------------------------------------------


@pytest.mark.parametrize("viewer", ["plain staff", "editor", "admin", "galleries only"])
def test_admin__shows_previews_of_what_answers(client, world, viewer, make_user):
    if viewer == "galleries only":  # who may see galleries, and not the images in them
        user = make_user(viewer, is_staff=True, permissions=["view_gallery", "view_galleryitem"])
        world.users[viewer], levels = user, "stranger"
    else:
        levels = viewer
    client.force_login(world.users[viewer])
    pages = ["image_changelist", "galleryitem_changelist", "gallery_changelist"]
    urls = [reverse(f"admin:images_app_{page}") for page in pages]
    urls += [
        reverse("admin:images_app_gallery_change", args=[gallery.pk])
        for gallery in world.galleries.values()
    ]
    shown = set()
    for url in urls:
        found = set(BYTES_IN_A_PAGE.findall(body(client.get(url)).decode()))
        shown |= {UUID.search(address.encode())[0].decode() for address in found}
        for address in found:
            assert status_of(client, "GET", address) == 200
    seen = {str(i.public_id) for s, i in world.images.items() if image_level(levels, s)}
    assert shown <= seen
    if viewer in {"editor", "admin"}:
        assert shown == seen
    assert bool(shown) is (viewer != "plain staff")
    world.users.pop("galleries only", None)


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
    "images_app:gallery_links": FINER,
    "images_app:image_links": FINER,
    "images_app:add_images": FINER,
    "images_app:arrange": FINER,
    "images_app:upload_place": (401, 404, 404, 200, 200),
    "images_app:upload": (405, 405, 405, 405, 405),
    "images_app:resumable": (405, 405, 405, 405, 405),
    "images_app:resumable_part": (405, 405, 405, 405, 405),
    "images_app:edit_images": (405, 405, 405, 405, 405),
    "images_app:order_images": (405, 405, 405, 405, 405),
    "images_app:links": (302, 200, 200, 200, 200),
    "images_app:revoke_link": (405, 405, 405, 405, 405),
    "images_app:link_password": (405, 405, 405, 405, 405),
    # 302 to what it shows; whoever has the token has the link.
    "images_app:shared": (302, 302, 302, 302, 302),
    "images_app:shared_otherwise": (302, 302, 302, 302, 302),
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
        for model in (
            "images_app_image",
            "images_app_gallery",
            "images_app_galleryitem",
            "images_app_grant",
        )
        for view in ("changelist", "add", "change", "delete")
    },
    # Links and the access log are never added or changed there; entries are not deleted either.
    **{
        f"admin:images_app_{view}": (302, 302, 403, 200, 200)
        for view in (
            "sharelink_changelist",
            "sharelink_change",
            "sharelink_delete",
            "accessentry_changelist",
            "accessentry_change",
        )
    },
    **{
        f"admin:images_app_{view}": (302, 302, 403, 403, 403)
        for view in ("sharelink_add", "accessentry_add", "accessentry_delete")
    },
    "admin:images_app_image_trash": (302, 302, 403, 200, 200),
    "admin:images_app_accessentry_history": (302, 302, 403, 200, 200),
    # The policy hides the object, so Django tells the plain staff that it is not there.
    **{
        f"admin:images_app_{view}": (302, 302, 302, 200, 200)
        for view in (
            "image_history",
            "gallery_history",
            "galleryitem_history",
            "grant_history",
            "sharelink_history",
            "image_why",
            "image_replace",
            "gallery_why",
        )
    },
    **{
        f"admin:{model}_redirect": (302, 302, 302, 302, 302)
        for model in (
            "images_app_image",
            "images_app_gallery",
            "images_app_galleryitem",
            "images_app_grant",
            "images_app_sharelink",
            "images_app_accessentry",
            "images_app_remote_remotesource",
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
    # Where images were fetched from: to be seen by who may change the image, and never changed.
    **{
        f"admin:images_app_remote_remotesource_{view}": (302, 302, 403, 403, 200)
        for view in ("changelist", "add", "change")
    },
    # Who may delete the image may delete this with it.
    "admin:images_app_remote_remotesource_delete": (302, 302, 403, 200, 200),
    "admin:images_app_remote_remotesource_history": (302, 302, 302, 403, 200),
}
# Django's admin login redirects who is logged in on GET only; tus asks by HEAD, see above.
DIFFERENT_FOR_HEAD = {("admin:login", "HEAD"), ("images_app:resumable_part", "HEAD")}
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


@pytest.fixture
def address(world):
    """Answers with an address of a URL, with arguments that exist."""
    gallery, image = world.galleries["private"], world.images["private"]
    user, group = world.users["member"], world.users["group member"].groups.get()
    link, _ = world.share(LINKS["link, view"], gallery)
    # To what everybody sees: opening it changes nothing for the rows that follow.
    _, token = world.share(LINKS["link, view"], world.galleries["public"])
    entry = AccessEntry.objects.create(
        at=timezone.now(), kind="page", public_id=image.public_id, is_allowed=False
    )
    source = RemoteSource.objects.create(
        image=image,
        url="http://images.test/x.png",
        final_url="http://images.test/x.png",
        fetched_at=timezone.now(),
        checked_at=timezone.now(),
        outcome="fetched",
    )
    objects = {
        "images_app_remote_remotesource": source,
        "images_app_image": image,
        "images_app_gallery": gallery,
        "images_app_galleryitem": gallery.items.first(),
        "images_app_grant": Grant.objects.filter(gallery=gallery).first(),
        "images_app_sharelink": link,
        "images_app_accessentry": entry,
        "accounts_user": user,
        "auth_group": group,
    }
    content_type = ContentType.objects.get_for_model(Image)
    special = {
        "admin:view_on_site": [content_type.pk, image.pk],
        "admin:app_list": ["images_app"],
        "admin:auth_user_password_change": [user.pk],
        "images_app:no_original": ["no/such/image"],
        "images_app:no_rendition": ["no/such/image"],
        "images_app:resumable_part": [image.public_id],
        "images_app:order_images": [gallery.public_id],
        "images_app:revoke_link": [link.public_id],
        "images_app:link_password": [link.public_id],
        "images_app:shared": [token],
        "images_app:shared_otherwise": [f"{token}/,"],
    }

    def answer(name: str) -> str:
        model = name.removeprefix("admin:").rsplit("_", 1)[0]
        if name in special:
            return reverse(name, args=special[name])
        if name == "admin:autocomplete":
            query = "?app_label=images_app&model_name=galleryitem&field_name=image"
            return reverse(name) + query
        if name == "admin:catch_all":
            return "/admin/no/such/page/"
        if name.endswith("_redirect"):
            return reverse(f"admin:{model}_changelist") + f"{objects[model].pk}/"
        if model in objects and not name.endswith(("changelist", "_add", "_trash")):
            return reverse(name, args=[objects[model].pk])
        return reverse(name)

    return answer


@pytest.mark.parametrize("viewer", COLUMNS)
def test_every_url__answers_as_the_table_says(viewer_client, address, viewer):
    unexpected = []
    for name, row in ROWS.items():
        if row == FINER:
            continue
        expected = row[COLUMNS.index(viewer)]
        url = address(name)
        for method in ("GET", "HEAD"):
            status = status_of(viewer_client, method, url)
            if status != expected and (name, method) not in DIFFERENT_FOR_HEAD:
                unexpected.append((name, method, status, expected))
    assert unexpected == []


@pytest.mark.parametrize("viewer", ["anonymous", "stranger", "plain staff"])
def test_admin__takes_nothing_from_those_who_may_not(viewer_client, address, viewer):
    """POST to every URL of the app's admin: refused, and the records stay as they were."""

    def rows():
        models = (Image, Gallery, Grant, AccessEntry, ShareLink.objects.live().model)
        return [model.objects.count() for model in models], ShareLink.objects.live().count()

    before = rows()
    for name in ROWS:
        if name.startswith("admin:images_app") and not name.endswith("redirect"):
            response = viewer_client.post(address(name), {"post": "yes"})
            due = ROWS[name][COLUMNS.index(viewer)]
            if name.endswith("_why") and viewer == "plain staff":
                due = 405  # it only answers questions
            assert response.status_code == due, name
    assert rows() == before


# --- what is open still ------------------------------------------------------------------------


def test_visibility__is_not_opened_by_who_may_not_see_the_images(client, world, make_user):
    """As for grants and links, which take the level on every image that hangs there."""
    user = make_user("arranger", is_staff=True, permissions=["change_gallery"])
    gallery, image = world.galleries["private"], world.images["private"]
    client.force_login(user)
    assert status_of(client, "GET", image.get_absolute_url()) == 404
    client.post(
        reverse("admin:images_app_gallery_changelist"),
        {
            "action": "change_visibility",
            "_selected_action": [gallery.pk],
            "confirmed": "1",
            "visibility": "public",
        },
    )
    assert status_of(client, "GET", image.get_absolute_url()) == 404


def test_hanging__gives_nobody_an_image_for_longer_than_they_have_it(client, world, make_user):
    """Who may share an image until tomorrow hangs it in a gallery of their own."""
    user = make_user("borrower", is_staff=True, permissions=["add_galleryitem"])
    own, image = Gallery.objects.create(title="own", owner=user), world.images["loose"]
    tomorrow = timezone.now() + timedelta(days=1)
    Grant.objects.create(image=image, user=user, right="share", ends_at=tomorrow)
    client.force_login(user)
    client.post(
        reverse("admin:images_app_galleryitem_add"),
        {"gallery": own.pk, "image": image.pk, "position": 0},
    )
    later = Viewer(user=user, at=tomorrow)
    assert not Image.objects.visible_to(later, Level.PREVIEW).filter(pk=image.pk).exists()


def test_right_to_delete__implies_the_original(world, make_user):
    """As access.py says of every right, and as viewer_level tells of what may be deleted."""
    asking = Viewer(user=make_user("cleaner", is_staff=True, permissions=["delete_image"]))
    deletable = Image.objects.visible_to(asking, Right.DELETE)
    originals = Image.objects.visible_to(asking, Level.ORIGINAL)
    assert set(deletable) == set(originals)
