"""images_delete_user: a person goes, whole or not at all, and leaves no door open."""

from __future__ import annotations

import io
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.models import Session
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db.models import ProtectedError
from django.db.models.signals import post_delete, pre_delete
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from images_app.access import Level, UnlockedLink, Viewer
from images_app.conf import get_settings
from images_app.models import AccessEntry, Gallery, GalleryItem, Grant, Image, ShareLink
from images_app.renditions import locate_rendition, rendition_url
from images_app.signals import link_revoked
from tests.databases import connection

pytestmark = pytest.mark.django_db(transaction=True)
User = get_user_model()


def share(by, **values):
    return ShareLink.objects.create(created_by=by, token_hash=uuid.uuid4().hex, **values)


def note(user, image):
    asked = {"at": timezone.now(), "kind": "page", "public_id": image.public_id, "level": 20}
    return AccessEntry.objects.create(user=user, is_allowed=True, **asked)


@pytest.fixture
def world(make_user, make_image, make_gallery):
    """Anna, who has some of everything, among others who have the same."""
    people = {name: make_user(name) for name in ("anna", "berta", "caesar")}
    for name, user in people.items():
        gallery = make_gallery(f"{name}'s", owner=user)
        image = make_image(owner=user, name=f"{name}'s.jpg", gallery=gallery)
        preset = get_settings().presets["thumb"]
        locate_rendition(image, preset.spec(preset.rungs(image.width)[0], preset.formats[0]))
        share(user, gallery=gallery, note=name)
        share(user, image=image, note=name)
        note(user, image)
    anna, berta = people["anna"], people["berta"]
    hers, theirs = Gallery.objects.get(title="anna's"), Gallery.objects.get(title="berta's")
    trashed = make_image(owner=anna, name="trashed.jpg")
    Image.objects.filter(pk=trashed.pk).update(trashed_at=timezone.now())
    hers.append(Image.objects.get(title="berta's"))
    theirs.append(Image.objects.get(title="anna's"))
    Gallery.objects.filter(pk=theirs.pk).update(cover=Image.objects.get(title="anna's"))
    share(anna, gallery=theirs, note="anna")
    Grant.objects.create(gallery=theirs, user=anna, right="share")
    Grant.objects.create(gallery=hers, user=berta, level=20)
    Grant.objects.create(gallery=hers, user=people["caesar"], level=20)
    return people


def run(*arguments):
    """Run the command; answer with exit code and output."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("images_delete_user", *map(str, arguments), stdout=out, stderr=err)
    except SystemExit as stop:
        return stop.code, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def state():
    """All rows of ours, and the users."""
    models = (User, Image, Gallery, GalleryItem, Grant, ShareLink, AccessEntry)
    return [list(model.objects.order_by("pk").values()) for model in models]


def owners(rows):
    return {str(row): row.owner and row.owner.username for row in rows.objects.all()}


SUMMARY = (
    "anna: 2 images (1 in the trash, 1 in galleries of others), 1 galleries, 1 grants, "
    "3 share links, 1 lines of the access log.\n"
)


# --- what goes, and what stays ----------------------------------------------------------------


@pytest.mark.parametrize("keep", [False, True])
def test_delete__with_the_images(world, files, keep):
    kept = {f"images/{image.storage_name}" for image in Image.objects.exclude(owner=world["anna"])}
    arguments = ["anna", "--delete-images", "--no-input", *(["--keep-account"] if keep else [])]
    code, out, err = run(*arguments)
    assert (code, out, err) == (0, SUMMARY + ("Deactivated.\n" if keep else "Deleted.\n"), "")
    assert owners(Image) == {"berta's": "berta", "caesar's": "caesar"}
    assert owners(Gallery) == {"berta's": "berta", "caesar's": "caesar"}
    assert {name for name in files() if name.startswith("images/")} == kept
    assert len(files()) == 4  # two originals, two renditions
    assert not Grant.objects.exists()
    assert list(Gallery.objects.get(title="berta's").images.all()) == [
        Image.objects.get(title="berta's")
    ]
    assert_nothing_of_anna_is_open(keep=keep)


@pytest.mark.parametrize("keep", [False, True])
def test_delete__after_handing_over(world, files, keep):
    before = files()
    code, out, _ = run(
        *("anna", "--hand-over-to", "berta", "--no-input"), *(["--keep-account"] if keep else [])
    )
    assert (code, out.splitlines()[0] + "\n") == (0, SUMMARY)
    assert files() == before
    assert owners(Image) == {
        "anna's": "berta",
        "trashed": "berta",
        "berta's": "berta",
        "caesar's": "caesar",
    }
    assert owners(Gallery) == {"anna's": "berta", "berta's": "berta", "caesar's": "caesar"}
    assert [grant.user.username for grant in Grant.objects.all()] == ["caesar"]
    assert_nothing_of_anna_is_open(keep=keep)


def assert_nothing_of_anna_is_open(*, keep):
    anna = User.objects.filter(username="anna").first()
    assert (anna is not None) is keep
    if anna is not None:
        assert not anna.is_active
        assert not anna.has_usable_password()
    assert set(ShareLink.objects.values_list("created_by__username", flat=True)) == {
        "berta",
        "caesar",
    }
    assert ShareLink.objects.live().count() == ShareLink.objects.count() == 4
    assert sorted(
        (entry.user and entry.user.username) or "" for entry in AccessEntry.objects.all()
    ) == ["", "berta", "caesar"]
    assert "anna" not in {*owners(Image).values(), *owners(Gallery).values()}
    assert not {*owners(Image).values(), *owners(Gallery).values()} & {None}


def test_delete__of_a_person_with_nothing(make_user):
    make_user("anna")
    make_user("berta")
    code, out, _ = run("anna", "--no-input")
    assert code == 0
    assert out.endswith("Deleted.\n")
    assert [user.username for user in User.objects.all()] == ["berta"]


def test_delete__of_one_who_owns_nothing_but_holds_and_shares(world):
    Image.objects.filter(owner=world["anna"]).update(owner=world["berta"])
    Gallery.objects.filter(owner=world["anna"]).update(owner=world["berta"])
    assert run("anna", "--no-input")[0] == 0
    assert_nothing_of_anna_is_open(keep=False)


def test_delete__announces_the_links_that_end(world):
    heard = []

    def hear(sender, link, **_):
        heard.append(link.note)

    link_revoked.connect(hear)
    try:
        run("anna", "--hand-over-to", "berta", "--no-input")
    finally:
        link_revoked.disconnect(hear)
    assert heard == ["anna"] * 3


# --- who is let in afterwards -----------------------------------------------------------------


def enter(client, image):
    """Ask for a rendition, and let go of its file."""
    response = client.get(rendition_url(image, "thumb"))
    response.close()
    return response.status_code


@pytest.mark.parametrize("keep", [[], ["--keep-account"]])
def test_delete__ends_the_sessions(world, client, keep):
    client.force_login(world["anna"])
    image = Image.objects.get(title="anna's")
    assert enter(client, image) == 200
    run("anna", "--hand-over-to", "berta", "--no-input", *keep)
    assert Session.objects.count() == 1  # still a row, and nobody's
    assert enter(client, image) == 404
    assert client.get("/", follow=True).context["user"].is_anonymous


def test_delete__closes_links_that_are_open_in_others_sessions(world):
    links = ShareLink.objects.filter(created_by=world["anna"])
    unlocked = tuple(UnlockedLink(id=link.pk, password_version=1) for link in links)
    viewer = Viewer(user=AnonymousUser(), links=unlocked)
    assert Image.objects.visible_to(viewer, Level.PREVIEW).count() == 2
    run("anna", "--hand-over-to", "berta", "--no-input")
    assert not Image.objects.visible_to(viewer, Level.PREVIEW).exists()


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["anna"], "say who gets them, or that they are deleted"),
        (["anna", "--keep-account"], "say who gets them, or that they are deleted"),
        (["anna", "--hand-over-to", "anna"], "Nobody can hand over to themselves"),
        (["anna", "--hand-over-to", "gone"], "gone is not active"),
        (["anna", "--hand-over-to", "nobody"], "There is no user 'nobody'"),
        (["nobody", "--delete-images"], "There is no user 'nobody'"),
        (["anna", "--hand-over-to", "berta", "--delete-images"], "not allowed with"),
    ],
)
@pytest.mark.parametrize("more", [["--no-input"], ["--dry-run"]])
def test_delete__refuses(world, make_user, files, arguments, said, more):
    make_user("gone", is_active=False)
    before, stored = state(), files()
    with pytest.raises(CommandError, match=said):
        run(*arguments, *more)
    assert (state(), files()) == (before, stored)


@pytest.mark.parametrize("owned", [Image, Gallery])
def test_delete__asks_what_becomes_of_either(world, owned):
    other = Gallery if owned is Image else Image
    other.objects.filter(owner=world["anna"]).update(owner=world["berta"])
    with pytest.raises(CommandError, match="say who gets them"):
        run("anna", "--no-input")


@pytest.mark.parametrize("fate", [["--delete-images"], ["--hand-over-to", "berta"]])
@pytest.mark.parametrize("keep", [[], ["--keep-account"]])
def test_delete__dry_run_changes_nothing(world, files, fate, keep):
    before, stored = state(), files()
    code, told, failed = run("anna", *fate, *keep, "--dry-run")
    assert (code, failed) == (0, "")
    plan = told.removeprefix(SUMMARY)
    assert plan.startswith(f"Would {'deactivate' if keep else 'delete'} anna, ")
    assert ("to berta" if "berta" in fate else "for good") in plan
    assert plan.endswith("Nothing was changed.\n")
    assert (state(), files()) == (before, stored)


@pytest.mark.parametrize("answer", ["", "y", "no", "YES please", None])
def test_delete__asks_first(world, files, monkeypatch, answer):
    asked = []

    def reply(question):
        asked.append(question)
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr("builtins.input", reply)
    before, stored = state(), files()
    with pytest.raises(CommandError, match=r"Nothing was changed\."):
        run("anna", "--delete-images")
    assert (state(), files()) == (before, stored)
    (question,) = asked
    assert question == (
        "Delete anna, delete 2 images and 1 galleries for good, end 1 grants and 3 share links? "
        "Type yes: "
    )


def test_delete__goes_on_when_told_to(world, monkeypatch):
    asked = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "yes")
    run("anna", "--hand-over-to", "berta", "--keep-account")
    (question,) = asked
    assert question == (
        "Deactivate anna, hand over 2 images and 1 galleries to berta, end 1 grants and "
        "3 share links? Type yes: "
    )
    assert not User.objects.get(username="anna").is_active


# --- failures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("signal", [pre_delete, post_delete], ids=["before", "after"])
@pytest.mark.parametrize("sender", [Image, Gallery, ShareLink, Grant, User])
def test_delete__that_fails_in_the_middle_changes_nothing(world, files, signal, sender):
    def fail(**kwargs):
        raise RuntimeError

    before, stored = state(), files()
    signal.connect(fail, sender=sender)
    try:
        with pytest.raises(RuntimeError):
            run("anna", "--delete-images", "--no-input")
    finally:
        signal.disconnect(fail, sender=sender)
    assert (state(), files()) == (before, stored)


def test_delete__of_what_a_host_protects_says_so(world, files):
    def protect(instance, **kwargs):
        raise ProtectedError("an article needs it", {instance})

    before, stored = state(), files()
    pre_delete.connect(protect, sender=Image)
    try:
        with pytest.raises(CommandError, match=r"Nothing was changed.*an article needs it"):
            run("anna", "--delete-images", "--no-input")
    finally:
        pre_delete.disconnect(protect, sender=Image)
    assert (state(), files()) == (before, stored)


def test_delete__says_when_a_file_stays(world, files, monkeypatch, caplog):
    name = Image.objects.get(title="anna's").storage_name
    storage, delete = storages["images"], storages["images"].delete

    def fail(asked):
        if asked == name:
            raise OSError("/secret/path")
        delete(asked)

    monkeypatch.setattr(storage, "delete", fail)
    code, out, err = run("anna", "--delete-images", "--no-input")
    assert code == 1
    assert out.endswith("Deleted.\n")
    assert err == "1 times a file could not be deleted; see the log.\n"
    assert "code=not_deleted storage=images" in caplog.text
    assert f"images/{name}" in files()
    assert not User.objects.filter(username="anna").exists()


def test_delete__of_one_whose_files_are_gone_already(world, files):
    for image in Image.objects.filter(owner=world["anna"]):
        storages["images"].delete(image.storage_name)
    assert run("anna", "--delete-images", "--no-input")[0] == 0
    assert len(files()) == 4


def test_delete__of_one_who_went_meanwhile(world, monkeypatch):
    def go(question):
        User.objects.filter(username="anna").delete()
        return "yes"

    monkeypatch.setattr("builtins.input", go)
    with pytest.raises(CommandError, match="There is no user with the key"):
        run("anna", "--hand-over-to", "berta")


# --- how much it costs ------------------------------------------------------------------------


@pytest.mark.parametrize("fate", [["--delete-images"], ["--hand-over-to", "berta"]])
def test_delete__of_200_images_does_not_ask_for_each(world, fate):
    values = {
        field.attname: getattr(Image.objects.get(title="anna's"), field.attname)
        for field in Image._meta.concrete_fields
        if field.name not in {"id", "public_id"}
    }
    number = 200
    copies = Image.objects.bulk_create(
        Image(**{**values, "storage_name": f"no/{i}"}) for i in range(number)
    )
    gallery = Gallery.objects.get(title="anna's")
    for image in copies:
        gallery.append(image)
        Grant.objects.create(image=image, user=world["caesar"], level=20)
        share(world["anna"], image=image)
    with CaptureQueriesContext(connection) as queries:
        run("anna", *fate, "--no-input")
    # Housekeeping reads the renditions of each image that goes; all else goes by the hundred.
    assert len(queries) - (number + 2 if fate == ["--delete-images"] else 0) <= 90


# --- without the command ----------------------------------------------------------------------


def delete_directly(anna, client):
    anna.delete()


def delete_by_queryset(anna, client):
    User.objects.filter(pk=anna.pk).delete()


def delete_in_the_admin(anna, client):
    client.force_login(User.objects.create_superuser("root", password="secret"))
    response = client.post(f"/admin/accounts/user/{anna.pk}/delete/", {"post": "yes"})
    assert response.status_code == 302, response.content.decode()


@pytest.mark.parametrize("delete", [delete_directly, delete_by_queryset, delete_in_the_admin])
def test_user__who_is_deleted_otherwise_leaves_what_nobody_owns(world, client, files, delete):
    stored = files()
    delete(world["anna"], client)
    assert not User.objects.filter(username="anna").exists()
    assert files() == stored
    assert owners(Image) == {
        "anna's": None,
        "trashed": None,
        "berta's": "berta",
        "caesar's": "caesar",
    }
    assert owners(Gallery) == {"anna's": None, "berta's": "berta", "caesar's": "caesar"}
    links = ShareLink.objects.values_list("created_by__username", flat=True)
    assert set(links) == {"berta", "caesar"}
    assert {grant.user.username for grant in Grant.objects.all()} == {"berta", "caesar"}
    assert AccessEntry.objects.filter(user=None).count() == 1
    out = io.StringIO()
    call_command("images_hand_over", "--ownerless", "berta", stdout=out)
    assert out.getvalue().startswith("1 galleries and 2 images handed over")
    assert owners(Gallery)["anna's"] == owners(Image)["anna's"] == "berta"


def test_user__what_nobody_owns_is_for_staff(world, make_user):
    Grant.objects.all().delete()
    world["anna"].delete()
    ShareLink.objects.all().delete()
    left = Gallery.objects.filter(owner=None)
    staff = make_user("staff", is_staff=True, permissions=["view_gallery", "view_image"])
    for user, seen in ((world["berta"], False), (world["caesar"], False), (staff, True)):
        assert left.visible_to(Viewer(user=user)).exists() is seen
    left.update(visibility="members")  # what a gallery says of itself goes on
    assert left.visible_to(Viewer(user=world["caesar"])).exists()


def test_user__who_is_only_deactivated_keeps_all_and_opens_nothing(world):
    before = state()
    world["anna"].is_active = False
    world["anna"].save()
    assert state()[1:] == before[1:]
    viewer = Viewer(user=world["anna"], at=timezone.now() + timedelta(seconds=1))
    assert not Image.objects.visible_to(viewer, Level.PREVIEW).exists()
    assert not ShareLink.objects.live().filter(created_by=world["anna"]).exists()
