"""Audit: what is written of each decision, what that costs, and that nobody can tell."""

from __future__ import annotations

import itertools
import logging
import math
import uuid
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import InterfaceError, OperationalError, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from images_app import audit
from images_app.access import Level, UnlockedLink, Viewer
from images_app.conf import LOGGED
from images_app.models import AccessEntry, Grant, Image
from images_app.models.access_entry import Kind, Reason
from images_app.renditions import rendition_url
from images_app.sharing import create_link, revoke_link
from images_app.signals import access_decided
from tests.databases import DATABASE, connection
from tests.pictures import body

pytestmark = pytest.mark.django_db
PREVIEW, VIEW, ORIGINAL = Level
NOBODY = Viewer(user=AnonymousUser())
INSERT = 'INSERT INTO "images_app_accessentry"'


@pytest.fixture(autouse=True)
def no_pruning(monkeypatch):
    """The first entry of a process looks for old ones, which would count as queries."""
    monkeypatch.setattr(audit, "_next_prune", math.inf)
    monkeypatch.setattr(audit, "_strangers", audit._Strangers())


@pytest.fixture
def log(settings):
    """Switch the log on, for these kinds or all."""

    def switch_on(*kinds, **others):
        settings.IMAGES_APP = {"ACCESS_LOG": kinds or LOGGED, **others}

    return switch_on


@pytest.fixture
def owner(make_user):
    return make_user("owner")


@pytest.fixture
def gallery(make_gallery, owner):
    return make_gallery("Secret title", owner=owner)


@pytest.fixture
def image(make_image, gallery, owner):
    made = make_image(name="hidden.jpg", gallery=gallery, owner=owner)
    client = client_for(owner)
    for what in ("thumb", "rendition"):  # made once, so that later requests cost the same
        ask(client, urls_of(made)[what])
    return made


@pytest.fixture
def viewer(make_user, gallery):
    user = make_user("viewer")
    Grant.objects.create(gallery=gallery, user=user, level=VIEW)
    return user


def client_for(user) -> Client:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def urls_of(image) -> dict[str, str]:
    url = rendition_url(image, "ladder", image_format="jpeg")
    return {
        "page": image.get_absolute_url(),
        "thumb": rendition_url(image, "thumb"),
        "rendition": url,
        "decision": url.replace("/renditions/", "/decisions/"),
        "original": image.original_url,
    }


def elsewhere(url, obj) -> str:
    """The same URL of what was never there."""
    return url.replace(str(obj.public_id), str(uuid.uuid4()))


def trash(image) -> None:
    Image.objects.filter(pk=image.pk).update(trashed_at=timezone.now())


def ask(client, url, method="get", **headers):
    response = getattr(client, method)(url, headers=headers)
    content = body(response)
    response.close()
    return response, content


def told() -> list[tuple]:
    """All entries, oldest first."""
    entries = AccessEntry.objects.order_by("pk").select_related("user", "link")
    return [
        (e.kind, e.user.username if e.user else None, e.level, e.is_allowed, e.reason, e.link)
        for e in entries
    ]


def inserts(queries) -> int:
    return sum(INSERT in query["sql"] for query in queries)


# What is written


ALLOWED = {
    "page": ("page", PREVIEW),
    "gallery": ("gallery", PREVIEW),
    "thumb": ("rendition", PREVIEW),
    "rendition": ("rendition", VIEW),
    "decision": ("rendition", VIEW),
    "original": ("original", ORIGINAL),
}
CONDITIONS = {
    "get": ("get", {}),
    "head": ("head", {}),
    "304": ("get", {"If-None-Match": "*"}),
    "206": ("get", {"Range": "bytes=0-9"}),
    "416": ("get", {"Range": "bytes=99999999-"}),
}


@pytest.mark.parametrize("how", CONDITIONS)
@pytest.mark.parametrize("what", ALLOWED)
def test_log__one_insert_for_each_decision(log, owner, gallery, image, what, how):
    log()
    url = {**urls_of(image), "gallery": gallery.get_absolute_url()}[what]
    method, headers = CONDITIONS[how]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response, _ = ask(client_for(owner), url, method, **headers)
    if what in {"thumb", "rendition", "original"} and how.isdigit():
        assert response.status_code == int(how)
    assert inserts(queries) == 1
    kind, level = ALLOWED[what]
    assert told() == [(kind, "owner", level, True, "", None)]


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("what", ALLOWED)
def test_log__one_insert_for_each_refusal(log, gallery, image, what, method):
    log()
    url = {**urls_of(image), "gallery": gallery.get_absolute_url()}[what]
    with CaptureQueriesContext(connection) as queries:
        ask(client_for(None), url, method)
    assert inserts(queries) == 1
    kind, level = ALLOWED[what]
    assert told() == [(kind, None, level, False, "forbidden", None)]


@pytest.mark.parametrize("kind", LOGGED)
def test_log__writes_the_kinds_that_are_asked_for(log, owner, gallery, image, kind):
    log(kind)
    _link, token = create_link(Viewer(user=owner), gallery)
    for url in (*urls_of(image).values(), gallery.get_absolute_url()):
        ask(client_for(owner), url)
        ask(client_for(None), url)
    ask(client_for(None), reverse("images_app:shared", args=[token]))
    written = {"denial" if not entry[3] else str(entry[0]) for entry in told()}
    assert written == {kind}


def test_log__is_written_at_the_time_of_the_decision(log, owner, image):
    log()
    before = timezone.now()
    ask(client_for(owner), urls_of(image)["thumb"])
    entry = AccessEntry.objects.get()
    assert before <= entry.at <= timezone.now()
    assert entry.public_id == image.public_id
    assert str(entry) == f"rendition {image.public_id}"


def outdated(image) -> str:
    return urls_of(image)["rendition"].replace("/1/", "/2/")


REASONS = {
    "absent": lambda image: elsewhere(urls_of(image)["thumb"], image),
    "trashed": lambda image: trash(image) or urls_of(image)["thumb"],
    "level": lambda image: urls_of(image)["original"],
    "outdated": outdated,
}


@pytest.mark.parametrize("reason", REASONS)
def test_reason__of_a_refusal(log, viewer, image, reason):
    log()
    response, _ = ask(client_for(viewer), REASONS[reason](image))
    assert response.status_code == 404
    assert [entry[3:5] for entry in told()] == [(False, reason)]


def test_reason__an_outdated_original(log, owner, image):
    log()
    ask(client_for(owner), image.original_url.replace("/1.", "/2."))
    assert told() == [("original", "owner", ORIGINAL, False, "outdated", None)]


def test_reason__forbidden_is_also_what_hangs_in_the_trash_of_others(log, make_user, image):
    log()
    stranger = client_for(make_user("stranger"))
    ask(stranger, urls_of(image)["page"])
    trash(image)
    ask(stranger, urls_of(image)["page"])
    assert [entry[4] for entry in told()] == ["forbidden", "trashed"]


def test_reason__of_a_gallery(log, viewer, make_gallery, gallery):
    log()
    other = make_gallery("Other")
    ask(client_for(viewer), other.get_absolute_url())
    ask(client_for(viewer), elsewhere(other.get_absolute_url(), other))
    assert [entry[4] for entry in told()] == ["forbidden", "absent"]


def test_reason__a_link_with_a_password(log, owner, gallery):
    log()
    link, token = create_link(Viewer(user=owner), gallery, password="sesame")
    url, client = reverse("images_app:shared", args=[token]), client_for(None)
    ask(client, url)  # only asks
    for _ in range(11):
        client.post(url, {"password": "wrong"})
    entries = told()
    assert [entry[4] for entry in entries] == ["password"] * 10 + ["resting"]
    assert {entry[5] for entry in entries} == {link}
    assert {entry.public_id for entry in AccessEntry.objects.all()} == {link.public_id}


def test_link__one_that_is_opened(log, owner, gallery):
    log()
    link, token = create_link(Viewer(user=owner), gallery, level=PREVIEW)
    client = client_for(None)
    ask(client, reverse("images_app:shared", args=[token]))
    ask(client, reverse("images_app:shared", args=[token]))  # opens nothing more
    assert told() == [("link", None, PREVIEW, True, "", link)]


def test_reason__a_signed_url(log, settings, owner, image):
    log(SIGNING={"BACKEND": "images_app.signing.DjangoSigner"})
    [seen] = Image.objects.visible_to(Viewer(user=owner)).filter(pk=image.pk)
    url = rendition_url(seen, "ladder", image_format="jpeg", sign=True)
    response, content = ask(client_for(owner), url)
    assert response.status_code == 200, content
    # Whoever sends it, the signature decides, and no session is opened to see who it is.
    assert told() == [("rendition", None, VIEW, True, "signed", None)]


# Who it was, and through which link


def test_user__is_noted_on_public_images_too(log, make_gallery, make_image, make_user):
    log()
    image = make_image(gallery=make_gallery(visibility="public"))
    for user in (make_user("visitor"), None):
        ask(client_for(user), urls_of(image)["thumb"])
    assert [entry[1] for entry in told()] == ["visitor", None]


def test_user__an_inactive_one_is_noted(log, make_user):
    log()
    audit.denied(Viewer(user=make_user("left", is_active=False)), Kind.PAGE, uuid.uuid4(), VIEW)
    assert told() == [("page", "left", VIEW, False, "absent", None)]


def test_user__one_without_a_record_is_nobody(log):
    class Machine(AnonymousUser):
        pk, is_authenticated, is_active = 7, True, True

    log()
    audit.denied(Viewer(user=Machine()), Kind.PAGE, uuid.uuid4(), VIEW, reason=Reason.FORBIDDEN)
    assert told() == [("page", None, VIEW, False, "forbidden", None)]


@pytest.fixture
def links(owner, gallery, image, make_gallery):
    """Links to something else, to the gallery, to the image."""
    return [
        create_link(Viewer(user=owner), subject, level=level)
        for subject, level in (
            (make_gallery("Elsewhere", owner=owner), VIEW),
            (gallery, PREVIEW),
            (image, VIEW),
        )
    ]


@pytest.mark.parametrize(
    ("who", "opened", "what", "through"),
    [
        ("guest", [0, 1, 2], "thumb", 1),
        ("guest", [0, 2, 1], "thumb", 2),
        ("guest", [0, 1, 2], "rendition", 2),
        ("guest", [0, 1], "gallery", 1),
        ("stranger", [0, 1, 2], "rendition", 2),
        ("viewer", [0, 1, 2], "rendition", None),
        ("owner", [1, 2], "thumb", None),
    ],
)
def test_link__by_which_somebody_was_let_in(
    log, make_user, owner, viewer, gallery, image, links, who, opened, what, through
):
    people = {"guest": None, "owner": owner, "viewer": viewer}
    client = client_for(people[who] if who in people else make_user(who))
    for number in opened:
        client.get(reverse("images_app:shared", args=[links[number][1]]))
    log()
    url = {**urls_of(image), "gallery": gallery.get_absolute_url()}[what]
    response, _ = ask(client, url)
    assert response.status_code == 200
    [entry] = told()
    assert entry[5] == (None if through is None else links[through][0])


def test_link__none_for_who_is_refused(log, image, gallery, links):
    client = client_for(None)
    client.get(reverse("images_app:shared", args=[links[1][1]]))
    log()
    ask(client, urls_of(image)["original"])
    revoke_link(links[1][0])
    ask(client, urls_of(image)["thumb"])
    assert [(entry[4], entry[5]) for entry in told()] == [("level", None), ("forbidden", None)]


def test_link__that_alone_shows_the_image_so_marked(log, settings, owner, image, viewer):
    log(
        WATERMARKS={"proof": {"text": "PROOF"}, "client": {"text": "CLIENT"}},
        WATERMARK_LEVELS={"preview": "proof"},
    )
    Grant.objects.update(level=PREVIEW)
    link, _token = create_link(Viewer(user=owner), image, watermark="client")
    opened = UnlockedLink(id=link.pk, password_version=1, watermark="client")
    who = Viewer(user=viewer, links=(opened,))
    for watermark in ("proof", "client"):
        audit.allowed(who, Kind.RENDITION, image.public_id, PREVIEW, watermark=watermark)
    assert [entry[5] for entry in told()] == [None, link]


# What nobody may notice


@pytest.mark.parametrize("who", ["nobody", "stranger", "staff", "with a link"])
@pytest.mark.parametrize("what", ["page", "thumb", "rendition", "decision", "original"])
def test_refusal__costs_the_same_whatever_the_reason(
    log, make_user, make_image, image, links, who, what
):
    user = None if who == "nobody" else make_user(who, is_staff=who == "staff")
    client = client_for(user)
    if who == "with a link":
        client.get(reverse("images_app:shared", args=[links[0][1]]))
    log()
    trashed = make_image(name="wreck.jpg")
    trash(trashed)
    forbidden = urls_of(image)[what]
    ask(client, forbidden)  # what is looked up once by each process
    asked = {}
    for name, url in {
        "absent": elsewhere(forbidden, image),
        "forbidden": forbidden,
        "trashed": urls_of(trashed)[what],
    }.items():
        with CaptureQueriesContext(connection) as queries:
            ask(client, url)
        asked[name] = len(queries)
    assert len(set(asked.values())) == 1, asked
    assert {entry[4] for entry in told()} == {"absent", "forbidden", "trashed"}


def test_refusal__of_a_gallery_costs_the_same(log, make_user, gallery):
    client = client_for(make_user("stranger"))
    log()
    url = gallery.get_absolute_url()
    asked = []
    for each in (url, elsewhere(url, gallery)):
        with CaptureQueriesContext(connection) as queries:
            ask(client, each)
        asked.append(len(queries))
    assert asked[0] == asked[1]


@pytest.mark.parametrize("who", ["nobody", "viewer", "owner"])
def test_answers__are_the_same_with_and_without_the_log(
    log, settings, owner, viewer, gallery, image, who
):
    client = client_for({"nobody": None, "viewer": viewer, "owner": owner}[who])
    urls = [*urls_of(image).values(), gallery.get_absolute_url()]
    urls += [elsewhere(url, image) for url in urls_of(image).values()] + [outdated(image)]
    answers = []
    for switch in (lambda: setattr(settings, "IMAGES_APP", {}), log):
        switch()
        found = []
        for url in urls:
            for method, headers in CONDITIONS.values():
                response, content = ask(client, url, method, **headers)
                found.append((url, response.status_code, dict(response.headers), content))
        answers.append(found)
    bare, logged = ([without_tokens(each) for each in found] for found in answers)
    assert bare == logged
    assert AccessEntry.objects.count() == len(urls) * len(CONDITIONS)


def without_tokens(answer):
    """The CSRF token of a page's forms differs each time."""
    url, status, headers, content = answer
    cut = b"" if b"csrfmiddlewaretoken" in content else content
    return url, status, {k: v for k, v in headers.items() if k != "Content-Length" or cut}, cut


@pytest.mark.parametrize("what", ["thumb", "rendition", "decision", "original", "page"])
def test_default__nothing_is_asked_and_nothing_written(monkeypatch, owner, image, links, what):
    asked, guest = [], client_for(None)
    guest.get(reverse("images_app:shared", args=[links[2][1]]))
    for is_there in (True, False):
        if not is_there:
            monkeypatch.setattr(audit, "allowed", lambda *a, **k: None)
            monkeypatch.setattr(audit, "denied", lambda *a, **k: None)
        for client in (client_for(owner), client_for(None), guest):
            ask(client, urls_of(image)[what])
            with CaptureQueriesContext(connection) as queries:
                ask(client, urls_of(image)[what])
            asked.append([query["sql"].split("WHERE")[0] for query in queries])
    assert asked[:3] == asked[3:]
    assert not AccessEntry.objects.exists()


def test_log__bytes_cost_one_more_query(log, owner, image):
    client, url = client_for(owner), urls_of(image)["thumb"]
    with CaptureQueriesContext(connection) as before:
        ask(client, url)
    log()
    with CaptureQueriesContext(connection) as after:
        ask(client, url)
    ours = [q for q in after if "SAVEPOINT" not in q["sql"]]  # of the test's own transaction
    assert len(ours) == len(before) + 1


# When it cannot be written


def no_table(monkeypatch):
    monkeypatch.setattr(AccessEntry._meta, "db_table", "nowhere")


def read_only(monkeypatch):
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = ON")


def closed(monkeypatch):
    def fail(self, **kwargs):
        raise InterfaceError("connection already closed")

    monkeypatch.setattr(AccessEntry, "save", fail)


@pytest.fixture
def writable_again():
    yield
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = OFF")


@pytest.fixture
def atomic_requests(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("how", "fail"),
    [
        ("autocommit", no_table),
        ("autocommit", read_only),
        ("autocommit", closed),
        ("atomic", no_table),  # SQLite lets no request begin where it may not write
        ("atomic", closed),
    ],
)
def test_failure__shows_the_image_and_logs_an_error(
    log, request, monkeypatch, writable_again, caplog, owner, image, fail, how
):
    if how == "atomic":
        request.getfixturevalue("atomic_requests")
    log()
    client, stranger = client_for(owner), client_for(None)
    fail(monkeypatch)
    with caplog.at_level(logging.ERROR, "images_app.access"):
        statuses = [ask(client, url)[0].status_code for url in urls_of(image).values()]
        refused = ask(stranger, urls_of(image)["thumb"])[0].status_code
    assert statuses == [200, 200, 200, 204, 200]
    assert refused == 404
    said = [r for r in caplog.records if r.name == "images_app.access"]
    assert [r.getMessage() for r in said] == ["code=access_log_unavailable"] * 6
    assert {r.levelno for r in said} == {logging.ERROR}


@pytest.mark.django_db(transaction=True)
def test_atomic_requests__the_entry_is_kept_with_a_404(log, atomic_requests, owner, image):
    log()
    ask(client_for(owner), urls_of(image)["thumb"])
    ask(client_for(None), urls_of(image)["thumb"])
    assert [entry[3] for entry in told()] == [True, False]


def test_failure__leaves_the_transaction_as_it_was(log, monkeypatch, owner):
    log()
    no_table(monkeypatch)
    with transaction.atomic(using=DATABASE):
        audit.denied(NOBODY, Kind.PAGE, uuid.uuid4(), VIEW)
        owner.first_name = "changed"
        owner.save()
    owner.refresh_from_db()
    assert owner.first_name == "changed"


def test_failure__in_a_broken_transaction(log, caplog):
    log()
    with caplog.at_level(logging.ERROR, "images_app.access"), transaction.atomic(using=DATABASE):
        transaction.set_rollback(True, using=DATABASE)
        audit.allowed(NOBODY, Kind.PAGE, uuid.uuid4(), VIEW)
        transaction.set_rollback(False, using=DATABASE)
    assert "code=access_log_unavailable" in caplog.text


def test_failure__of_pruning_keeps_the_entry(log, monkeypatch, caplog):
    def fail(most):
        raise OperationalError("database is locked")

    log()
    monkeypatch.setattr(audit, "_next_prune", 0.0)
    monkeypatch.setattr(audit, "delete_old_entries", fail)
    with caplog.at_level(logging.ERROR, "images_app.access"):
        audit.denied(NOBODY, Kind.PAGE, uuid.uuid4(), VIEW)
    assert AccessEntry.objects.count() == 1
    assert "code=access_log_unavailable" in caplog.text


def test_entry__takes_one_statement_without_a_transaction(log, transactional_db):
    log()
    with CaptureQueriesContext(connection) as queries:
        audit.denied(NOBODY, Kind.LINK, uuid.uuid4(), VIEW, reason=Reason.PASSWORD)
    assert [query["sql"].split()[0] for query in queries] == ["INSERT"]


# Retention


@pytest.fixture
def clock(monkeypatch):
    """The monotonic clock, which the test moves."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(audit, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(audit, "_next_prune", 0.0)
    return clock


def make_old(number, days=91):
    at = timezone.now() - timedelta(days=days)
    AccessEntry.objects.bulk_create(
        AccessEntry(
            at=at + timedelta(seconds=second),
            kind="page",
            public_id=uuid.uuid4(),
            is_allowed=True,
        )
        for second in range(number)
    )


def write_one():
    audit.denied(NOBODY, Kind.LINK, uuid.uuid4(), VIEW, reason=Reason.PASSWORD)


def test_prune__once_an_hour(log, clock):
    log()
    make_old(3)
    write_one()
    assert AccessEntry.objects.count() == 1
    make_old(3)
    clock.now += 3599
    write_one()
    assert AccessEntry.objects.count() == 5
    clock.now += 1
    write_one()
    assert AccessEntry.objects.count() == 3


def test_prune__a_part_at_a_time_the_oldest_first_and_soon_again(log, clock, monkeypatch):
    log()
    monkeypatch.setattr(audit, "_PRUNED_AT_ONCE", 4)
    make_old(10)
    oldest = list(AccessEntry.objects.order_by("at").values_list("pk", flat=True))
    for seconds, left in ((0, 6), (9, 6), (1, 2), (10, 0), (10, 0)):
        clock.now += seconds
        write_one()
        kept = AccessEntry.objects.filter(pk__in=oldest).order_by("at")
        assert list(kept.values_list("pk", flat=True)) == oldest[10 - left :]
    make_old(1)
    clock.now += 3580
    write_one()
    assert AccessEntry.objects.filter(kind="page").count() == 1


def test_prune__keeps_what_is_young_enough(log, clock):
    log(ACCESS_LOG_DAYS=30)
    make_old(2, days=31)
    make_old(2, days=29)
    assert audit.delete_old_entries() == 2
    assert AccessEntry.objects.count() == 2


def test_prune__never_where_nothing_is_written(clock, log):
    log("page")
    make_old(1)
    write_one()  # a denial, which is not asked for
    assert AccessEntry.objects.count() == 1


@pytest.mark.parametrize("gone", ["owner", "link"])
def test_entries__outlive_what_they_speak_of(log, owner, gallery, image, gone):
    log()
    link, token = create_link(Viewer(user=owner), gallery)
    client = client_for(None)
    client.get(reverse("images_app:shared", args=[token]))
    ask(client, urls_of(image)["thumb"])
    ask(client_for(owner), urls_of(image)["thumb"])
    {"owner": owner, "link": link}[gone].delete()
    assert [entry[5] for entry in told()] == [None] * 3
    assert told()[2][1] == (None if gone == "owner" else "owner")
    image.delete()
    assert AccessEntry.objects.count() == 3


# The signal


@pytest.fixture
def receive():
    """Connect receivers for one test."""
    connected = []

    def connect(receiver):
        access_decided.connect(receiver)
        connected.append(receiver)

    yield connect
    for receiver in connected:
        access_decided.disconnect(receiver)


def test_signal__hands_over_unsaved_entries_also_without_a_log(receive, owner, image):
    heard = []

    def hear(sender, entry, **kwargs):
        heard.append((sender, entry.pk, entry.user, entry.kind, entry.is_allowed, entry.reason))

    receive(hear)
    ask(client_for(owner), urls_of(image)["thumb"])
    ask(client_for(None), urls_of(image)["original"])
    assert heard == [
        (AccessEntry, None, owner, "rendition", True, ""),
        (AccessEntry, None, None, "original", False, "forbidden"),
    ]
    assert not AccessEntry.objects.exists()


def test_signal__a_receiver_that_fails_changes_no_answer(receive, log, owner, image, caplog):
    def fail(**kwargs):
        raise RuntimeError("no good")

    receive(fail)
    log()
    with caplog.at_level(logging.ERROR, "django.dispatch"):
        assert ask(client_for(owner), urls_of(image)["thumb"])[0].status_code == 200
        assert ask(client_for(None), urls_of(image)["thumb"])[0].status_code == 404
    assert [entry[3] for entry in told()] == [True, False]
    assert "no good" in caplog.text


# The logger


@pytest.mark.parametrize("is_on", [False, True])
def test_logger__one_line_for_each_refusal(log, caplog, viewer, gallery, image, is_on):
    if is_on:
        log()
    link, token = create_link(Viewer(user=gallery.owner), gallery, password="sesame")
    with caplog.at_level(logging.INFO, "images_app.access"):
        ask(client_for(viewer), urls_of(image)["original"])
        ask(client_for(viewer), urls_of(image)["thumb"])
        Client().post(reverse("images_app:shared", args=[token]), {"password": "wrong"})
    lines = [r.getMessage() for r in caplog.records if r.name == "images_app.access"]
    for secret in (token, "Secret title", "hidden", "/", "sesame"):
        assert secret not in "".join(lines)
    assert lines == [
        f"denied kind=original id={image.public_id} level=ORIGINAL user={viewer.pk} reason=level",
        f"denied kind=link id={link.public_id} level=VIEW user=None reason=password",
    ]


# Other policies


@pytest.mark.parametrize("who", ["nobody", "somebody"])
def test_policy__one_that_shows_nothing_has_reasons_too(log, make_user, image, who):
    log(POLICY={"BACKEND": "images_app.policies.owner_only.OwnerOnlyPolicy"})
    client = client_for(None if who == "nobody" else make_user(who))
    urls = urls_of(image)
    ask(client, urls["thumb"])
    ask(client, elsewhere(urls["thumb"], image))
    trash(image)
    ask(client, urls["thumb"])
    assert [entry[4] for entry in told()] == ["forbidden", "absent", "trashed"]


# --- what strangers can make it grow by -----------------------------------------------------------


@pytest.fixture
def later(monkeypatch):
    """Moves the process's time on by some seconds."""
    now = [1000.0]
    monkeypatch.setattr(audit.time, "monotonic", lambda: now[0])

    def move(seconds):
        now[0] += seconds

    return move


def refusals(client, number) -> None:
    for _ in range(number):
        ask(client, f"/images/{uuid.uuid4()}/")
        ask(client, f"/originals/{uuid.uuid4()}/1.jpg")


def test_strangers__write_so_many_denials_in_a_minute(log, later, caplog):
    log("denial", ACCESS_LOG_STRANGERS=3)
    heard = []

    def hear(entry, **kwargs):
        heard.append(entry)

    access_decided.connect(hear)
    try:
        refusals(client_for(None), 5)
    finally:
        access_decided.disconnect(hear)
    assert AccessEntry.objects.count() == 3
    assert len(heard) == 10  # announced is each
    later(60)
    refusals(client_for(None), 1)
    assert AccessEntry.objects.count() == 5
    assert "code=denials_left_out number=7" in caplog.text


def test_strangers__leave_room_for_people_who_are_known(log, later, viewer, image):
    log("denial", ACCESS_LOG_STRANGERS=1)
    refusals(client_for(None), 3)
    for _ in range(4):
        ask(client_for(viewer), image.original_url)
    assert AccessEntry.objects.filter(user=viewer).count() == 4
    assert AccessEntry.objects.filter(user=None).count() == 1


@pytest.mark.parametrize(("most", "written"), [(0, 200), (50, 50)])
def test_strangers__without_a_bound_or_with_one(log, later, most, written):
    log("denial", ACCESS_LOG_STRANGERS=most)
    refusals(client_for(None), 100)
    assert AccessEntry.objects.count() == written


def test_strangers__one_of_so_many_by_chance(log, later, monkeypatch, caplog):
    log("denial", ACCESS_LOG_SAMPLE=4)
    drawn = itertools.cycle([0, 1, 2, 3])
    monkeypatch.setattr(audit, "randbelow", lambda number: next(drawn))
    refusals(client_for(None), 10)
    assert AccessEntry.objects.count() == 5
    later(60)
    refusals(client_for(None), 1)
    assert "denials_left_out" not in caplog.text
