"""A host without sessions: no links are offered or opened, and nothing breaks for want of them."""

from __future__ import annotations

import pytest
from django.contrib.sessions.middleware import SessionMiddleware
from django.urls import reverse

from images_app import checks
from images_app.access import Viewer
from images_app.sharing import create_link

SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
LEFT_OUT = ("session", "auth", "messages", "axes", "images_app")


def log_in_by_header(get_response):
    """A middleware that believes a header, as a proxy's would be."""

    def answer(request):
        from django.contrib.auth import get_user_model

        name = request.headers.get("X-User")
        if name:
            request.user = get_user_model().objects.get(username=name)
        return get_response(request)

    return answer


@pytest.fixture
def owner(make_user):
    return make_user("owner")


@pytest.fixture(params=["nobody is known", "users by a header"])
def no_sessions(request, settings):
    settings.MIDDLEWARE = [
        path for path in settings.MIDDLEWARE if not any(word in path for word in LEFT_OUT)
    ]
    if request.param != "nobody is known":
        settings.MIDDLEWARE += [f"{__name__}.log_in_by_header"]
    settings.LOGOUT_REDIRECT_URL = settings.LOGIN_REDIRECT_URL


def test_shared__is_absent(no_sessions, client, owner, make_gallery):
    gallery = make_gallery(owner=owner, visibility="public", images=1)
    for terms in ({}, {"password": "secret"}, {"max_views": 1}):
        link, token = create_link(Viewer(user=owner), gallery, **terms)
        url = reverse("images_app:shared", args=[token])
        for response in (client.get(url), client.head(url), client.post(url, {"password": "x"})):
            assert response.status_code == 404
        link.refresh_from_db()
        assert link.views == 0


def test_pages__are_there_for_strangers(no_sessions, client, owner, make_gallery):
    public = make_gallery(owner=owner, visibility="public", images=1)
    private = make_gallery("Closed", owner=owner, images=1)
    page = client.get(public.get_absolute_url())
    assert page.status_code == 200
    image = public.images.get()
    assert client.get(image.get_absolute_url()).status_code == 200
    assert client.get(private.get_absolute_url()).status_code == 302
    for name in ("links", "gallery_list"):
        assert client.get(reverse(f"images_app:{name}")).status_code in {200, 302}
    for method in ("get", "post"):
        url = reverse("images_app:gallery_links", args=[private.public_id])
        assert getattr(client, method)(url).status_code == 302
    response = client.post(reverse("images_app:upload"))
    assert response.status_code == 401


@pytest.mark.parametrize("no_sessions", ["users by a header"], indirect=True)
def test_links__are_not_offered(no_sessions, client, owner, make_gallery):
    gallery = make_gallery(owner=owner, images=1)
    headers = {"X-User": "owner"}
    page = client.get(gallery.get_absolute_url(), headers=headers)
    assert page.status_code == 200
    links = reverse("images_app:gallery_links", args=[gallery.public_id])
    assert links not in page.content.decode()
    image = gallery.images.get()
    page = client.get(image.get_absolute_url(), headers=headers)
    assert reverse("images_app:image_links", args=[image.public_id]) not in page.content.decode()
    assert client.get(links, headers=headers).status_code == 404


def test_check__says_that_links_need_sessions(settings):
    assert checks.check_sessions(None) == []
    settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if path != SESSIONS]
    assert [message.id for message in checks.check_sessions(None)] == ["images_app.W010"]
    settings.MIDDLEWARE = [f"{__name__}.Ours"]
    assert checks.check_sessions(None) == []
    settings.IMAGES_APP = {"POLICY": {"BACKEND": "images_app.policies.OwnerOnlyPolicy"}}
    settings.MIDDLEWARE = []
    assert checks.check_sessions(None) == []


class Ours(SessionMiddleware):
    """A host's own."""
