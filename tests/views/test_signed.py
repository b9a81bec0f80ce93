"""Signed URLs: no session and no query, for a while; then the policy decides again."""

from __future__ import annotations

import re
import time

import pytest
from django.contrib.auth.models import Group
from django.core.files.storage import storages
from django.test import Client

from images_app.access import Level, Viewer
from images_app.conf import RENDITIONS, get_settings
from images_app.models import Grant, Image, Rendition
from images_app.renditions import rendition_url, sources
from tests.pictures import body

pytestmark = pytest.mark.django_db
SIGNERS = {
    "django": {"BACKEND": "images_app.signing.DjangoSigner"},
    "secure link": {
        "BACKEND": "images_app.signing.SecureLinkSigner",
        "OPTIONS": {"secret": "0123456789abcdef0123456789abcdef"},
    },
}
LONGER_THAN_A_LIFE = 301  # seconds


@pytest.fixture(params=list(SIGNERS))
def signing(request, settings):
    """Each signer in turn."""
    settings.IMAGES_APP = {"SIGNING": SIGNERS[request.param]}


@pytest.fixture
def clock(monkeypatch):
    """Moves the time on by some seconds."""
    now = time.time

    def move(seconds):
        monkeypatch.setattr(time, "time", lambda: now() + seconds)

    return move


@pytest.fixture
def viewer(make_user):
    return make_user("viewer")


@pytest.fixture
def image(make_image, make_gallery, viewer):
    """An image that the viewer may look at, in a private gallery."""
    gallery = make_gallery()
    Grant.objects.create(gallery=gallery, user=viewer, level=Level.VIEW)
    return make_image(gallery=gallery, size=(1400, 900), fields={"title": "Secret title"})


def signed_url(image, viewer, preset="ladder") -> str:
    [seen] = Image.objects.visible_to(Viewer(user=viewer), Level.PREVIEW).filter(pk=image.pk)
    return rendition_url(seen, preset, image_format="jpeg", width=320, sign=True)


def status(client, url, **headers) -> int:
    response = client.get(url, headers=headers)
    response.close()
    return response.status_code


def test_signed__needs_no_session_and_no_query(
    signing, image, viewer, django_assert_num_queries, settings
):
    url, stranger = signed_url(image, viewer), Client()
    first = stranger.get(url)  # made now
    content = body(first)
    with django_assert_num_queries(0):
        response = stranger.get(url)
        assert (response.status_code, body(response)) == (200, content)
    plain = Client()
    plain.force_login(viewer)
    decided = plain.get(url.partition("?")[0])
    assert body(decided) == content
    for name in ("ETag", "Content-Type", "Content-Length", "Content-Security-Policy"):
        assert response[name] == decided[name]


def test_signed__answer_is_private_and_no_longer_fresh_than_its_url(signing, image, viewer, clock):
    url = signed_url(image, viewer)
    life = int(url.partition("?s=")[2].split(".")[1]) - time.time()
    response = Client().get(url)
    response.close()
    said = re.fullmatch(r"private, max-age=(\d+), immutable", response["Cache-Control"])
    assert 0 < int(said[1]) <= life
    assert "Vary" not in response
    assert "Secret" not in response["Content-Disposition"]
    clock(life - 0.5)
    response = Client().get(url)
    response.close()
    assert response["Cache-Control"] == "private, no-cache"


def test_signed__304_touches_nothing(
    signing, image, viewer, django_assert_num_queries, monkeypatch
):
    url = signed_url(image, viewer)
    etag = Client().head(url)["ETag"]
    for method in ("open", "size", "exists", "path"):
        monkeypatch.setattr(storages[RENDITIONS], method, lambda *a, **k: pytest.fail("touched"))
    with django_assert_num_queries(0):
        assert Client().get(url, headers={"If-None-Match": etag}).status_code == 304


def test_signed__is_made_where_nobody_has_asked_before(signing, image, viewer):
    url = signed_url(image, viewer)
    assert not Rendition.objects.exists()
    assert status(Client(), url) == 200
    assert Rendition.objects.count() == 1


def test_signed__works_for_nothing_else(signing, image, viewer, make_image):
    url = signed_url(image, viewer)
    path, _, query = url.partition("?")
    other = make_image(size=(1400, 900))
    elsewhere = [
        rendition_url(other, "ladder", image_format="jpeg", width=320),
        rendition_url(image, "ladder", image_format="jpeg", width=640),
        rendition_url(image, "ladder", image_format="webp", width=320),
        rendition_url(image, "thumb"),
        image.original_url,
        image.get_absolute_url(),
        path.replace("/1/", "/2/"),
        path.replace("/renditions/", "/decisions/"),
    ]
    assert status(Client(), url) == 200
    answers = [status(Client(), f"{address}?{query}") for address in elsewhere]
    assert answers == [404, 404, 404, 404, 404, 302, 404, 403]


def test_expired__looks_absent_to_strangers_and_asks_the_policy_for_others(
    signing, image, viewer, clock, client_of
):
    url = signed_url(image, viewer)
    clock(LONGER_THAN_A_LIFE)
    refused = Client().get(url)
    absent = Client().get("/renditions/0f8fad5b-d9cb-469f-a165-70867728950e/1/0123456789abcdef.jpg")
    assert refused.status_code == 404
    assert (dict(refused.headers), refused.content) == (dict(absent.headers), absent.content)
    seen = client_of(viewer).get(url)
    seen.close()
    assert (seen.status_code, seen["Vary"]) == (200, "Cookie")


def test_revoked__works_until_it_expires_and_no_longer(signing, image, viewer, clock, client_of):
    url = signed_url(image, viewer)
    Grant.objects.all().delete()
    mine = client_of(viewer)
    assert status(mine, url.partition("?")[0]) == 404
    assert status(mine, url) == 200
    clock(LONGER_THAN_A_LIFE)
    assert status(mine, url) == 404


def test_deleted_or_superseded__is_absent_at_once(
    signing, image, viewer, django_capture_on_commit_callbacks
):
    url = signed_url(image, viewer)
    image.focal_x = 0.1
    image.save()
    assert status(Client(), url) == 404  # never made in that version
    again = signed_url(image, viewer)
    assert status(Client(), again) == 200
    with django_capture_on_commit_callbacks(execute=True):
        image.delete()
    assert status(Client(), again) == 404


def test_trashed__that_was_not_made_is_absent(signing, image, viewer):
    url = signed_url(image, viewer)
    Image.objects.update(trashed_at="2026-01-01T00:00Z")
    assert status(Client(), url) == 404
    assert not Rendition.objects.exists()


def test_page__signs_what_its_viewer_may_have_and_nothing_more(
    signing, image, viewer, make_user, client_of
):
    """Every URL of a page works without its cookies, also for who may only preview."""
    previewer = make_user("previewer")
    Grant.objects.create(image=image, user=previewer, level=Level.PREVIEW)
    ladder = {source.url for source in sources(image, get_settings().presets["ladder"])}
    for user, is_full in ((viewer, True), (previewer, False)):
        page = body(client_of(user).get(image.get_absolute_url())).decode()
        found = set(re.findall(r"/renditions/[^\s\",]+", page))
        assert found
        assert all("?s=" in url for url in found)
        assert {status(Client(), url) for url in found} == {200}
        assert any(url.partition("?")[0] in ladder for url in found) is is_full


def test_url__of_a_level_that_the_viewer_has_not_is_left_unsigned(signing, image, make_user):
    previewer = make_user("previewer")
    Grant.objects.create(image=image, user=previewer, level=Level.PREVIEW)
    assert "?" in signed_url(image, previewer, "thumb")
    assert "?" not in signed_url(image, previewer, "ladder")


def test_url__is_not_signed_for_nobody(signing, image):
    with pytest.raises(ValueError, match="visible_to"):
        rendition_url(image, "ladder", sign=True)
    assert "?" not in rendition_url(image, "ladder")


def test_without_a_signer__queries_mean_nothing(image, viewer, client_of):
    url = rendition_url(image, "ladder", image_format="jpeg", width=320)
    assert status(client_of(viewer), f"{url}?s=anything") == 200
    assert status(Client(), f"{url}?s=anything") == 404


# --- without signatures, what is taken away is gone with the next request -----------------------


@pytest.fixture(params=["file", "cache", "nginx"])
def per_request(request, settings):
    """Ways to deliver that decide about each request."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    settings.IMAGES_APP = {
        "file": {},
        "cache": {"RENDITION_CACHE": "default"},
        "nginx": {"DELIVERY": {"BACKEND": "images_app.delivery.NginxDelivery"}},
    }[request.param]


def test_revocation__by_logout_group_and_visibility(
    per_request, make_image, make_gallery, make_user, client
):
    gallery = make_gallery()
    image = make_image(gallery=gallery, size=(640, 480))
    user, group = make_user("member"), Group.objects.create(name="family")
    user.groups.add(group)
    Grant.objects.create(gallery=gallery, group=group, level=Level.VIEW)
    url = rendition_url(image, "ladder", image_format="jpeg", width=320)
    client.force_login(user)
    assert [status(client, url), status(client, url)] == [200, 200]
    user.groups.clear()
    assert status(client, url) == 404
    gallery.visibility = "members"
    gallery.save()
    assert status(client, url) == 200
    gallery.visibility = "private"
    gallery.save()
    assert status(client, url) == 404
    user.groups.add(group)
    assert status(client, url) == 200
    client.logout()
    assert status(client, url) == 404


def test_login_required_middleware__leaves_the_bytes_to_the_policy(
    signing, image, viewer, settings
):
    """Else it would answer 302 for what is there and for what is signed."""
    middleware = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    url = signed_url(image, viewer)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, middleware]
    bare = url.partition("?")[0]
    asked = [
        url,
        bare,
        image.original_url,
        "/renditions/x",
        bare.replace("renditions", "decisions"),
    ]
    assert [status(Client(), address) for address in asked] == [200, 404, 404, 404, 403]
