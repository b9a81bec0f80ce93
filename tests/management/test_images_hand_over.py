"""images_hand_over: galleries and images change hands, and no other door stays open."""

from __future__ import annotations

import io
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from images_app.access import Level, Viewer
from images_app.models import Gallery, Grant, Image, ShareLink
from images_app.signals import link_revoked
from tests.databases import connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna(make_user):
    return make_user("anna")


@pytest.fixture
def berta(make_user):
    return make_user("berta")


@pytest.fixture
def caesar(make_user):
    return make_user("caesar")


def run(*arguments):
    out = io.StringIO()
    call_command("images_hand_over", *map(str, arguments), stdout=out)
    return out.getvalue()


def share(by, **values):
    return ShareLink.objects.create(created_by=by, token_hash=uuid.uuid4().hex, **values)


def owners(rows):
    return {str(row): row.owner and row.owner.username for row in rows.objects.all()}


def state():
    """All that a handing over may change."""
    models = (Image, Gallery, Grant, ShareLink)
    return [list(model.objects.order_by("pk").values()) for model in models]


# --- all of it --------------------------------------------------------------------------------


def test_hand_over__all(anna, berta, caesar, make_image, make_gallery):
    gallery = make_gallery("Pets", owner=anna)
    for owner, name in ((anna, "one"), (berta, "two"), (caesar, "three"), (None, "four")):
        make_image(owner=owner, name=f"{name}.jpg", gallery=gallery)
    trashed = make_image(owner=anna, name="trashed.jpg")
    Image.objects.filter(pk=trashed.pk).update(trashed_at=timezone.now())
    make_gallery("Theirs", owner=caesar).append(make_image(owner=anna, name="away.jpg"))
    assert run("anna", "berta") == (
        "1 galleries and 3 images handed over, 0 grants ended, 0 share links revoked.\n"
    )
    assert owners(Gallery) == {"Pets": "berta", "Theirs": "caesar"}
    assert owners(Image) == {
        "one": "berta",
        "two": "berta",
        "three": "caesar",
        "four": None,
        "trashed": "berta",
        "away": "berta",
    }
    assert Image.objects.get(title="trashed").trashed_at is not None
    assert [item.image.title for item in gallery.items.all()] == ["one", "two", "three", "four"]
    viewer = Viewer(user=anna)
    assert not Image.objects.visible_to(viewer, Level.PREVIEW).exists()
    assert not Gallery.objects.visible_to(viewer).exists()


@pytest.mark.parametrize(
    ("holder", "owner", "stays"),
    [
        ("berta", "anna", False),  # needless: it is theirs now
        ("anna", "anna", False),  # or who was the owner would keep a way in
        ("caesar", "anna", True),
        ("group", "anna", True),
        ("anna", "caesar", True),
        ("berta", "caesar", True),
        ("anna", "berta", True),
    ],
)
@pytest.mark.parametrize("on", ["gallery", "image"])
@pytest.mark.parametrize("kind", [{"level": 20}, {"right": "share"}])
def test_hand_over__and_grants(
    anna, berta, caesar, make_image, make_gallery, holder, owner, stays, on, kind
):
    users = {"anna": anna, "berta": berta, "caesar": caesar}
    make = make_gallery if on == "gallery" else make_image
    thing = make(owner=users[owner])
    if holder == "group":
        to = {"group": Group.objects.create(name="family")}
    else:
        to = {"user": users[holder]}
    Grant.objects.create(**{on: thing}, **to, **kind)
    said = run("anna", "berta")
    assert Grant.objects.exists() is stays
    assert f"{0 if stays else 1} grants ended" in said


PAST = timezone.now() - timedelta(days=1)


@pytest.mark.parametrize(
    ("by", "owner", "values", "revoked", "kept_by"),
    [
        ("anna", "anna", {}, True, "berta"),
        ("anna", "anna", {"revoked_at": PAST}, True, "berta"),
        ("anna", "anna", {"ends_at": PAST}, True, "berta"),
        ("caesar", "anna", {}, False, "caesar"),
        ("berta", "anna", {}, False, "berta"),
        ("anna", "caesar", {}, False, "anna"),
    ],
)
@pytest.mark.parametrize("on", ["gallery", "image"])
@pytest.mark.parametrize("keep", [False, True])
def test_hand_over__and_share_links(
    anna, berta, caesar, make_image, make_gallery, by, owner, values, revoked, kept_by, on, keep
):
    users = {"anna": anna, "berta": berta, "caesar": caesar}
    make = make_gallery if on == "gallery" else make_image
    link = share(users[by], **{on: make(owner=users[owner])}, **values)
    said = run("anna", "berta", *(["--keep-links"] if keep else []))
    link.refresh_from_db()
    assert link.created_by.username == (kept_by if keep else by)
    assert (link.revoked_at is not None) is ("revoked_at" in values or (revoked and not keep))
    counted = by == owner == "anna" and "revoked_at" not in values
    assert f"{int(counted)} share links {'kept' if keep else 'revoked'}" in said


def test_hand_over__announces_what_it_revokes(
    anna, berta, make_gallery, django_capture_on_commit_callbacks
):
    gallery = make_gallery(owner=anna)
    links = [share(anna, gallery=gallery), share(anna, gallery=gallery)]
    share(anna, gallery=gallery, revoked_at=PAST)
    heard = []

    def hear(sender, link, **_):
        heard.append((link.pk, link.revoked_at is not None))

    link_revoked.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            run("anna", "berta")
            assert heard == []
    finally:
        link_revoked.disconnect(hear)
    assert sorted(heard) == [(link.pk, True) for link in links]


# --- one gallery ------------------------------------------------------------------------------


@pytest.fixture
def two_galleries(anna, berta, make_image, make_gallery):
    """Two galleries of anna's, with images of hers and berta's, and a link to each."""
    for title in ("Pets", "Travel"):
        gallery = make_gallery(title, owner=anna)
        for owner in (anna, berta):
            make_image(owner=owner, name=f"{title} of {owner}.jpg", gallery=gallery)
        share(anna, gallery=gallery, note=title)
        share(anna, image=Image.objects.get(title=f"{title} of anna"), note=f"in {title}")
    make_image(owner=anna, name="loose.jpg")


@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize("along", [False, True])
def test_hand_over__one_gallery(two_galleries, by_id, along):
    wanted = str(Gallery.objects.get(title="Pets").public_id) if by_id else "Pets"
    said = run("anna", "berta", "--gallery", wanted, *(["--with-images"] if along else []))
    assert f"1 galleries and {int(along)} images handed over" in said
    assert owners(Gallery) == {"Pets": "berta", "Travel": "anna"}
    assert owners(Image) == {
        "Pets of anna": "berta" if along else "anna",
        "Pets of berta": "berta",
        "Travel of anna": "anna",
        "Travel of berta": "berta",
        "loose": "anna",
    }
    revoked = ShareLink.objects.exclude(revoked_at=None).values_list("note", flat=True)
    assert set(revoked) == ({"Pets", "in Pets"} if along else {"Pets"})


def test_hand_over__a_title_that_looks_like_an_id(anna, berta, make_gallery):
    title = str(uuid.uuid4())
    make_gallery(title, owner=anna)
    run("anna", "berta", "--gallery", title)
    assert owners(Gallery) == {title: "berta"}


def test_hand_over__names_galleries_of_the_same_title(anna, berta, make_gallery):
    galleries = [make_gallery("Pets", owner=anna) for _ in range(2)]
    with pytest.raises(CommandError, match="choose one by its id") as caught:
        run("anna", "berta", "--gallery", "Pets")
    assert all(str(gallery.public_id) in str(caught.value) for gallery in galleries)
    assert owners(Gallery) == {"Pets": "anna"}


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["anna", "anna"], "Nobody can hand over to themselves"),
        (["anna", "gone"], "gone is not active"),
        (["anna", "nobody"], "There is no user 'nobody'"),
        (["nobody", "berta"], "There is no user 'nobody'"),
        (["anna", "ANNA"], "There is no user 'ANNA'"),
        (["anna"], "Name two users"),
        ([], "Name two users"),
        (["anna", "berta", "gone"], "Name two users"),
        (["--ownerless", "anna", "berta"], "with --ownerless only TO"),
        (["--ownerless", "gone"], "gone is not active"),
        (["anna", "berta", "--with-images"], "--with-images is for --gallery"),
        (["anna", "berta", "--gallery", "Nothing"], "There is no gallery 'Nothing' of theirs"),
        (["anna", "berta", "--gallery", "Theirs"], "There is no gallery 'Theirs' of theirs"),
        (["anna", "berta", "--gallery", ""], "There is no gallery '' of theirs"),
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_hand_over__refuses(two_galleries, make_user, make_gallery, caesar, arguments, said, dry):
    make_user("gone", is_active=False)
    make_gallery("Theirs", owner=caesar)
    before = state()
    with pytest.raises(CommandError, match=said):
        run(*arguments, *dry)
    assert state() == before


def test_hand_over__from_one_who_is_not_active(make_user, berta, make_image):
    make_image(owner=make_user("gone", is_active=False))
    run("gone", "berta")
    assert owners(Image) == {"cat": "berta"}


def test_hand_over__of_nothing(anna, berta):
    assert run("anna", "berta").startswith("0 galleries and 0 images handed over")


@pytest.mark.parametrize("more", [[], ["--keep-links"], ["--gallery", "Pets", "--with-images"]])
def test_hand_over__dry_run_says_the_same_and_changes_nothing(two_galleries, berta, more):
    Grant.objects.create(gallery=Gallery.objects.get(title="Pets"), user=berta, level=20)
    before = state()
    said = run("anna", "berta", *more, "--dry-run")
    assert state() == before
    assert said == run("anna", "berta", *more) + "Nothing was changed.\n"
    assert state() != before


@pytest.mark.django_db(transaction=True)
def test_hand_over__that_fails_in_the_middle_changes_nothing(two_galleries, berta):
    Grant.objects.create(gallery=Gallery.objects.get(title="Pets"), user=berta, level=20)
    before = state()

    def fail(execute, sql, params, many, context):
        if sql.startswith('UPDATE "images_app_gallery"'):
            raise DatabaseError
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail), pytest.raises(DatabaseError):
        run("anna", "berta")
    assert state() == before


def test_hand_over__of_200_images_asks_as_often_as_of_two(anna, berta, make_image, make_gallery):
    values = {
        field.attname: getattr(make_image(owner=anna), field.attname)
        for field in Image._meta.concrete_fields
        if field.name not in {"id", "public_id"}
    }
    counts = []
    for number in (1, 200):
        copies = Image.objects.bulk_create(Image(**values) for _ in range(number))
        Image.objects.update(owner=anna)
        for image in copies:
            make_gallery(owner=anna).append(image)
            Grant.objects.create(image=image, user=berta, level=20)
            share(anna, image=image)
        with CaptureQueriesContext(connection) as queries:
            run("anna", "berta")
        counts.append(len(queries))
        assert not Grant.objects.exists()
    assert Image.objects.filter(owner=berta).count() > 200
    assert counts[1] - counts[0] <= 2  # grants are deleted a hundred at once
    assert counts[0] <= 18


# --- what nobody owns -------------------------------------------------------------------------


@pytest.fixture
def orphans(anna, make_image, make_gallery):
    """A gallery and an image without an owner, beside others; and one of another model's."""
    make_gallery("Left", owner=None)
    make_gallery("Mine", owner=anna)
    make_image(name="left.jpg")
    make_image(name="mine.jpg", owner=anna)
    hosted = make_image(name="hosted.jpg")
    kind = ContentType.objects.get_for_model(Group)
    Image.objects.filter(pk=hosted.pk).update(host_content_type=kind, host_key="1")


def test_ownerless__are_listed(orphans):
    gallery, image = Gallery.objects.get(title="Left"), Image.objects.get(title="left")
    before = state()
    assert run("--ownerless").splitlines() == [
        f"gallery {gallery.public_id} Left",
        f"image {image.public_id} left",
        "1 galleries and 1 images have no owner.",
    ]
    assert state() == before


def test_ownerless__titles_do_nothing_to_a_terminal(db, make_gallery):
    make_gallery("a\x1b[2Jb\nc\u202e ü", owner=None)
    assert run("--ownerless").splitlines()[0].endswith(" a?[2Jb?c? ü")


def test_ownerless__are_taken_over(orphans, berta):
    assert run("--ownerless", "berta", "--dry-run").startswith("1 galleries and 1 images")
    assert owners(Gallery) == {"Left": None, "Mine": "anna"}
    assert run("--ownerless", "berta").startswith("1 galleries and 1 images handed over")
    assert owners(Gallery) == {"Left": "berta", "Mine": "anna"}
    assert owners(Image) == {"left": "berta", "mine": "anna", "hosted": None}


def test_ownerless__one_gallery(orphans, berta, make_gallery):
    make_gallery("Left too", owner=None)
    run("--ownerless", "berta", "--gallery", "Left")
    assert owners(Gallery) == {"Left": "berta", "Left too": None, "Mine": "anna"}
    assert owners(Image)["left"] is None
