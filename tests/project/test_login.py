"""Logins are throttled: nobody guesses without end, and nobody locks others out by their names."""

from __future__ import annotations

import io
import logging
import re
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from axes.handlers import proxy
from axes.models import AccessAttempt, AccessLog
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.signals import user_logged_out
from django.core.management import call_command
from django.test import AsyncClient, Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from project.demo.management.commands import images_demo
from project.login import NOWHERE, client_address

pytestmark = pytest.mark.django_db
DOORS = ("login", "admin:login")
HERE, THERE = "203.0.113.7", "198.51.100.9"
RIGHT, WRONG = "secret", "hunter2-and-more"  # the first is that of every user of the fixtures
LIMIT, LIMIT_OF_ADDRESS = 10, 50
MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"
each_door = pytest.mark.parametrize("door", DOORS)


@pytest.fixture(autouse=True)
def person(make_user):
    """Whoever may use both doors."""
    return make_user("person", is_staff=True)


@pytest.fixture
def clock(monkeypatch):
    """Go forward by so many minutes."""
    start, passed = timezone.now(), timedelta()

    def forward(minutes):
        nonlocal passed
        passed += timedelta(minutes=minutes)

    for module in (timezone, proxy):
        monkeypatch.setattr(module, "now", lambda: start + passed)
    return forward


def log_in(name="person", password=WRONG, *, door="login", address=HERE, **headers):
    data = {"username": name, "password": password}
    return Client().post(reverse(door), data, REMOTE_ADDR=address, headers=headers)


def statuses(times, *args, **kwargs):
    return [log_in(*args, **kwargs).status_code for _ in range(times)]


# --- one name at one address ------------------------------------------------------------------


@each_door
def test_wrong__is_refused_from_the_limit_on(door):
    assert statuses(LIMIT + 1, door=door) == [200] * (LIMIT - 1) + [429, 429]


@each_door
def test_right__is_refused_while_locked(door):
    statuses(LIMIT)
    response = log_in(password=RIGHT, door=door)
    assert response.status_code == 429
    assert not response.client.session.keys()


def test_doors__count_together():
    assert statuses(LIMIT - 1, door="admin:login") == [200] * (LIMIT - 1)
    assert log_in(door="login").status_code == 429


@each_door
def test_other_address__is_not_locked(door):
    statuses(LIMIT)
    assert log_in(password=RIGHT, door=door, address=THERE).status_code == 302


def test_other_name__is_not_locked(make_user):
    make_user("other")
    statuses(LIMIT)
    assert log_in("other", RIGHT).status_code == 302


@pytest.mark.parametrize("name", ["PERSON", "Person", "\uff50erson", " person "])
def test_spellings__of_a_name_count_together(name):
    statuses(LIMIT - 1)
    assert log_in(name).status_code == 429


def test_browsers__count_together():
    tried = [log_in(User_Agent=f"browser {n}").status_code for n in range(LIMIT)]
    assert tried[-1] == 429


def what_is_seen(response, name):
    """All that a client can tell, without what is new each time or was typed."""
    text = re.sub(r'(csrfmiddlewaretoken" value=")[^"]+', r"\1", response.content.decode())
    headers = {k: v for k, v in response.headers.items() if k not in {"Content-Length", "Expires"}}
    return response.status_code, headers, set(response.cookies), text.replace(name, "NAME")


@each_door
def test_absent__looks_the_same_as_existing(clock, door):
    for password in [*[WRONG] * (LIMIT + 1), RIGHT]:
        seen, made_up = (
            what_is_seen(log_in(name, password, door=door), name) for name in ("person", "nobody")
        )
        assert seen == made_up
    assert seen[0] == 429


# --- one address ------------------------------------------------------------------------------


def test_address__is_locked_after_guesses_at_many_names():
    tried = [log_in(f"name {number}").status_code for number in range(LIMIT_OF_ADDRESS)]
    assert tried == [200] * (LIMIT_OF_ADDRESS - 1) + [429]
    assert log_in(password=RIGHT).status_code == 429
    assert log_in(password=RIGHT, address=THERE).status_code == 302


def test_address__is_not_opened_by_an_account_of_ones_own():
    for number in range(LIMIT_OF_ADDRESS - 1):
        log_in(f"name {number}")
    assert log_in(password=RIGHT).status_code == 302
    assert log_in("another name").status_code == 429


def test_login__forgets_ones_own_failures():
    statuses(LIMIT - 1)
    assert log_in(password=RIGHT).status_code == 302
    assert statuses(LIMIT - 1) == [200] * (LIMIT - 1)


def test_locked_address__lets_who_is_logged_in_go_on(client, person):
    client.force_login(person)
    statuses(LIMIT)
    for url in (reverse("images_app:gallery_list"), reverse("admin:index")):
        assert client.get(url, REMOTE_ADDR=HERE).status_code == 200


# proxies of ours, X-Forwarded-For, the other end of the connection, what is counted
ADDRESSES = [
    (0, None, HERE, HERE),
    (0, THERE, HERE, HERE),
    (1, None, HERE, HERE),
    (1, THERE, "127.0.0.1", THERE),
    (1, f"1.2.3.4, {THERE}", "127.0.0.1", THERE),
    (1, f"1.2.3.4,{THERE} ", "127.0.0.1", THERE),
    (1, "unknown", HERE, HERE),
    (1, f"{THERE}, ", HERE, HERE),
    (2, f"1.2.3.4, {THERE}, 10.0.0.1", "127.0.0.1", THERE),
    (2, "1.2.3.4", HERE, HERE),
    (0, None, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
    (0, None, "fe80::1%eth0", "fe80::"),
    (0, None, f"::ffff:{HERE}", HERE),
    (0, None, "", NOWHERE),
    (0, None, None, NOWHERE),
]


@pytest.mark.parametrize(("proxies", "forwarded", "other_end", "expected"), ADDRESSES)
def test_address__is_claimed_by_nobody_but_our_proxies(
    settings, proxies, forwarded, other_end, expected
):
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR=other_end)
    if forwarded is not None:
        request.META["HTTP_X_FORWARDED_FOR"] = forwarded
    assert client_address(request) == expected


@pytest.mark.parametrize("proxies", [0, 1])
def test_made_up_addresses__count_as_one(settings, proxies):
    settings.TRUSTED_PROXIES = proxies
    added = f", {HERE}" if proxies else ""
    tried = [log_in(X_Forwarded_For=f"10.9.8.{n}{added}").status_code for n in range(LIMIT)]
    assert tried[-1] == 429


def test_no_address__locks_too():
    assert statuses(LIMIT, address="")[-1] == 429


# --- time and rows ----------------------------------------------------------------------------


def test_lock__opens_after_the_cool_off_whatever_is_tried_meanwhile(clock):
    statuses(LIMIT)
    for _ in range(29):
        clock(1)
        assert log_in(password=RIGHT).status_code == 429
    clock(1.1)
    assert log_in(password=RIGHT).status_code == 302


def test_failures__are_forgotten_after_the_cool_off(clock):
    statuses(LIMIT - 1)
    clock(31)
    assert log_in().status_code == 200


@pytest.mark.parametrize("minutes", [0, 10, 29.5])
def test_lock__says_when_it_opens(clock, minutes):
    statuses(LIMIT)
    clock(minutes)
    response = log_in()
    assert response["Retry-After"] == str(round((30 - minutes) * 60))
    assert response["Cache-Control"] == "no-store"
    said = {0: "next 30 minutes", 10: "next 20 minutes", 29.5: "next minute"}[minutes]
    assert said in response.content.decode()


def test_lock__of_a_name_says_nothing_of_others(clock):
    """The time is that of what is locked, not of who has failed since at that address."""
    statuses(LIMIT)
    clock(10)
    log_in("somebody else")
    assert log_in()["Retry-After"] == "1200"


def test_rows__are_few_and_do_not_stay(clock):
    for number in range(LIMIT_OF_ADDRESS + 20):
        log_in(f"name {number}", User_Agent=f"browser {number}")
    assert AccessAttempt.objects.count() == LIMIT_OF_ADDRESS
    clock(31)
    log_in()
    assert AccessAttempt.objects.count() == 1
    log_in(password=RIGHT)
    assert AccessAttempt.objects.count() == AccessLog.objects.count() == 0


def test_password__is_kept_and_logged_nowhere(caplog):
    with caplog.at_level(logging.DEBUG):
        for name in ("person", "nobody", WRONG):  # the last was typed into the wrong field
            statuses(LIMIT + 1, name)
    rows = str(list(AccessAttempt.objects.values()))
    assert HERE in rows
    assert WRONG not in rows
    assert HERE in caplog.text
    assert WRONG not in caplog.text


# --- what stays as it was ---------------------------------------------------------------------


def test_session__names_djangos_own_backend(client, person):
    client.force_login(person)
    assert client.session[BACKEND_SESSION_KEY] == MODEL_BACKEND
    by_hand = log_in(password=RIGHT).client
    assert by_hand.session[BACKEND_SESSION_KEY] == MODEL_BACKEND


def test_logout__asks_axes_for_nothing(client, person, django_assert_num_queries):
    client.force_login(person)
    request = RequestFactory().post("/")
    with django_assert_num_queries(0):
        for signalled in (request, None):
            user_logged_out.send(type(person), request=signalled, user=person)


def test_asgi__is_throttled_too():
    def tried(password):
        data = {"username": "person", "password": password}
        return async_to_sync(AsyncClient().post)(reverse("login"), data)

    answers = [tried(WRONG) for _ in range(LIMIT)]
    assert [answer.status_code for answer in answers] == [200] * (LIMIT - 1) + [429]
    refused = tried(RIGHT)
    assert (refused.status_code, refused["Retry-After"]) == (429, "1800")


def test_demo__prints_passwords_that_log_in(monkeypatch):
    monkeypatch.delenv("IMAGES_DEMO_PASSWORD", raising=False)
    monkeypatch.setattr(images_demo, "GALLERIES", ())
    out = io.StringIO()
    call_command("images_demo", no_serve=True, stdout=out)
    printed = dict(re.findall(r"^  (\w+) +(\S+)$", out.getvalue(), re.MULTILINE))
    assert set(printed) == {"viewer", "editor", "admin"}
    for name, password in printed.items():
        assert log_in(name, password).status_code == 302
