"""Times in the admin: what nobody changed is kept, in the hour that comes twice as well."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from images_app.models import Grant, Image

pytestmark = pytest.mark.django_db
# Shown as 2:30 both, in Berlin: in the night when clocks are put back.
TWICE = [
    datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
    datetime(2026, 10, 25, 0, 30, 15, 123456, tzinfo=UTC),
]


@pytest.fixture
def root(client_of, make_user, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    return client_of(make_user("root", is_staff=True, is_superuser=True))


def sent_back(response) -> dict[str, str]:
    """What a browser sends of the forms of a page when nothing was changed."""
    forms = [response.context["adminform"].form]
    for formset in response.context["inline_admin_formsets"]:
        forms += [formset.formset.management_form, *formset.formset.initial_forms]
    data = {}
    for form in forms:
        for field in form:
            value = field.value()
            parts = getattr(field.field.widget, "widgets", None)
            if parts:
                shown = field.field.widget.decompress(value)
                for number, (widget, part) in enumerate(zip(parts, shown, strict=True)):
                    data[f"{field.html_name}_{number}"] = widget.format_value(part) or ""
            else:
                data[field.html_name] = "" if value is None else str(value)
    return data


@pytest.mark.parametrize("ends_at", TWICE)
def test_grant__that_ends_in_the_hour_that_comes_twice_locks_nothing(
    root, make_gallery, make_user, ends_at
):
    gallery = make_gallery()
    Grant.objects.create(gallery=gallery, user=make_user("friend"), level=20, ends_at=ends_at)
    url = reverse("admin:images_app_gallery_change", args=[gallery.pk])
    data = sent_back(root.get(url))
    assert data["grants-0-ends_at_0"] == "2026-10-25"
    response = root.post(url, data | {"title": "Another"})
    assert response.status_code == 302, response.context["errors"]
    gallery.refresh_from_db()
    assert (gallery.title, Grant.objects.get().ends_at) == ("Another", ends_at)
    # Its level can be changed, its end left alone.
    assert root.post(url, data | {"grants-0-level": "10"}).status_code == 302
    grant = Grant.objects.get()
    assert (grant.level, grant.ends_at) == (10, ends_at)


@pytest.mark.parametrize("ends_at", TWICE)
def test_grant__in_the_list_of_all_is_not_locked_either(root, make_gallery, make_user, ends_at):
    friend = make_user("friend")
    grant = Grant.objects.create(gallery=make_gallery(), user=friend, level=20, ends_at=ends_at)
    url = reverse("admin:images_app_grant_change", args=[grant.pk])
    response = root.post(url, sent_back(root.get(url)) | {"level": "10"})
    assert response.status_code == 302, response.context["errors"]
    grant.refresh_from_db()
    assert (grant.level, grant.ends_at) == (10, ends_at)


def test_grant__may_end_at_no_time_that_is_not_clear(root, make_gallery, make_user):
    gallery = make_gallery()
    ends_at = datetime(2026, 10, 1, tzinfo=UTC)
    Grant.objects.create(gallery=gallery, user=make_user("friend"), level=20, ends_at=ends_at)
    url = reverse("admin:images_app_gallery_change", args=[gallery.pk])
    data = sent_back(root.get(url))
    for day, hour in (("2026-10-25", "02:30:00"), ("2026-03-29", "02:30:00")):
        wrong = {"grants-0-ends_at_0": day, "grants-0-ends_at_1": hour}
        assert root.post(url, data | wrong).status_code == 200
    assert Grant.objects.get().ends_at == ends_at
    right = {"grants-0-ends_at_0": "2026-10-25", "grants-0-ends_at_1": "03:30:00"}
    assert root.post(url, data | right).status_code == 302
    assert Grant.objects.get().ends_at == datetime(2026, 10, 25, 2, 30, tzinfo=UTC)
    gone = {"grants-0-ends_at_0": "", "grants-0-ends_at_1": ""}
    assert root.post(url, data | gone).status_code == 302
    assert Grant.objects.get().ends_at is None


@pytest.mark.parametrize("taken_at", TWICE)
def test_image__that_was_taken_in_the_hour_that_comes_twice(root, make_image, taken_at):
    image = make_image()
    Image.objects.update(taken_at=taken_at)
    url = reverse("admin:images_app_image_change", args=[image.pk])
    data = sent_back(root.get(url))
    response = root.post(url, data | {"title": "Another"})
    assert response.status_code == 302, response.context["errors"]
    image.refresh_from_db()
    assert (image.title, image.taken_at) == ("Another", taken_at)
