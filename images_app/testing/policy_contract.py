"""PolicyContract: what the app counts on in every policy, as tests to inherit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.db import DatabaseError, connections
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from images_app.access import Access, Level, Right, Viewer
from images_app.models import Gallery, ImageQuerySet, find_visible, get_image_model
from images_app.testing.questions import (
    ACCESSES,
    ANONYMOUS,
    KINDS,
    Keys,
    Questions,
    Unknown,
    in_use,
    keys_of,
)


class PolicyContract(Questions):
    """Inherit from this, beside ``django.test.TestCase`` or with ``pytest.mark.django_db``.

    Say ``make_policy``. Where your policy goes by more than the app's own records, override
    ``make_world`` (see WorldMaker), and ``is_public`` where something else makes a row public.
    Every test names all that it finds, not the first only.
    """

    def is_public(self, row: Any) -> bool:
        """Tell whether a gallery or an image is declared to be for anyone."""
        if isinstance(row, Gallery):
            return row.visibility == Gallery.Visibility.PUBLIC
        hangs_in: Any = row.gallery_items
        return bool(hangs_in.filter(gallery__visibility=Gallery.Visibility.PUBLIC).exists())

    # --- the tests ----------------------------------------------------------------------------

    def test_policy__answers_with_querysets_of_the_model_it_was_given(self) -> None:
        """Lists or other rows would leave the pages nothing to narrow, order and page."""
        problems = []
        for kind, name, viewer, access in self._questions():
            for annotate in (True, False):
                answer = self._ask(kind, viewer, access, annotate=annotate)
                if not isinstance(answer, QuerySet) or answer.model is not self._rows(kind).model:
                    problems.append(f"{_asking(kind, name, access)}: {type(answer).__name__}")
        _report("what comes is no queryset of the model that was given", problems)

    def test_policy__never_answers_with_more_than_it_was_given(self) -> None:
        """What was left out before, such as the trash, stays out."""
        problems = []
        for kind, name, viewer, access in self._questions():
            one = next(iter(self._named(kind).values()))
            narrow = self._rows(kind).filter(pk=one.pk)
            for given, allowed in ((self._rows(kind).none(), set()), (narrow, {one.pk})):
                if not self._keys(kind, viewer, access, given) <= allowed:
                    problems.append(_asking(kind, name, access))
        _report("the answer is wider than the given queryset", problems)

    def test_policy__answers_with_no_row_twice(self) -> None:
        """Of several ways in, a join would make several rows."""
        problems = []
        for kind, name, viewer, access in self._questions():
            for annotate in (True, False):
                found = [row.pk for row in self._ask(kind, viewer, access, annotate=annotate)]
                if len(found) != len(set(found)):
                    problems.append(_asking(kind, name, access))
        _report("a row appears twice (use Exists or IN, not joins)", problems)

    def test_policy__levels_include_the_lower_ones(self) -> None:
        """Who may have the original may look, and who may look may preview."""
        problems = []
        for kind, name, viewer in self._viewers_of_both():
            seen = [self._keys(kind, viewer, level) for level in sorted(Level)]
            if not seen[0] >= seen[1] >= seen[2]:
                problems.append(f"{name}, {kind}: {[len(keys) for keys in seen]} rows by level")
        _report("a higher level reaches rows that a lower one does not", problems)

    def test_policy__rights_include_the_original(self) -> None:
        """Who may change, share or delete something may have all of it."""
        problems = []
        for kind, name, viewer in self._viewers_of_both():
            originals = self._keys(kind, viewer, Level.ORIGINAL)
            problems += [
                _asking(kind, name, right)
                for right in Right
                if not self._keys(kind, viewer, right) <= originals
            ]
        _report("a right without ORIGINAL", problems)

    def test_policy__shows_strangers_only_what_is_declared_public(self) -> None:
        """Who is not logged in, or not active, has levels on what is public, and never a right."""
        problems = []
        nobodies = {"anonymous": ANONYMOUS, **self._inactive()}
        for kind in KINDS:
            public = {row.pk for row in self._named(kind).values() if self.is_public(row)}
            for name, viewer in nobodies.items():
                for access in ACCESSES:
                    allowed = public if isinstance(access, Level) else set()
                    if not self._keys(kind, viewer, access) <= allowed:
                        problems.append(_asking(kind, name, access))
        _report("somebody who is not logged in sees what is not declared public", problems)

    def test_policy__shows_unknown_users_no_more_than_a_stranger(self) -> None:
        """What a policy does not know, it denies."""
        problems = []
        stranger = Viewer(user=self.make_user("one who was never here"))
        for kind in KINDS:
            for access in ACCESSES:
                allowed = self._keys(kind, stranger, access)
                if not self._keys(kind, self._keyless(), access) <= allowed:
                    problems.append(_asking(kind, "a user without a key", access))
                if not self._keys_or_none(kind, Viewer(user=Unknown()), access) <= allowed:  # type: ignore[arg-type]
                    problems.append(_asking(kind, "a user of an unknown class", access))
        _report("somebody unknown sees more than a stranger", problems)

    def test_policy__annotates_what_is_true(self) -> None:
        """Pages go by ``viewer_level`` and ``anyone`` without asking again."""
        problems = []
        for kind, name, viewer, access in self._questions():
            levels = {level: self._keys(kind, viewer, level) for level in sorted(Level)}
            anyone = self._keys(kind, ANONYMOUS, access)
            for row in self._ask(kind, viewer, access, annotate=True):
                best = max((level for level in levels if row.pk in levels[level]), default=None)
                told = getattr(row, "viewer_level", "missing")
                if told != best:
                    true = "no level" if best is None else best.name
                    problems.append(f"{_asking(kind, name, access)}: viewer_level {told}, {true}")
                told = getattr(row, "anyone", "missing")
                if told not in {True, False} or bool(told) != (row.pk in anyone):
                    problems.append(f"{_asking(kind, name, access)}: anyone {told}")
        _report("an annotation is missing, or not what asking level by level says", problems)

    def test_policy__annotations_change_no_rows(self) -> None:
        """The bytes are asked for without annotations, the lists with them."""
        problems = []
        for kind, name, viewer, access in self._questions():
            annotated = {row.pk for row in self._ask(kind, viewer, access, annotate=True)}
            if annotated != self._keys(kind, viewer, access):
                problems.append(_asking(kind, name, access))
        _report("annotate=False has other rows than annotate=True", problems)

    def test_policy__decides_on_one_row_as_in_the_list(self) -> None:
        """File and list cannot disagree."""
        problems = []
        for kind, name, viewer, access in self._questions():
            listed = self._keys(kind, viewer, access)
            for title, row in self._named(kind).items():
                alone = self._keys(kind, viewer, access, self._rows(kind).filter(pk=row.pk))
                if (row.pk in alone) != (row.pk in listed):
                    problems.append(f"{_asking(kind, name, access)}: {title}")
        _report("one row asked alone is decided otherwise than in the list", problems)

    def test_policy__answers_can_be_used_as_querysets(self) -> None:
        """Pages narrow, count, order and nest what comes."""
        problems = []
        for kind, name, viewer, access in self._questions():
            answer = self._ask(kind, viewer, access, annotate=False)
            keys = self._keys(kind, viewer, access)
            for use in _failing_uses(answer, self._rows(kind), keys):
                problems.append(f"{_asking(kind, name, access)}: {use}")  # noqa: PERF401 (plainer)
        _report("an answer cannot be narrowed, counted, ordered or nested", problems)

    def test_policy__lets_add_by_a_plain_yes_or_no(self) -> None:
        """And never lets somebody add who is not logged in."""
        problems = []
        nobodies = {"anonymous": ANONYMOUS, **self._inactive()}
        for name, viewer in {**self._viewers, **nobodies}.items():
            for title, gallery in self.world.galleries.items():
                answer = self._policy.may_add(viewer, gallery)
                if type(answer) is not bool or (answer and name in nobodies):
                    problems.append(f"{name}, {title}: {answer!r}")
        _report("may_add is no bool, or lets somebody add who is not logged in", problems)

    def test_policy__answers_by_one_query(self) -> None:
        """The first time may cost more: permissions and types of content are remembered."""
        problems = []
        for kind, name, viewer, access in self._questions():
            for annotate in (True, False):
                answer = self._ask(kind, viewer, access, annotate=annotate)
                list(answer)
                with CaptureQueriesContext(connections[answer.db]) as queries:
                    list(self._ask(kind, viewer, access, annotate=annotate))
                if len(queries) > 1:
                    problems.append(f"{_asking(kind, name, access)}: {len(queries)} queries")
        _report("an answer takes more than one query", problems)

    def test_policy__names_kinds_of_viewers_that_are_alike(self) -> None:
        """What was compiled for one viewer of a kind must be right for the others of it."""
        problems: list[str] = []
        everybody = {**self._viewers, "a user without a key": self._keyless()}
        for names in (list(everybody), list(reversed(everybody))):
            policy = self.make_policy()  # nothing has been compiled for this one
            with in_use(policy):
                for name in names:
                    problems += self._kind_problems(policy, name, everybody[name])
        _report("viewer_kind: one image is decided otherwise than in the list", problems)

    def test_policy__brings_nothing_back_from_the_trash(self) -> None:
        """What was thrown away is for nobody, whatever else holds."""
        problems = []
        owner = next(iter(self.world.viewers.values())).user
        public = [row for row in self.world.galleries.values() if self.is_public(row)]
        trashed = self.make_image("image in the trash", owner, public, is_trashed=True)
        with in_use(self._policy):
            for name, viewer in self._viewers.items():
                for access in ACCESSES:
                    images = ImageQuerySet(get_image_model()).visible_to(viewer, access)
                    if images.filter(pk=trashed.pk).exists():
                        problems.append(_asking("images", name, access))
        _report("an image in the trash is visible", problems)

    def _kind_problems(self, policy: Any, name: str, viewer: Viewer) -> Iterator[str]:
        kind = policy.viewer_kind(viewer) if hasattr(policy, "viewer_kind") else None
        if not _is_hashable(kind):
            yield f"{name}: {kind!r} cannot be hashed"
            return
        for access in ACCESSES:
            images = ImageQuerySet(get_image_model()).visible_to(viewer, access, annotate=False)
            listed = {row.pk for row in images}
            for title, image in self.world.images.items():
                for _ in range(2):
                    found = find_visible(viewer, image.public_id, access)
                    if (found is not None) != (image.pk in listed):
                        yield f"{_asking('images', name, access)}: {title}"


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _failing_uses(answer: Any, rows: Any, keys: Keys) -> Iterator[str]:
    """Try what pages do with an answer, and name what does not come out right."""
    some = min(keys, default=None)
    uses: dict[str, Callable[[], Any]] = {
        "count()": lambda: answer.count() == len(keys),
        "filter()": lambda: keys_of(answer.filter(pk=some)) == keys & {some},
        "order_by()[:1]": lambda: len(keys_of(answer.order_by()[:1]) & keys) == min(1, len(keys)),
        'values("pk") in a subquery': lambda: (
            keys_of(rows.filter(pk__in=answer.order_by().values("pk"))) == keys
        ),
    }
    for use, is_well in uses.items():
        try:
            if not is_well():
                yield f"{use} has other rows"
        except (TypeError, ValueError, DatabaseError) as error:
            yield f"{use}: {error}"


def _asking(kind: str, name: str, access: Access) -> str:
    return f"{name}, {kind} at {access.name}"


def _report(what: str, problems: list[str]) -> None:
    if problems:
        raise AssertionError("\n  - ".join([f"{what}:", *dict.fromkeys(problems)]))
