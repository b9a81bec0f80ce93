"""What every page says to a browser, and what is left to the bytes of images."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client
from django.urls import reverse

from images_app.renditions import rendition_url

pytestmark = pytest.mark.django_db
PAGE = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; "
        "frame-ancestors 'none'; form-action 'self'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
BYTES_POLICY = "default-src 'none'; sandbox"


def headers_of(response) -> dict[str, str | None]:
    response.close()
    return {name: response.headers.get(name) for name in PAGE}


@pytest.fixture
def gallery(make_gallery):
    return make_gallery(visibility="public", images=1)


@pytest.fixture
def urls(gallery):
    """Pages by name."""
    image = gallery.items.first().image
    names = ("images_app:gallery_list", "login", "admin:index", "admin:login")
    return {
        **{name: reverse(name) for name in names},
        "gallery": gallery.get_absolute_url(),
        "image": image.get_absolute_url(),
        "absent": "/no/such/page/",
        "slash is added": "/login",
        "changelist": reverse("admin:images_app_image_changelist"),
        "change": reverse("admin:images_app_gallery_change", args=[gallery.pk]),
        "forbidden": reverse("admin:accounts_user_add"),
        "logout by GET": reverse("logout"),
    }


@pytest.mark.parametrize("who", ["anonymous", "plain staff", "admin"])
def test_pages__have_the_whole_set(client, make_user, urls, who):
    if who != "anonymous":
        client.force_login(make_user(who, is_staff=True, is_superuser=who == "admin"))
    different = {}
    for name, url in urls.items():
        if (found := headers_of(client.get(url))) != PAGE:
            different[name] = found
    assert different == {}


def test_errors__have_the_whole_set(monkeypatch, gallery):
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    monkeypatch.setattr("images_app.views.pages.render", None)
    answers = {
        400: client.get("/login/", headers={"host": "elsewhere.example"}),
        403: client.post("/login/", {"username": "a", "password": "b"}),
        500: client.get(gallery.get_absolute_url()),
    }
    assert {answer.status_code for answer in answers.values()} == set(answers)
    for answer in answers.values():
        assert headers_of(answer) == PAGE


def test_page__says_the_same_under_asgi(urls):
    response = async_to_sync(AsyncClient().get)(urls["gallery"])
    assert headers_of(response) == PAGE


# status -> method, headers
REQUESTS = {
    200: ("GET", {}),
    206: ("GET", {"Range": "bytes=0-9"}),
    304: ("GET", {"If-None-Match": "*"}),
    405: ("POST", {}),
    412: ("GET", {"If-Match": '"other"'}),
    416: ("GET", {"Range": "bytes=99999999-"}),
}


@pytest.mark.parametrize("is_original", [True, False])
def test_bytes__have_a_policy_of_their_own(client, make_user, make_image, is_original):
    owner = make_user()
    image = make_image(owner=owner)
    url = image.original_url if is_original else rendition_url(image, "thumb")
    absent = client.get(url)
    assert (absent.status_code, absent["Content-Security-Policy"]) == (404, BYTES_POLICY)
    client.force_login(owner)
    for status, (method, headers) in REQUESTS.items():
        response = client.generic(method, url, headers=headers)
        response.close()
        assert response.status_code == status
        assert response["Content-Security-Policy"] == BYTES_POLICY, status


def test_bytes__under_asgi_have_it_too(client, gallery):
    url = rendition_url(gallery.items.first().image, "thumb")
    client.get(url).close()
    response = async_to_sync(AsyncClient().get)(url)
    response.close()
    assert (response.status_code, response["Content-Security-Policy"]) == (200, BYTES_POLICY)


@pytest.mark.parametrize("name", ["healthz", "readyz"])
def test_plain_answers__have_all_but_the_policy_of_pages(client, name):
    response = client.get(reverse(name))
    assert headers_of(response) == PAGE | {"Content-Security-Policy": BYTES_POLICY}


@pytest.mark.parametrize("debug", [True, False])
def test_debug__leaves_its_pages_of_errors_their_style(client, settings, debug):
    settings.DEBUG = debug
    assert ("Content-Security-Policy" in client.get("/no/such/page/").headers) is not debug
    assert "Content-Security-Policy" in client.get("/login/").headers
