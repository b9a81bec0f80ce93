"""The URL of a share link: what it opens, whom it tells, and what it leaves in no log."""

from __future__ import annotations

import logging
import re

import pytest
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone

from images_app.access import Level, Viewer
from images_app.models import AccessEntry, ShareLink
from images_app.renditions import rendition_url
from images_app.sharing import change_password, create_link, revoke_link
from tests.databases import DATABASES
from tests.pictures import body


@pytest.fixture
def owner(make_user):
    return make_user("owner")


@pytest.fixture
def gallery(make_gallery, owner):
    return make_gallery("Secret wedding", owner=owner, images=1)


@pytest.fixture
def share(gallery, owner):
    """Make a link, and answer with its URL."""

    def make(obj=gallery, **terms):
        _link, token = create_link(Viewer(user=owner), obj, **terms)
        return reverse("images_app:shared", args=[token])

    return make


def status_of(client, url) -> int:
    response = client.get(url)
    response.close()
    return response.status_code


def token_of(url) -> str:
    return url.strip("/").rpartition("/")[2]


def test_shared__opens_at_once_and_leads_to_the_gallery(client, gallery, share):
    url = share()
    response = client.get(url)
    assert (response.status_code, response["Location"]) == (302, gallery.get_absolute_url())
    assert client.get(gallery.get_absolute_url()).status_code == 200
    image = gallery.images.get()
    rendition = client.get(rendition_url(image, "ladder"))
    assert body(rendition)
    assert "private" in rendition["Cache-Control"]
    assert "Cookie" in rendition["Vary"]
    assert client.get(image.original_url).status_code == 404
    assert ShareLink.objects.get().views == 1
    assert client.get(url).status_code == 302  # again: the same session is no second view
    assert ShareLink.objects.get().views == 1


def test_shared__leads_to_an_image(client, gallery, share):
    image = gallery.images.get()
    assert client.get(share(image))["Location"] == image.get_absolute_url()
    assert client.get(image.get_absolute_url()).status_code == 200
    assert client.get(gallery.get_absolute_url()).status_code == 302  # to the login


def test_shared__of_one_browser_opens_nothing_for_another(client, gallery, share):
    client.get(share())
    client.cookies.clear()
    assert client.get(rendition_url(gallery.images.get(), "thumb")).status_code == 404


def test_shared__the_same_urls_for_every_viewer(client, gallery, share, owner):
    """Nothing of the link gets into the addresses of pages and pictures."""
    url = share()
    client.get(url)
    pages = [client.get(gallery.get_absolute_url()).content.decode()]
    client.force_login(owner)
    pages.append(client.get(gallery.get_absolute_url()).content.decode())
    found = [sorted(re.findall(r"/renditions/[^\s\",]+", page)) for page in pages]
    assert found[0] == found[1] != []
    assert all(token_of(url) not in page for page in pages)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_shared__waits_for_the_password(client, gallery, share, method):
    url = share(password="open sesame")
    response = client.generic(method, url)
    assert response.status_code == 200
    assert b"Secret" not in response.content
    assert str(gallery.public_id) not in response.content.decode()
    assert client.get(url + "?password=open+sesame").status_code == 200  # POST only
    assert client.get(gallery.get_absolute_url()).status_code == 302
    assert client.post(url, {"password": "open sesame"}).status_code == 302
    assert client.get(gallery.get_absolute_url()).status_code == 200


def test_shared__waits_for_a_click_where_views_count(client, gallery, share):
    """Programs look at links before people do."""
    url = share(max_views=1)
    for method in ("GET", "HEAD"):
        assert client.generic(method, url).status_code == 200
    assert ShareLink.objects.get().views == 0
    assert client.post(url).status_code == 302
    assert client.get(gallery.get_absolute_url()).status_code == 200
    client.cookies.clear()
    for method in ("GET", "HEAD", "POST"):
        assert client.generic(method, url).status_code == 404


def test_shared__head_opens_nothing(client, gallery, share):
    assert client.head(share()).status_code == 302
    assert not Session.objects.exists()
    assert ShareLink.objects.get().views == 0


def test_shared__too_many_wrong_passwords(client, share):
    url = share(password="right")
    answers = [client.post(url, {"password": "wrong"}) for _ in range(12)]
    assert [answer.status_code for answer in answers] == [403] * 10 + [429] * 2
    right = client.post(url, {"password": "right"})
    assert (right.status_code, right["Retry-After"]) == (429, "60")
    assert right.content == answers[-1].content
    assert "too many" in right.content.decode()


ENDS = {
    "revoked": revoke_link,
    "ended": lambda link: ShareLink.objects.update(ends_at=timezone.now()),
    "its maker was deactivated": lambda link: type(link.created_by).objects.update(is_active=False),
    "its maker is no owner any more": lambda link: type(link.gallery).objects.update(owner=None),
}


@pytest.mark.parametrize("end", ENDS)
def test_shared__that_has_ended_looks_like_one_that_never_was(client, share, end):
    url = share(password="right")
    ENDS[end](ShareLink.objects.get())
    never = reverse("images_app:shared", args=["A" * 43])
    for method in ("GET", "HEAD", "POST"):
        ended, absent = (client.generic(method, each) for each in (url, never))
        assert ended.status_code == absent.status_code == 404
        assert ended.headers == absent.headers
        assert ended.content.replace(token_of(url).encode(), b"A" * 43) == absent.content


@pytest.mark.parametrize("end", ["revoked", "ended", "its maker was deactivated", "new password"])
def test_shared__ends_at_once_for_those_inside(client, gallery, share, end):
    client.get(share())
    image = gallery.images.get()
    urls = [gallery.get_absolute_url(), image.get_absolute_url(), rendition_url(image, "thumb")]
    assert [status_of(client, url) for url in urls] == [200, 200, 200]
    ends = {**ENDS, "new password": lambda link: change_password(link, "new")}
    ends[end](ShareLink.objects.get())
    assert [client.get(url).status_code for url in urls] == [302, 302, 404]


def test_shared__keeps_its_address_to_itself(client, share, caplog):
    """No referrer, no cache, no line in a log, no link that carries it on."""
    caplog.set_level(logging.DEBUG)
    url = share(password="right")
    answers = [client.get(url), client.head(url)]
    answers += [client.post(url, {"password": "wrong"}) for _ in range(11)]
    answers += [client.put(url), client.post(url, {"password": "right"})]
    for answer in answers:
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["Cache-Control"] == "no-store"
        assert answer["X-Robots-Tag"] == "noindex"
        assert token_of(url).encode() not in answer.content
    assert token_of(url) not in caplog.text
    assert "right" not in caplog.text
    assert client.get(share())["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_shared__other_methods_are_refused_before_any_lookup(
    client, share, method, django_assert_num_queries
):
    url = share()
    with django_assert_num_queries(0):
        response = client.generic(method, url)
    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD, POST")


def test_shared__for_those_who_are_logged_in(client, gallery, share, make_user):
    client.force_login(make_user("member"))
    client.get(share(level=Level.ORIGINAL))
    image = gallery.images.get()
    assert status_of(client, image.original_url) == 200
    assert client.get(f"/images/{image.public_id}/links/").status_code == 404
    assert b"/links/" not in client.get(image.get_absolute_url()).content


def test_shared__stays_open_when_somebody_logs_in_and_ends_with_the_logout(
    client, gallery, share, make_user
):
    client.get(share())
    session_key = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    client.force_login(make_user("other"))
    assert client.cookies[django_settings.SESSION_COOKIE_NAME].value != session_key
    assert client.get(gallery.get_absolute_url()).status_code == 200
    client.logout()
    assert client.get(gallery.get_absolute_url()).status_code == 302


def test_shared__list_of_galleries_shows_it(client, gallery, share):
    assert b"Secret wedding" not in client.get("/").content
    client.get(share())
    assert b"Secret wedding" in client.get("/").content


def test_shared__needs_no_csrf_token(share, client):
    """Django would log the address of a request without one."""
    client.handler.enforce_csrf_checks = True
    assert client.post(share(password="right"), {"password": "right"}).status_code == 302


@pytest.mark.parametrize("token", ["", "a", "A" * 5000, "%00", "%F0%9F%98%80", "..", "x y"])
def test_shared__hostile_tokens_are_absent(client, db, token):
    assert client.get(f"/shared/{token}/").status_code == 404


def test_shared__works_where_everybody_must_log_in(client, gallery, share, settings):
    middleware = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, middleware]
    url = gallery.get_absolute_url()
    assert client.get(url)["Location"].startswith("/login/")
    assert client.get(share())["Location"] == url
    assert client.get(url).status_code == 200
    assert client.get(gallery.images.get().get_absolute_url()).status_code == 200


@pytest.mark.parametrize("end", [*ENDS, "used up"])
def test_shared__that_has_ended_is_noted(client, share, settings, end):
    settings.IMAGES_APP = {"ACCESS_LOG": ["denial"]}
    url = share(max_views=1)
    link = ShareLink.objects.get()
    ends = {**ENDS, "used up": lambda link: ShareLink.objects.update(views=1)}
    ends[end](link)
    client.get(url)
    client.get(reverse("images_app:shared", args=["A" * 43]))  # which was none, and has no id
    entry = AccessEntry.objects.get()
    assert (entry.kind, entry.public_id, entry.reason) == ("link", link.public_id, "ended")
    assert (entry.link, entry.is_allowed) == (link, False)


BROKEN_BODIES = {
    "too large": ({"password": "x" * 3_000_000}, {}),
    "too many fields": ({f"field{n}": "x" for n in range(1001)}, {}),
    "no multipart": (b"nonsense", {"content_type": "multipart/form-data; boundary="}),
}


@pytest.mark.parametrize("case", BROKEN_BODIES)
def test_shared__a_broken_body_gets_into_no_log_and_no_mail(
    client, share, caplog, settings, mailoutbox, case
):
    settings.ADMINS = [("Admin", "admin@example.com")]
    data, options = BROKEN_BODIES[case]
    url = share(password="right")
    response = client.post(url, data, **options)
    assert response.status_code == (400 if case == "no multipart" else 413)
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cache-Control"] == "no-store"
    assert token_of(url) not in caplog.text
    assert mailoutbox == []


def test_shared__a_failure_of_ours_tells_nobody_the_address(
    client, share, caplog, monkeypatch, mailoutbox
):
    rolled_back = []

    def fail(*args, **kwargs):
        raise RuntimeError("out of order")

    def keep(rollback, using):
        rolled_back.append(rollback)

    url = share()
    monkeypatch.setattr("images_app.views.shared.find_link", fail)
    with monkeypatch.context() as patched:  # the test's own transaction must go on
        patched.setattr("django.db.transaction.set_rollback", keep)
        response = client.get(url)
    assert rolled_back == [True] * len(DATABASES)  # each of which the test holds in a transaction
    assert (response.status_code, response["Cache-Control"]) == (500, "no-store")
    assert "out of order" in caplog.text
    assert token_of(url) not in caplog.text
    assert mailoutbox == []


@pytest.mark.parametrize("tail", ["", ",", "/,", "/>", ".", "/x/y/"])
def test_shared__what_mail_programs_make_of_the_address(client, gallery, share, caplog, tail):
    url = share()
    response = client.get(url.rstrip("/") + tail)
    assert (response.status_code, response["Location"]) == (302, gallery.get_absolute_url())
    assert response["Referrer-Policy"] == "no-referrer"
    assert token_of(url) not in caplog.text


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_shared__a_form_of_another_site_takes_nobodys_session_away(client, share, site):
    """It comes without the cookies, so that an answer with a new session would replace theirs."""
    url = share(password="right")
    response = client.post(url, {"password": "right"}, headers={"Sec-Fetch-Site": site})
    assert (response.status_code, response["Location"]) == (302, url)
    assert not response.cookies
    own = client.post(url, {"password": "right"}, headers={"Sec-Fetch-Site": "same-origin"})
    assert own.cookies
