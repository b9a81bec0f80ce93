"""Ordering and describing what hangs in a gallery: by scripts, and by a form without them."""

from __future__ import annotations

import json
import uuid

import pytest
from django.urls import reverse

from images_app.models import GalleryItem, Grant, Image
from images_app.views.answers import image_as_json
from tests.pictures import upload

EDIT = reverse("images_app:edit_images")


@pytest.fixture
def owner(make_user):
    return make_user("owner")


@pytest.fixture
def gallery(make_gallery, owner):
    return make_gallery(owner=owner, images=4)


@pytest.fixture
def images(gallery):
    return [item.image for item in gallery.items.order_by("position")]


@pytest.fixture
def client(client_of, owner):
    return client_of(owner)


def send(client, url, body):
    text = body if isinstance(body, str) else json.dumps(body)
    return client.post(url, text, content_type="application/json")


def edit(client, *images):
    return send(client, EDIT, {"images": images})


def order(client, gallery, keys):
    url = reverse("images_app:order_images", args=[gallery.public_id])
    return send(client, url, {"images": [str(getattr(key, "public_id", key)) for key in keys]})


def page_of(gallery):
    return reverse("images_app:arrange", args=[gallery.public_id])


def titles(gallery):
    return [item.image.title for item in gallery.items.order_by("position", "id")]


# --- editing by scripts -------------------------------------------------------------------------


def test_edit__saves_what_is_given_and_nothing_else(client, images):
    first, second = images[:2]
    Image.objects.filter(pk=second.pk).update(title="kept")
    response = edit(
        client,
        {"id": str(first.public_id), "title": " Sea ", "alt_text": "A wave", "focal_x": 0.2},
        {"id": str(second.public_id), "alt_text": "A boat", "owner": None, "version": 9},
    )
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    answer = response.json()
    assert answer["errors"] == {}
    shown = {each["id"]: each for each in answer["images"]}
    assert shown[str(first.public_id)]["title"] == "Sea"
    assert shown[str(first.public_id)]["may_change"] is True
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.title, first.alt_text, first.focal_x, first.version) == ("Sea", "A wave", 0.2, 2)
    assert (second.title, second.alt_text, second.version) == ("kept", "A boat", 1)
    assert second.owner is not None


def test_edit__leaves_alone_what_others_save_meanwhile(client, images, monkeypatch):
    image = images[0]
    save = Image.save

    def late(self, *args, **kwargs):
        Image.objects.filter(pk=self.pk).update(caption="meanwhile")
        save(self, *args, **kwargs)

    monkeypatch.setattr(Image, "save", late)
    edit(client, {"id": str(image.public_id), "title": "Sea"})
    image.refresh_from_db()
    assert (image.title, image.caption) == ("Sea", "meanwhile")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"title": "x" * 201}, "title"),
        ({"alt_text": "x" * 501}, "alt_text"),
        ({"title": 5}, "title"),
        ({"title": None}, "title"),
        ({"title": ["x"]}, "title"),
        ({"alt_text": "a\0b"}, "alt_text"),
        ({"focal_x": 1.1}, "focal_x"),
        ({"focal_y": -0.1}, "focal_y"),
        ({"focal_y": True}, "focal_y"),
        ({"focal_x": "0.5"}, "focal_x"),
    ],
)
def test_edit__names_what_is_wrong_and_saves_the_others(client, images, values, field):
    bad, good = images[:2]
    answer = edit(
        client,
        {"id": str(bad.public_id), **values},
        {"id": str(good.public_id), "title": "good"},
    ).json()
    assert list(answer["errors"]) == [str(bad.public_id)]
    assert list(answer["errors"][str(bad.public_id)]) == [field]
    assert [each["title"] for each in answer["images"]] == ["good"]
    assert Image.objects.get(pk=bad.pk).title == bad.title
    assert Image.objects.get(pk=good.pk).title == "good"


def test_edit__absent_and_forbidden_are_alike(client, make_image, make_gallery, make_user, owner):
    gallery = make_gallery("Seen", visibility="members")
    seen = make_image(gallery=gallery, owner=make_user("other"))
    changeable = make_image(owner=seen.owner, color=(1, 2, 3))
    Grant.objects.create(image=changeable, user=owner, right="change")
    hidden, absent = make_image(color=(9, 9, 9)), uuid.uuid4()
    keys = [str(key) for key in (seen.public_id, hidden.public_id, absent, changeable.public_id)]
    answer = edit(client, *({"id": key, "title": "mine"} for key in keys)).json()
    assert [each["id"] for each in answer["images"]] == keys[3:]
    assert list(answer["errors"]) == keys[:3]
    assert len({json.dumps(problem) for problem in answer["errors"].values()}) == 1
    assert Image.objects.filter(title="mine").get() == changeable


@pytest.mark.parametrize(
    "body",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"images": {}}',
        '{"images": []}',
        '{"images": ["x"]}',
        '{"images": [{}]}',
        '{"images": [{"id": 5}]}',
        '{"images": [{"id": "x"}]}',
        '{"images": [{"id": "5b0a4a4e-1f3c-4e1c-9f0e-111111111111", "focal_x": NaN}]}',
        '{"images": [' + "[" * 100_000 + "]}",
        b"\xff\xfe".decode("latin-1"),
    ],
)
def test_edit__nonsense_is_refused(client, body):
    response = send(client, EDIT, body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid"


def test_edit__takes_no_more_than_500(client):
    images = [{"id": str(uuid.uuid4())} for _ in range(501)]
    assert edit(client, *images).status_code == 400
    assert len(edit(client, *images[:500]).json()["errors"]) == 500


def test_edit__a_large_body_is_not_read(client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    response = edit(client, {"id": str(uuid.uuid4()), "title": "x" * 2000})
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "too_large"


@pytest.mark.parametrize(("level", "has_picture"), [(10, False), (20, True), (30, True)])
def test_edit__whole_pictures_are_named_to_those_who_may_view_them(images, level, has_picture):
    image = images[0]
    assert image_as_json(image, may_change=True)["picture"]  # of one that was just made
    image.viewer_level = level
    assert bool(image_as_json(image, may_change=True)["picture"]) is has_picture


# --- who may --------------------------------------------------------------------------------------


def test_strangers__learn_nothing(client, gallery, images, make_user):
    """Nor do those who may see everything, but change nothing."""
    make_user("stranger")
    Grant.objects.create(gallery=gallery, user=make_user("reader"), level=30)
    never = reverse("images_app:order_images", args=[uuid.uuid4()])
    before = titles(gallery)
    for name in ("stranger", "reader"):
        client.force_login(type(gallery.owner).objects.get(username=name))
        refused = order(client, gallery, images[::-1])
        assert refused.status_code == 404
        assert refused.content == send(client, never, {"images": []}).content
        for method in ("get", "head", "post"):
            page = getattr(client, method)(page_of(gallery))
            absent = getattr(client, method)(reverse("images_app:arrange", args=[uuid.uuid4()]))
            assert [page.status_code, absent.status_code] == [404, 404]
            assert page.content == absent.content or method == "get"
    client.logout()
    for url in (EDIT, never, never.replace(never.split("/")[2], str(gallery.public_id))):
        response = send(client, url, "nonsense")
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "login_required"
    assert client.get(page_of(gallery))["Location"].startswith("/login/")
    assert titles(gallery) == before


def test_other_methods__are_refused_before_any_lookup(client, gallery):
    for url in (EDIT, reverse("images_app:order_images", args=[uuid.uuid4()])):
        for method in ("get", "head", "put", "delete"):
            response = getattr(client, method)(url)
            assert (response.status_code, response["Allow"]) == (405, "POST")
    assert client.put(page_of(gallery)).status_code == 405


def test_posts__need_a_csrf_token(client, gallery, images):
    client.handler.enforce_csrf_checks = True
    assert edit(client, {"id": str(images[0].public_id), "title": "x"}).status_code == 403
    assert order(client, gallery, images[::-1]).status_code == 403
    assert client.post(page_of(gallery)).status_code == 403
    token = client.get(page_of(gallery)).context["csrf_token"]
    body = json.dumps({"images": [{"id": str(images[0].public_id), "title": "x"}]})
    headers = {"X-CSRFToken": str(token)}
    sent = client.post(EDIT, body, content_type="application/json", headers=headers)
    assert sent.status_code == 200


# --- ordering by scripts --------------------------------------------------------------------------


def test_order__all_of_a_gallery(client, gallery, images):
    response = order(client, gallery, images[::-1])
    assert (response.status_code, response.json()) == (200, {})
    assert titles(gallery) == ["3", "2", "1", "0"]
    assert sorted(gallery.items.values_list("position", flat=True)) == [10, 20, 30, 40]


def test_order__a_part_keeps_its_places(client, gallery, images):
    order(client, gallery, [images[3], images[1]])
    assert titles(gallery) == ["0", "3", "2", "1"]


@pytest.mark.parametrize("positions", [(5, 5, 5, 5), (1, 2, 2, 3), (-3, 0, 0, 0)])
def test_order__equal_places_are_told_apart_first(client, gallery, images, positions):
    for item, position in zip(gallery.items.order_by("position", "id"), positions, strict=True):
        GalleryItem.objects.filter(pk=item.pk).update(position=position)
    order(client, gallery, [images[2], images[0]])
    assert titles(gallery) == ["2", "1", "0", "3"]


def test_order__of_what_is_hidden_from_me_stays(client, gallery, images, settings):
    path = "images_app.policies.owner_only.OwnerOnlyPolicy"
    settings.IMAGES_APP = {"POLICY": {"BACKEND": path}}
    hidden = images[1]
    Image.objects.filter(pk=hidden.pk).update(owner=None)
    refused = order(client, gallery, images[::-1])
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "order")
    assert titles(gallery) == ["0", "1", "2", "3"]
    seen = [image for image in images if image != hidden]
    assert order(client, gallery, seen[::-1]).status_code == 200
    assert titles(gallery) == ["3", "1", "2", "0"]


def test_order__of_something_else_is_refused(client, gallery, images, make_image, owner):
    elsewhere = make_image(owner=owner, color=(3, 3, 3))
    for keys in (
        [*images, elsewhere],
        [*images, uuid.uuid4()],
        [images[1], images[0], images[1]],
    ):
        response = order(client, gallery, keys)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "order")
    for keys in ([], ["x"]):
        assert order(client, gallery, keys).status_code == 400
    assert titles(gallery) == ["0", "1", "2", "3"]


def test_order__of_many_takes_few_queries(client, gallery, images, django_assert_max_num_queries):
    with django_assert_max_num_queries(10):
        order(client, gallery, images[::-1])


# --- the page -------------------------------------------------------------------------------------


def form_of(response) -> dict[str, list[str]]:
    """What a browser would send back."""
    data = {"image": [str(row.image.public_id) for row in response.context["rows"]]}
    for row in response.context["rows"]:
        for form in (row.place, row.text):
            for field in form:
                if not field.field.disabled:
                    data[field.html_name] = str(field.value())
    return data


def test_page__shows_what_hangs_there_in_order(client, gallery, images):
    response = client.get(page_of(gallery))
    assert response["Cache-Control"] == "no-store"
    assert [row.image for row in response.context["rows"]] == images
    shown = response.context["uploader"].shown
    assert [each["position"] for each in shown] == [10, 20, 30, 40]
    assert b"Alternative text is missing" in response.content


def test_page__saves_without_a_script(client, gallery, images):
    data = form_of(client.get(page_of(gallery)))
    first, last = images[0].public_id.hex, images[3].public_id.hex
    data |= {f"{last}-position": "5", f"{first}-alt_text": "A wave", f"{first}-focal_y": "0.25"}
    response = client.post(page_of(gallery), data, follow=True)
    assert response.status_code == 200
    assert b"Everything is saved." in response.content
    assert titles(gallery) == ["3", "0", "1", "2"]
    image = Image.objects.get(pk=images[0].pk)
    assert (image.alt_text, image.focal_y, image.version) == ("A wave", 0.25, 2)
    assert Image.objects.get(pk=images[1].pk).version == 1


def test_page__all_or_nothing_without_a_script(client, gallery, images):
    data = form_of(client.get(page_of(gallery)))
    first, last = images[0].public_id.hex, images[3].public_id.hex
    data |= {f"{last}-position": "5", f"{first}-focal_x": "7"}
    response = client.post(page_of(gallery), data)
    assert response.status_code == 400
    assert b"errorlist" in response.content
    assert titles(gallery) == ["0", "1", "2", "3"]


def test_page__images_of_others_are_ordered_but_not_described(client, gallery, make_image):
    foreign = make_image(gallery=gallery, name="4.jpg", color=(3, 3, 3))
    data = form_of(client.get(page_of(gallery)))
    prefix = foreign.public_id.hex
    assert f"{prefix}-title" not in data
    data |= {f"{prefix}-title": "mine", f"{prefix}-position": "1"}
    assert client.post(page_of(gallery), data).status_code == 302
    assert titles(gallery) == ["4", "0", "1", "2", "3"]


def test_page__of_other_galleries_nothing_is_moved(client, gallery, make_gallery, owner):
    other = make_gallery("Other", owner=owner, images=1)
    image = other.images.get()
    data = {"image": [str(image.public_id), "x"], f"{image.public_id.hex}-position": "1"}
    client.post(page_of(gallery), data)
    assert other.items.get().position == 10


def test_page__shows_a_hundred_at_a_time(client, gallery, owner):
    some = upload().read()
    for number in range(100):
        image = Image.objects.get(pk=gallery.images.first().pk)
        image.pk, image.public_id, image._state.adding = None, uuid.uuid4(), True
        image.file_name = f"{number}{len(some)}"
        image.save()
        gallery.append(image)
    first = client.get(page_of(gallery))
    assert len(first.context["rows"]) == 100
    following = client.get(page_of(gallery), {"after": first.context["page"].next})
    assert len(following.context["rows"]) == 4


def test_page__costs_as_much_for_many_as_for_few(client, gallery, django_assert_max_num_queries):
    with django_assert_max_num_queries(6):
        client.get(page_of(gallery))


def test_buttons__are_for_those_who_may(client, gallery, make_user):
    Grant.objects.create(gallery=gallery, user=make_user("reader"), level=30)
    Grant.objects.create(gallery=gallery, user=make_user("helper"), right="change")
    add = reverse("images_app:add_images", args=[gallery.public_id])
    for name, sees in (("reader", False), ("helper", True), ("owner", True)):
        client.force_login(type(gallery.owner).objects.get(username=name))
        text = client.get(gallery.get_absolute_url()).content.decode()
        assert [page_of(gallery) in text, add in text] == [sees, sees]
        for url in (page_of(gallery), add):
            assert client.get(url).status_code == (200 if sees else 404)
