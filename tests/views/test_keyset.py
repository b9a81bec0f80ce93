"""Keyset pages: every row once, in both directions, whatever the cursor."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db.models import F
from django.utils import timezone

from images_app.models import Gallery
from images_app.views.keyset import keyset_page, neighbours

ORDER = ("position", "-created_at", "-id")
START = dt.datetime(2024, 1, 1, 12, 30, 15, 123_456, tzinfo=dt.UTC)

# (position, seconds after START): ties in one field, in two, and negative numbers.
ROWS = [(0, 0), (0, 0), (0, 5), (0, 5), (0, 5), (-3, 0), (-3, 9), (7, 1), (7, 1), (7, 2), (8, 0)]


@pytest.fixture
def galleries(db):
    made = Gallery.objects.bulk_create(
        Gallery(title=str(number), position=position) for number, (position, _) in enumerate(ROWS)
    )
    for gallery, (_, seconds) in zip(made, ROWS, strict=True):
        Gallery.objects.filter(pk=gallery.pk).update(
            created_at=START + dt.timedelta(seconds=seconds)
        )
    return Gallery.objects.all()


def walk(queryset, order, size):
    """All pages from the first to the last, and back again by their ``previous``."""
    forwards = [keyset_page(queryset, order, size)]
    while forwards[-1].next is not None:
        forwards.append(keyset_page(queryset, order, size, after=forwards[-1].next))
        assert len(forwards) <= len(ROWS) + 1
    backwards = [forwards[-1]]
    while backwards[-1].previous is not None:
        backwards.append(keyset_page(queryset, order, size, before=backwards[-1].previous))
        assert len(backwards) <= len(ROWS) + 1
    return forwards, backwards


def keys(pages):
    return [row.pk for page in pages for row in page.rows]


@pytest.mark.parametrize(
    "order",
    [
        ORDER,
        ("-position", "created_at", "id"),
        ("created_at", "-position", "id"),
        ("-id",),
        ("id",),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("size", [1, 2, 3, 5, len(ROWS) - 1, len(ROWS), 50])
def test_walk__gives_each_row_once_in_both_directions(galleries, order, size):
    expected = list(galleries.order_by(*order).values_list("pk", flat=True))
    forwards, backwards = walk(galleries, order, size)
    assert keys(forwards) == expected
    assert keys(reversed(backwards)) == expected
    assert all(len(page.rows) == size for page in forwards[:-1])
    assert forwards[0].previous is None
    assert backwards[-1].previous is None


def test_walk__by_annotations(galleries):
    annotated = galleries.annotate(place=F("position"), number=F("id"))
    expected = list(annotated.order_by("-place", "number").values_list("pk", flat=True))
    forwards, backwards = walk(annotated, ("-place", "number"), 3)
    assert keys(forwards) == keys(reversed(backwards)) == expected


def test_neighbours__are_the_rows_before_and_after(galleries):
    rows = list(galleries.order_by(*ORDER))
    for before, row, after in zip([None, *rows], rows, [*rows[1:], None], strict=False):
        key = (row.position, row.created_at, row.pk)
        assert neighbours(galleries, ORDER, key) == [before, after]


def test_page__without_rows(db):
    page = keyset_page(Gallery.objects.none(), ORDER, 5)
    assert (page.rows, page.previous, page.next) == ([], None, None)


def test_page__behind_a_row_that_has_gone_is_the_first(galleries):
    first = keyset_page(galleries, ORDER, 3)
    first.rows[-1].delete()
    again = keyset_page(galleries, ORDER, 3, after=first.next)
    assert [row.pk for row in again.rows[:2]] == [row.pk for row in first.rows[:2]]


def test_page__behind_a_row_that_the_viewer_may_not_see_is_the_first(galleries):
    """A cursor is no way to ask where a hidden row stands."""
    hidden = galleries.first()
    visible = galleries.exclude(pk=hidden.pk)
    page = keyset_page(visible, ORDER, 3, after=str(hidden.public_id))
    assert page == keyset_page(visible, ORDER, 3)


def test_page__a_new_row_in_front_moves_nothing(galleries):
    first = keyset_page(galleries, ORDER, 3)
    second = keyset_page(galleries, ORDER, 3, after=first.next)
    Gallery.objects.create(title="new", position=-100)
    again = keyset_page(galleries, ORDER, 3, after=first.next)
    assert [row.pk for row in again.rows] == [row.pk for row in second.rows]
    assert again.previous is not None


def test_cursor__survives_another_time_zone(galleries, settings):
    settings.TIME_ZONE = "Asia/Kathmandu"
    with timezone.override("America/St_Johns"):
        forwards, _ = walk(galleries, ORDER, 2)
    assert len(keys(forwards)) == len(ROWS)


def test_cursor__is_made_for_a_url(galleries):
    """And shows nothing but what URLs show anyway."""
    page = keyset_page(galleries, ORDER, 3)
    assert page.next == str(page.rows[-1].public_id)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "nonsense",
        "1",
        "1_2024-01-01T00:00:00Z_1",
        "00000000-0000-0000-0000-000000000000",  # no row has it
        "00000000-0000-0000-0000-00000000000",
        "1" * 400,
        "\x00",
        "'; DROP TABLE",
    ],
)
@pytest.mark.parametrize("parameter", ["after", "before"])
def test_garbage__is_the_first_page(galleries, cursor, parameter):
    first = keyset_page(galleries, ORDER, 3)
    assert keyset_page(galleries, ORDER, 3, **{parameter: cursor}) == first


def test_behind_everything__is_the_first_page(galleries):
    """The rows behind a kept link were there once."""
    rows = list(galleries.order_by(*ORDER))
    first = keyset_page(galleries, ORDER, 3)
    assert keyset_page(galleries, ORDER, 3, after=str(rows[-1].public_id)) == first
    assert keyset_page(galleries, ORDER, 3, before=str(rows[0].public_id)) == first


def test_before__wins_over_after(galleries):
    last = keyset_page(galleries, ORDER, 3, after=keyset_page(galleries, ORDER, 3).next)
    page = keyset_page(galleries, ORDER, 3, after=last.next, before=last.previous)
    assert page.rows == keyset_page(galleries, ORDER, 3).rows


def test_page__costs_one_query_and_one_for_its_cursor(galleries, django_assert_num_queries):
    with django_assert_num_queries(1):
        cursor = keyset_page(galleries, ORDER, 3).next
    with django_assert_num_queries(2):
        keyset_page(galleries, ORDER, 3, after=cursor)
