"""The demo behind TLS, as its environment says: cookies, HSTS, no warning of a deployment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts import ROOT

# Logs in, over TLS and from behind a proxy, in a process of its own: settings are read once.
ASK = r"""
import json, re
import django
django.setup()
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
get_user_model().objects.create_user("person", password="secret")
plain, client = Client(), Client(headers={"x-forwarded-proto": "https"}, enforce_csrf_checks=True)
redirect = plain.get("/login/", headers={"host": "a.example"})
page = client.get("/login/", headers={"host": "a.example"})
token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', page.content.decode())[1]
data = {"username": "person", "password": "secret", "csrfmiddlewaretoken": token}
referer = {"host": "a.example", "referer": "https://a.example/login/"}
done = client.post("/login/", data, headers=referer)
print(json.dumps({
    "redirect": [redirect.status_code, redirect.headers.get("Location")],
    "statuses": [page.status_code, done.status_code],
    "hsts": done.headers.get("Strict-Transport-Security"),
    "cookies": [morsel.OutputString() for morsel in done.cookies.values()],
    "proxies": settings.TRUSTED_PROXIES,
}))
"""


def run(var: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DJANGO", "IMAGES"))}
    (var / "static").mkdir(exist_ok=True)
    own = {"IMAGES_VAR_DIR": str(var), "IMAGES_TEST_VAR_DIR": str(var)}
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=ROOT,
        env={**kept, **own, "DJANGO_ALLOWED_HOSTS": "a.example", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def ask(var: Path, **environment: str) -> dict:
    result = run(var, "-c", ASK, DJANGO_SETTINGS_MODULE="tests.settings", **environment)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("subdomains", ["", "1"])
def test_check__has_nothing_to_say_of_a_deployment(tmp_path, subdomains):
    settings = {"DJANGO_HTTPS": "1", "DJANGO_HSTS_SUBDOMAINS": subdomains}
    result = run(tmp_path, "manage.py", "check", "--deploy", "--fail-level", "DEBUG", **settings)
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    assert "WARNING" not in said
    assert "no issues" in said


def attributes(cookie: str) -> tuple[str, set[str]]:
    """The name of a cookie, and what is said of it."""
    (named, *rest) = cookie.split("; ")
    return named.partition("=")[0], set(rest)


BOTH = {"HttpOnly", "Path=/", "SameSite=Lax"}
WEEK, YEAR = f"Max-Age={7 * 24 * 3600}", 365 * 24 * 3600


def cookies(answer: dict) -> dict[str, set[str]]:
    found = dict(map(attributes, answer["cookies"]))
    return {name: {a for a in said if not a.startswith("expires")} for name, said in found.items()}


def test_behind_tls__cookies_are_of_this_host_alone(tmp_path):
    answer = ask(tmp_path, DJANGO_HTTPS="1")
    assert answer["redirect"] == [301, "https://a.example/login/"]
    assert answer["statuses"] == [200, 302]
    assert answer["hsts"] == f"max-age={YEAR}"
    assert answer["proxies"] == 1
    found = cookies(answer)
    assert set(found) == {"__Host-sessionid", "__Host-csrftoken"}
    assert found["__Host-sessionid"] == {*BOTH, WEEK, "Secure"}
    assert found["__Host-csrftoken"] >= {*BOTH, "Secure"}


def test_behind_tls__the_environment_chooses(tmp_path):
    answer = ask(tmp_path, DJANGO_HTTPS="1", DJANGO_HSTS_SUBDOMAINS="1", DJANGO_PROXIES="2")
    assert answer["hsts"] == f"max-age={YEAR}; includeSubDomains"
    assert answer["proxies"] == 2


def test_without_tls__cookies_are_those_of_django(tmp_path):
    answer = ask(tmp_path)
    assert answer["redirect"] == [200, None]
    assert answer["statuses"] == [200, 302]
    assert (answer["hsts"], answer["proxies"]) == (None, 0)
    found = cookies(answer)
    assert set(found) == {"sessionid", "csrftoken"}
    assert found["sessionid"] == {*BOTH, WEEK}
    assert found["csrftoken"] >= BOTH
