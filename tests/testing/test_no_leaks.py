"""The search for leaks: the demo project has none, and each broken view is caught and named."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from django.conf import settings as django_settings
from django.db.models import Value
from django.test import Client
from django.urls import reverse

from images_app.access import Level
from images_app.models import Grant
from images_app.policies import DefaultPolicy
from images_app.testing import assert_no_leaks
from tests.testing import leaky_urls
from tests.world import make_world

pytestmark = pytest.mark.django_db
VIEWERS = ("inactive", "previewer", "image grantee", "image owner", "plain staff", "admin")


def client_for(user):
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def leaks(**options) -> list[str]:
    """What is found, a line each."""
    with pytest.raises(AssertionError) as caught:
        assert_no_leaks(client_for, render=False, **options)
    return str(caught.value).splitlines()[1:]


@pytest.fixture
def shop(make_user, make_image, make_gallery):
    """One private image with its owner, and a stranger."""
    owner, stranger = make_user("owner"), make_user("stranger")
    image = make_image(owner=owner, gallery=make_gallery(owner=owner))
    return SimpleNamespace(image=image, owner=owner, stranger=stranger)


def test_demo__has_no_leaks():
    users = make_world().users
    assert assert_no_leaks(client_for, viewers=[None, *(users[name] for name in VIEWERS)]) > 1000


def test_sample__is_of_every_sort(shop, make_user, make_image):
    """Nothing is passed: what is in the database is asked for, and the bound is kept."""
    make_user("former", is_active=False)
    make_user("boss", is_staff=True, is_superuser=True)
    for _ in range(4):
        make_image(owner=shop.owner)
    asked = []

    def noting(user):
        asked.append(user)
        return client_for(user)

    some = assert_no_leaks(noting, render=False, most_images=2, most_viewers=4)
    assert [user and user.username for user in asked] == [None, "owner", "boss", "former"]
    assert some < assert_no_leaks(client_for, render=False, most_images=4, most_viewers=4)


def test_nothing_to_ask_for__is_no_success(db):
    with pytest.raises(AssertionError, match="nothing was asked"):
        assert_no_leaks(client_for)


def test_render__makes_none_when_it_is_told_not_to(shop, files):
    assert_no_leaks(client_for, render=False)
    assert not any(name.startswith("renditions/") for name in files())
    assert_no_leaks(client_for)
    assert any(name.startswith("renditions/") for name in files())


def test_mounted_elsewhere__is_found(shop, settings):
    settings.ROOT_URLCONF = leaky_urls.elsewhere
    assert shop.image.get_absolute_url().startswith("/shop/pictures/")
    assert_no_leaks(client_for, render=False)


HOSTS = {
    "signed URLs": {
        "IMAGES_APP": {"SIGNING": {"BACKEND": "images_app.signing.DjangoSigner"}},
    },
    "watermarks": {
        "IMAGES_APP": {
            "WATERMARKS": {"low": {"text": "LOW"}, "high": {"text": "HIGH"}},
            "WATERMARK_LEVELS": {"preview": "low", "view": "high"},
        },
    },
    "login everywhere": {
        "MIDDLEWARE": [
            *django_settings.MIDDLEWARE,
            "django.contrib.auth.middleware.LoginRequiredMiddleware",
        ],
    },
    "sessions saved each time": {"SESSION_SAVE_EVERY_REQUEST": True},
    "secure": {"SECURE_SSL_REDIRECT": True},
}


@pytest.mark.parametrize("host", HOSTS)
def test_other_hosts__have_no_leaks_either(settings, host):
    users = make_world().users
    for name, value in HOSTS[host].items():
        setattr(settings, name, value)
    viewers = [None, *(users[name] for name in ("inactive", "previewer", "member", "image owner"))]
    assert_no_leaks(client_for, viewers=viewers, most_images=3, render=False)


# --- a host's own URLs ------------------------------------------------------------------------

# The view, and how each of its leaks begins and goes on; all lines are of one of these.
OWN_URLS = {
    "without_owner": ["stranger: (GET|HEAD).*: came 200; due 404 or the login page"],
    "forbidden": ["(stranger|anonymous): .*: came 403; due 404 or the login page"],
    "lengthy_head": ["(stranger|anonymous): HEAD .*its header Content-Length .*is not that"],
    "tagged": ["(stranger|anonymous): .*its header ETag .*is not that"],
    "for_caches": ["owner: .*: Cache-Control is public; due private"],
    "without_vary": ["owner: .*: Vary lacks Cookie"],
    "talkative": [
        "owner: GET .*: the page names the stored file of 'cat'",
        "owner: GET .*: the page names the image 'dog', which its viewer cannot open",
        "owner: GET .*: the page offers /originals/.*, which its viewer cannot open",
    ],
    "failing": ["(stranger|anonymous): .*: came 500; due 404 or the login page"],
}


@pytest.mark.parametrize("name", OWN_URLS)
def test_own_url__that_leaks_is_named(shop, make_image, settings, name):
    settings.ROOT_URLCONF = leaky_urls.__name__
    make_image(name="dog.jpg")
    found = leaks(
        images=[shop.image],
        viewers=[None, shop.owner, shop.stranger],
        urls=[lambda image: reverse(name, args=[image.public_id])],
    )
    for pattern in OWN_URLS[name]:
        assert any(re.search(pattern, line) for line in found), found
    for line in found:
        assert f"/own/{name}/" in line
        assert any(re.search(pattern, line) for pattern in OWN_URLS[name]), line


def test_every_broken_view__is_in_the_table():
    assert set(OWN_URLS) == set(leaky_urls.OWN)


def test_own_url__says_what_it_takes(shop, make_user, settings):
    """A page for who may look is a leak to who may not, and none to who may."""
    settings.ROOT_URLCONF = leaky_urls.__name__
    friend = make_user("friend")
    Grant.objects.create(user=friend, image=shop.image, level=Level.VIEW)
    viewers = [shop.owner, friend]

    def url(image):
        return reverse("without_owner", args=[image.public_id])

    assert_no_leaks(client_for, viewers=viewers, urls=[(url, Level.VIEW)], render=False)
    assert all(line.startswith("  - friend:") for line in leaks(viewers=viewers, urls=[url]))


# --- the app's URLs ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("urls", "pattern"),
    [
        (
            leaky_urls.open_pages,
            r"(anonymous|stranger): .*\(page.*: came 200; due 404 or",
        ),
        (leaky_urls.all_methods, r"POST .*\(original.*: came 404; due 405"),
        (leaky_urls.all_methods, r"owner: .*\(original.*: came 404; due 200"),
    ],
)
def test_replaced_view__that_leaks_is_named(shop, settings, urls, pattern):
    settings.ROOT_URLCONF = urls
    viewers = [None, shop.owner, shop.stranger]
    assert any(re.search(pattern, line) for line in leaks(viewers=viewers))


@pytest.mark.parametrize(
    ("media_url", "who"),
    [("/media/", {"anonymous", "stranger"}), ("/media-of-members/", {"stranger"})],
)
def test_published_storage__is_named(shop, settings, media_url, who):
    settings.ROOT_URLCONF = leaky_urls.__name__
    settings.MEDIA_URL = media_url
    found = leaks(viewers=[None, shop.owner, shop.stranger])
    assert {line.removeprefix("  - ").partition(":")[0] for line in found} == who
    for line in found:
        assert f"GET {media_url}{shop.image.storage_name} (stored file of 'images'" in line


class Boasting(DefaultPolicy):
    """Tells pages of a level that their viewer has not."""

    def images(self, viewer, queryset, access, *, annotate=True):
        found = super().images(viewer, queryset, access, annotate=annotate)
        return found.annotate(viewer_level=Value(30)) if annotate else found


def test_page__that_offers_what_its_viewer_cannot_open_is_named(shop, settings):
    settings.IMAGES_APP = {"POLICY": {"BACKEND": f"{__name__}.Boasting"}}
    Grant.objects.create(user=shop.stranger, image=shop.image, level=Level.VIEW)
    found = leaks(viewers=[shop.stranger])
    assert any("the page offers /originals/" in line for line in found), found


def test_all_leaks__are_told_at_once(shop, settings):
    settings.ROOT_URLCONF = leaky_urls.__name__
    urls = [
        lambda image, name=name: reverse(name, args=[image.public_id]) for name in leaky_urls.OWN
    ]
    with pytest.raises(AssertionError) as caught:
        assert_no_leaks(client_for, urls=urls, render=False)
    first, *rest = str(caught.value).splitlines()
    assert re.fullmatch(rf"{len(rest)} leaks in \d+ requests of 3 viewers:", first)
    for name in leaky_urls.OWN:
        assert any(f"/own/{name}/" in line for line in rest)
