"""How long a yes lasts, on the wire: until the next request, or as long as is said."""

from __future__ import annotations

import itertools
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.wire.servers import manage, serving
from tests.wire.test_servers import Browser
from tests.wire.test_trust import LIFETIME, galleries, logged_in, send, signed_url, site

pytestmark = [pytest.mark.slow, pytest.mark.alone]
REMEMBERED = 5  # seconds, by auth_request

GIVE = """
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from images_app.access import Level
from images_app.models import Gallery, Grant
viewer = get_user_model().objects.get(username='viewer')
gallery = Gallery.objects.get(title='Not for viewer')
"""
BY_GROUP = """
group, _ = Group.objects.get_or_create(name='family')
Grant.objects.get_or_create(gallery=gallery, group=group, level=Level.VIEW)
viewer.groups.add(group)
"""
BY_VISIBILITY = "Gallery.objects.filter(pk=gallery.pk).update(visibility='{}')"
# What gives the viewer the right, and takes it again; None is logging out.
WAYS_IN = {
    "logged out": (BY_GROUP, None),
    "group": (BY_GROUP, "viewer.groups.clear()"),
    "visibility": (BY_VISIBILITY.format("members"), BY_VISIBILITY.format("private")),
}
# Seconds that a right may outlive its end, after it was last decided.
LIVES = {
    "streaming": 0,
    "accel": 0,
    "auth_request": REMEMBERED + 1,  # nginx counts whole seconds
    "secure_link, brief": LIFETIME + 1,  # and takes the last one in
    "signed, brief": LIFETIME,
}


def tell(demo, script: str) -> None:
    manage(demo, "shell", "-v0", "-c", GIVE + script)


def log_out(browser: Browser) -> None:
    """End the session, but keep its cookie as a thief would."""
    kept = dict(browser.cookies)
    _, _, page = browser.ask("GET", "/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.decode())[1]
    status, *_ = browser.ask("POST", "/logout/", {"csrfmiddlewaretoken": token}, Referer="x")
    assert status == 302
    browser.cookies = kept


@pytest.fixture(scope="module", params=list(LIVES))
def revoking(request, demo, tmp_path_factory):
    """A way to deliver: its name, and where to ask."""
    with site(demo, tmp_path_factory.mktemp("revoking"), request.param) as (front, _):
        yield request.param, front.url


@pytest.fixture(scope="module")
def hidden(demo):
    """A gallery that the viewer has no right to, as the demo is."""
    yield galleries(demo, "Not for viewer")[0]
    tell(demo, "Group.objects.all().delete(); Grant.objects.filter(gallery=gallery).delete()")
    tell(demo, BY_VISIBILITY.format("private"))


@pytest.mark.parametrize("way", list(WAYS_IN))
def test_revocation__counts_at_once_or_when_a_life_is_over(demo, revoking, hidden, way):
    name, base = revoking
    give, take = WAYS_IN[way]
    tell(demo, "viewer.groups.clear()\n" + BY_VISIBILITY.format("private"))
    viewer = logged_in(base, "viewer")
    assert viewer.ask("GET", hidden.rendition)[0] == 404
    tell(demo, give)
    is_signed = "brief" in name
    assert viewer.ask("GET", hidden.page)[0] == 200
    decided = time.monotonic()
    url = signed_url(viewer, hidden) if is_signed else hidden.rendition
    assert viewer.ask("GET", url)[0] == 200
    last = time.monotonic()
    log_out(viewer) if take is None else tell(demo, take)
    answers = [(time.monotonic(), viewer.ask("GET", url)[0])]
    while answers[-1][0] < last + LIVES[name] + 1:
        time.sleep(0.1)
        answers.append((time.monotonic(), viewer.ask("GET", url)[0]))
    statuses = [status for _, status in answers]
    assert statuses == sorted(statuses)  # once refused, always refused
    assert set(statuses) <= {200, 404}
    assert all(status == 404 for at, status in answers if at > last + LIVES[name])
    if not LIVES[name]:
        assert 200 not in statuses
    # That a right does live on where it is said to, or the waiting proves nothing.
    if name == "auth_request" and answers[0][0] < decided + REMEMBERED - 1:
        assert statuses[0] == 200
    if is_signed and answers[0][0] < decided + LIFETIME / 2:
        assert statuses[0] == 200
    assert viewer.ask("GET", hidden.page)[0] != 200
    assert send(base, url).status == 404


# --- auth_request: whose yes it is --------------------------------------------------------------


@pytest.fixture(scope="module")
def noted(demo, tmp_path_factory):
    """nginx with auth_request, Django behind it, and the log of what it asks Django."""
    folder = tmp_path_factory.mktemp("noted")
    log = folder / "access.log"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GUNICORN_CMD_ARGS", f"--access-logfile {log}")
        with site(demo, folder, "auth_request, app") as (front, django):
            yield front.url, django.url, log


@pytest.fixture(scope="module")
def streaming(demo):
    """A Django that sends all bytes itself: what is right."""
    with serving("gunicorn threads", demo) as server:
        yield server.url


def decisions(log) -> int:
    return log.read_text().count("/decisions/")


@pytest.mark.parametrize("at_once", [8, 1])
def test_decision__is_asked_for_once_in_a_while(noted, hidden, at_once):
    """By 8 at once who are new; when a yes has run out, nginx lets all that come at once ask."""
    base, _, log = noted
    editor = logged_in(base, "editor")
    if at_once == 1:
        assert editor.ask("GET", hidden.rendition)[0] == 200
        time.sleep(REMEMBERED + 1)
    before, started = decisions(log), time.monotonic()
    with ThreadPoolExecutor(at_once) as pool:
        answers = list(pool.map(lambda _: editor.ask("GET", hidden.rendition)[0], range(50)))
    taken = time.monotonic() - started
    assert answers == [200] * 50
    assert taken < 2
    assert 1 <= decisions(log) - before <= 2


def test_refusal__is_asked_for_each_time(noted, hidden):
    base, _, log = noted
    viewer, before = logged_in(base, "viewer"), decisions(log)
    assert [viewer.ask("GET", hidden.rendition)[0] for _ in range(5)] == [404] * 5
    assert decisions(log) - before == 5


def credentials(mine: str, other: str) -> list[tuple[str, ...]]:
    """Headers of a request, of who may and who may not; both are session keys."""
    m, o = f"sessionid={mine}", f"sessionid={other}"
    cookies = (
        *("", o, f"{m}; {o}", f"{m};{o}", f"{m},{o}", f"x=1; {m}; {o}", f"x={m}", f'x="{m}"'),
        *(f"x={m}; {o}", f"{o}; x={m}", f"Sessionid={mine}", f"sessionid ={mine}x", f"{m}x"),
        *(f"sessionid={mine[:-1]}", f"sessionid={mine.swapcase()}", f"session{m}", "sessionid="),
        *(f"{m}; sessionid=", f"{m} {o}", f"{m}; {o}; x", mine, f" ; {o};{m}x"),
    )
    given = [(f"Cookie: {cookie}",) for cookie in cookies]
    given += [(f"Cookie: {o}", f"Cookie: {m}"), (f"Cookie: {m}", f"Cookie: {o}"), ()]
    given += [(f"Authorization: {text}",) for text in (m, f" {m}", f"Basic {mine}", "Basic x")]
    given += [(f"Authorization: {m}", f"Cookie: {o}"), (f"X-Cookie: {m}",), (f"X_Cookie: {m}",)]
    given += [("Authorization: Basic x", "Authorization: Basic y", f"Cookie: {o}")]
    given += [(f"Cookie: {o}", f"X-Forwarded-For: {m}"), (f"HTTP_COOKIE: {m}",)]
    return given


def test_decision__is_for_these_credentials_alone(noted, streaming, hidden):
    base, _, _ = noted
    editor, viewer = logged_in(base, "editor"), logged_in(base, "viewer")
    given = credentials(editor.cookies["sessionid"], viewer.cookies["sessionid"])
    permitted = f"Cookie: sessionid={editor.cookies['sessionid']}"
    wrong = []
    for lines, again in itertools.product(given, range(2)):
        assert send(base, hidden.rendition, permitted).status == 200
        right, ours = (send(url, hidden.rendition, *lines).status for url in (streaming, base))
        # nginx itself refuses some that nobody sends.
        if ours not in {right, 400}:
            wrong.append((lines, again, right, ours))
    assert wrong == []
    refused = [lines for lines in given if send(streaming, hidden.rendition, *lines).status == 404]
    assert len(refused) > 25


# `%3f`, `%23` and spaces made another page answer in place of the decision, whose 200 is a yes.
PLACES = ("healthz", "login/", "admin/login/", "static/x", "x", "galleries", "decisions", "app")
ENDS = ("", "%3f", "%3F", "%23", "%3fx=", "%2f%3f", "%20", "%20HTTP/1.1", "%26", "%25", "%0d%0a")
ENDS += ("%250", ";", "%3b", "%5c", "%00", "%c3%a4", "/..%2f", "/%2e%2e", "%2523", "%253f")


def test_decision__is_no_other_pages(noted, hidden):
    base, _, _ = noted
    content = logged_in(base, "editor").ask("GET", hidden.rendition)[2]
    assert send(base, "/app/x").status == 200
    for place, end, up in itertools.product(PLACES, ENDS, ("", "/..")):
        target = f"/{place}{end}{up}{hidden.rendition}"
        answer = send(base, target)
        assert content[:64] not in answer.whole, target
        # 503: where no decision is made, and nobody who is sane asks.
        allowed = {302, 400, 404, 503} | ({200} if place == "app" else set())
        assert answer.status in allowed, target
        assert answer.status != 200 or b"whatever the address." in answer.whole, target


def test_decision__is_for_this_address_alone(demo, noted, hidden):
    """What may be seen, asked for so that its key would be that of what may not."""
    base, _, _ = noted
    assert logged_in(base, "editor").ask("GET", hidden.rendition)[0] == 200
    (public,) = galleries(demo, "Postcards")
    open_to_all, secret = (
        gallery.rendition.removeprefix("/renditions/") for gallery in (public, hidden)
    )
    assert send(base, public.rendition).status == 200  # made
    permitted = send(base, f"/mount{public.rendition}", f"Authorization: {secret} x")
    assert permitted.status == 200
    answer = send(base, f"/mount%20{open_to_all}{hidden.rendition}", "Authorization: x")
    assert answer.status == 404
