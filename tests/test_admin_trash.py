"""The trash and the replacing of files in the admin: for those who may, and undone if wanted."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from images_app.models import Image
from tests.pictures import picture, upload

LIST = "admin:images_app_image_changelist"
TRASH = "admin:images_app_image_trash"
STAFF = ("view_image", "change_image", "delete_image")
pytestmark = pytest.mark.django_db


@pytest.fixture
def images(make_image, make_user):
    owner = make_user("owner")
    return [make_image(name=f"{name}.jpg", owner=owner) for name in ("one", "two", "three")]


@pytest.fixture
def staff(client_of, make_user):
    return client_of(make_user("staff", permissions=STAFF, is_staff=True))


def trashed():
    return list(Image.objects.exclude(trashed_at=None).order_by("pk"))


def move(client, *images):
    data = {"action": "delete_selected", "_selected_action": [image.pk for image in images]}
    return client.post(reverse(LIST), data, follow=True)


def test_action__moves_to_the_trash_and_says_so(staff, images, files):
    page = move(staff, *images[:2]).content.decode()
    assert trashed() == images[:2]
    assert "2 images were moved to the trash." in page
    assert len(files()) >= 3
    assert LogEntry.objects.filter(change_message="Moved to the trash.").count() == 2


def test_list__has_no_action_that_deletes_for_good(staff, images):
    page = staff.get(reverse(LIST)).content.decode()
    assert "Delete selected" not in page
    assert "Move selected images to the trash" in page
    assert reverse(TRASH) in page


def test_delete_page__asks_and_moves_to_the_trash(staff, images):
    url = reverse("admin:images_app_image_delete", args=[images[0].pk])
    assert "Move “one” to the trash?" in staff.get(url).content.decode()
    assert trashed() == []
    page = staff.post(url, {"post": "yes"}, follow=True).content.decode()
    assert trashed() == images[:1]
    assert "was moved to the trash." in page
    assert LogEntry.objects.get().change_message == "Moved to the trash."


def test_trash__restores(staff, images):
    move(staff, *images)
    page = staff.get(reverse(TRASH)).content.decode()
    assert all(f">{name}</label>" in page for name in ("one", "two", "three"))
    data = {"chosen": [images[0].pk, images[2].pk], "act": "restore"}
    page = staff.post(reverse(TRASH), data, follow=True).content.decode()
    assert trashed() == [images[1]]
    assert "2 images were restored." in page


def test_trash__asks_before_it_deletes_for_good(staff, images):
    move(staff, *images)
    page = staff.post(reverse(TRASH), {"chosen": [images[0].pk], "act": "ask"}).content.decode()
    assert "Nothing brings them back." in page
    assert (f'name="chosen" value="{images[0].pk}"' in page, "two.jpg" in page) == (True, False)
    assert trashed() == images
    page = staff.post(reverse(TRASH), {"act": "ask"}, follow=True).content.decode()
    assert "Nothing was chosen." in page


def test_trash__deletes_for_good(staff, images, files, django_capture_on_commit_callbacks):
    move(staff, *images[:2])
    with django_capture_on_commit_callbacks(execute=True):
        staff.post(reverse(TRASH), {"chosen": [images[0].pk], "act": "delete"})
    assert list(Image.objects.order_by("pk")) == images[1:]
    assert f"images/{images[0].storage_name}" not in files()


@pytest.mark.parametrize("chosen", [["x"], ["-1"], ["²"], ["999999"], []])
def test_trash__choices_that_are_none_do_nothing(staff, images, chosen):
    move(staff, *images)
    assert staff.post(reverse(TRASH), {"chosen": chosen, "act": "delete"}).status_code == 302
    assert trashed() == images


def test_trash__nothing_that_is_not_in_it_is_deleted_from_it(staff, images):
    staff.post(reverse(TRASH), {"chosen": [images[0].pk], "act": "delete"})
    assert Image.objects.count() == 3


def test_trash__takes_the_permission_to_delete(client_of, make_user, images):
    Image.objects.update(trashed_at=timezone.now())
    client = client_of(make_user("viewer", permissions=["view_image"], is_staff=True))
    assert client.get(reverse(TRASH)).status_code == 403
    data = {"chosen": [images[0].pk], "act": "restore"}
    assert client.post(reverse(TRASH), data).status_code == 403
    assert len(trashed()) == 3


def test_trash__shows_only_what_the_policy_lets_one_delete(client_of, make_user, images, settings):
    settings.IMAGES_APP = {"POLICY": {"BACKEND": "images_app.policies.owner_only.OwnerOnlyPolicy"}}
    Image.objects.update(trashed_at=timezone.now())
    client = client_of(make_user("staff", permissions=STAFF, is_staff=True))
    assert "The trash is empty." in client.get(reverse(TRASH)).content.decode()
    client.post(reverse(TRASH), {"chosen": [images[0].pk], "act": "restore"})
    assert len(trashed()) == 3


def test_trash__takes_a_csrf_token(make_user, images):
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("staff", permissions=STAFF, is_staff=True))
    Image.objects.update(trashed_at=timezone.now())
    data = {"chosen": [images[0].pk], "act": "restore"}
    assert client.post(reverse(TRASH), data).status_code == 403
    assert len(trashed()) == 3


def replace(client, image, file):
    url = reverse("admin:images_app_image_replace", args=[image.pk])
    return client.post(url, {"file": file}, follow=True)


def test_replace__gives_another_file(staff, images):
    change = reverse("admin:images_app_image_change", args=[images[0].pk])
    url = reverse("admin:images_app_image_replace", args=[images[0].pk])
    assert url in staff.get(change).content.decode()
    assert staff.get(url).status_code == 200
    page = replace(staff, images[0], upload("new.png", picture("PNG", size=(20, 10))))
    found = Image.objects.get(pk=images[0].pk)
    assert (found.version, found.format, found.width) == (2, "png", 20)
    assert "The file was replaced." in page.content.decode()


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "The file is empty."), (b"text", "not an image")]
)
def test_replace__names_why_a_file_is_refused(staff, images, content, reason):
    page = replace(staff, images[0], upload("new.jpg", content)).content.decode()
    assert reason in page
    assert Image.objects.get(pk=images[0].pk).version == 1


def test_replace__reads_no_more_than_is_let_in(staff, images, settings):
    settings.IMAGES_APP = {"MAX_UPLOAD_BYTES": 1000}
    page = replace(staff, images[0], upload("new.jpg", b"x" * 5000)).content.decode()
    assert "larger than the allowed" in page
    response = replace(staff, images[0], upload("new.jpg", b"x" * 2**21))
    assert response.status_code == 413
    assert Image.objects.get(pk=images[0].pk).version == 1


def test_replace__takes_a_csrf_token(make_user, images):
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("staff", permissions=STAFF, is_staff=True))
    assert replace(client, images[0], upload()).status_code == 403
    assert Image.objects.get(pk=images[0].pk).version == 1


def test_replace__takes_the_right_to_change(client_of, make_user, images):
    client = client_of(make_user("viewer", permissions=["view_image"], is_staff=True))
    assert replace(client, images[0], upload()).status_code == 403
    assert Image.objects.get(pk=images[0].pk).version == 1


def test_replace__an_image_that_is_not_there_or_not_seen_is_alike(staff, images):
    Image.objects.filter(pk=images[0].pk).update(trashed_at=timezone.now())
    for key in (images[0].pk, 999_999):
        url = reverse("admin:images_app_image_replace", args=[key])
        response = staff.get(url)
        assert (response.status_code, response.url) == (302, reverse("admin:index"))
