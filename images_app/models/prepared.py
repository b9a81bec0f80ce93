"""One image by its public id, by the policy's own query, compiled once for viewers of a kind.

Building and compiling the query costs several times what the database does with it, and is the
same work for each request. So its SQL is kept, with the places of what differs: who asks, when,
and for which image and rendition.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connections, models, router
from django.utils import timezone

from images_app.access import Access, Viewer
from images_app.conf import get_policy
from images_app.models.image import get_image_model
from images_app.models.querysets import ImageQuerySet

# Pairs of values that nobody has: what changes with them in the compiled query is their place.
_STAND_INS: dict[str, tuple[Any, Any]] = {
    "at": (
        datetime(1801, 2, 3, 4, 5, 6, 7, tzinfo=UTC),
        datetime(1802, 3, 4, 5, 6, 7, 8, tzinfo=UTC),
    ),
    "public_id": (
        UUID("5ad0fa11-0000-4000-8000-57a2d1200001"),
        UUID("5ad0fa11-0000-4000-8000-57a2d1200002"),
    ),
    "fingerprint": ("stand-in-1", "stand-in-2"),
    "format": ("stand-in-3", "stand-in-4"),
    "rendition_key": ("stand-in-1.stand-in-3", "stand-in-2.stand-in-4"),
}
_KEYS: dict[type, tuple[Any, Any]] = {
    int: (-1_801_020_304, -1_802_030_405),
    UUID: (
        UUID("5ad0fa11-0000-4000-8000-57a2d1200003"),
        UUID("5ad0fa11-0000-4000-8000-57a2d1200004"),
    ),
    str: ("stand-in-5", "stand-in-6"),
}


_AT, _PUBLIC_ID = models.DateTimeField(), models.UUIDField()

# All that the bytes of an image depend on; the rest is fetched only where somebody asks for it.
_FIELDS = {
    "id",
    "public_id",
    "title",
    "version",
    "storage_alias",
    "storage_name",
    "file_name",
    "format",
    "width",
    "height",
    "frames",
    "byte_size",
}
_MADE = ("rendition_alias", "rendition_size")


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """A compiled query; ``places`` names what belongs into which parameter, None what is fixed."""

    sql: str
    parameters: tuple[Any, ...]
    places: tuple[str | None, ...]
    columns: tuple[str, ...]  # of the image; what is recorded of the rendition comes after them
    converters: tuple[tuple[int, Callable[[Any], Any]], ...]

    def first(self, adapted: dict[str, Any], alias: str) -> list[Any] | None:
        """Ask for the one row."""
        parameters = [
            fixed if name is None else adapted[name]
            for fixed, name in zip(self.parameters, self.places, strict=True)
        ]
        with connections[alias].cursor() as cursor:
            cursor.execute(self.sql, parameters)
            row = cursor.fetchone()
        if row is None:
            return None
        values = list(row)
        for number, convert in self.converters:
            values[number] = convert(values[number])
        return values


def find_visible(
    viewer: Viewer,
    public_id: UUID,
    access: Access,
    rendition: tuple[str, str] | None = None,
) -> Any:
    """Find an image that a viewer may reach, by the same query as every list.

    Args:
        viewer: who asks.
        public_id: of the image.
        access: the least level, or a right.
        rendition: (fingerprint, format) of one whose record is wanted too; see
            ImageQuerySet.with_rendition.

    Returns:
        The image, or None for absent and forbidden alike.

    """
    wanted: dict[str, Any] = {"public_id": public_id}
    if rendition is not None:
        wanted |= {"fingerprint": rendition[0], "format": rendition[1]}
        wanted["rendition_key"] = ".".join(rendition)
    model = get_image_model()
    alias = router.db_for_read(model)
    plan = _plan(viewer, access, alias, has_rendition=rendition is not None)
    if plan is None:
        return next(iter(_query(viewer, access, wanted)), None)
    wanted |= {"pk": viewer.user.pk, "at": viewer.at or timezone.now()}
    values = plan.first(_adapted(wanted, viewer, alias), alias)
    if values is None:
        return None
    image = model.from_db(alias, plan.columns, values[: len(plan.columns)])
    if rendition is not None:
        made = dict(zip(_MADE, values[len(plan.columns) :], strict=True))
        vars(image).update(made, rendition_key=wanted["rendition_key"])
    return image


def _query(viewer: Viewer, access: Access, wanted: dict[str, Any]) -> ImageQuerySet:
    images = ImageQuerySet(get_image_model()).visible_to(viewer, access, annotate=False)
    images = images.filter(public_id=wanted["public_id"])
    if "fingerprint" in wanted:
        images = images.with_rendition(wanted["fingerprint"], wanted["format"])
    return images.order_by()[:1]


def _plan(viewer: Viewer, access: Access, alias: str, *, has_rendition: bool) -> _Plan | None:
    """Answer with the plan for viewers of this kind; None where the policy names no kinds."""
    policy = get_policy()
    kind = _kind(policy, viewer)
    if kind is None:
        return None
    key = (policy, kind, type(viewer.user), access, has_rendition)
    # Kept with the connection, which belongs to a thread and whose dialect the SQL speaks.
    plans: dict[Any, _Plan | None] = vars(connections[alias]).setdefault("images_app_plans", {})
    if key not in plans:
        plans[key] = _compile(viewer, access, alias, has_rendition=has_rendition)
    return plans[key]


def _kind(policy: Any, viewer: Viewer) -> Any:
    """Ask the policy, unless a subclass has another rule than the class that names the kinds."""
    for cls in type(policy).__mro__:
        if "viewer_kind" in vars(cls):
            return policy.viewer_kind(viewer)
        if "images" in vars(cls):
            return None
    return None


def _compile(viewer: Viewer, access: Access, alias: str, *, has_rendition: bool) -> _Plan | None:
    """Compile the query for two made-up viewers, and see what differs."""
    key: Any = viewer.user.pk
    keys = (None, None) if key is None else _KEYS.get(type(key))
    if keys is None:
        return None
    try:
        one, other = (
            _compiled(viewer, keys[turn], access, alias, turn, has_rendition=has_rendition)
            for turn in (0, 1)
        )
    except EmptyResultSet:
        return None
    places = _places(one, other)
    if places is None:
        return None
    return _Plan(
        sql=one.sql,
        parameters=one.parameters,
        places=places,
        columns=_columns(),
        converters=tuple(_converters(one.compiler)),
    )


@dataclass(frozen=True, kw_only=True)
class _Compiled:
    compiler: Any
    sql: str
    parameters: tuple[Any, ...]
    adapted: dict[str, Any]


def _compiled(
    viewer: Viewer, key: Any, access: Access, alias: str, turn: int, *, has_rendition: bool
) -> _Compiled:
    wanted = {name: pair[turn] for name, pair in _STAND_INS.items()}
    if not has_rendition:
        wanted = {name: wanted[name] for name in ("at", "public_id")}
    stand_in = Viewer(user=_with_key(viewer.user, key), at=wanted["at"])
    columns = (*_columns(), *(_MADE if has_rendition else ()))
    query = _query(stand_in, access, wanted).values_list(*columns).query
    compiler = query.get_compiler(using=alias)
    sql, parameters = compiler.as_sql()
    wanted["pk"] = key
    return _Compiled(
        compiler=compiler,
        sql=sql,
        parameters=tuple(parameters),
        adapted=_adapted(wanted, viewer, alias),
    )


def _places(one: _Compiled, other: _Compiled) -> tuple[str | None, ...] | None:
    """Say which parameter is what; None where that cannot be repeated from outside."""
    if one.sql != other.sql or len(one.parameters) != len(other.parameters):
        return None
    places: list[str | None] = []
    for first, second in zip(one.parameters, other.parameters, strict=True):
        fits = [n for n in one.adapted if (one.adapted[n], other.adapted[n]) == (first, second)]
        if first != second and len(fits) != 1:
            return None
        places.append(fits[0] if first != second else None)
    return tuple(places)


def _converters(compiler: Any) -> Iterator[tuple[int, Callable[[Any], Any]]]:
    """Yield what makes Python's values of the database's, as its compiler would."""
    found = compiler.get_converters([column[0] for column in compiler.select])
    for number, (functions, expression) in found.items():

        def convert(value: Any, functions: Any = functions, expression: Any = expression) -> Any:
            for function in functions:
                value = function(value, expression, compiler.connection)
            return value

        yield number, convert


def _columns() -> tuple[str, ...]:
    """Name the fields in the model's order, which ``from_db`` counts on."""
    fields = get_image_model()._meta.concrete_fields
    return tuple(field.attname for field in fields if field.attname in _FIELDS)


def _with_key(user: Any, key: Any) -> Any:
    if key is None:
        return user
    other = copy.copy(user)
    other.pk = key
    return other


def _adapted(wanted: dict[str, Any], viewer: Viewer, alias: str) -> dict[str, Any]:
    """Answer with each value as the database's driver wants it."""
    connection = connections[alias]
    adapted = dict(wanted)
    adapted["at"] = _AT.get_db_prep_value(wanted["at"], connection)
    adapted["public_id"] = _PUBLIC_ID.get_db_prep_value(wanted["public_id"], connection)
    if wanted["pk"] is not None:
        user: Any = viewer.user
        adapted["pk"] = user._meta.pk.get_db_prep_value(wanted["pk"], connection)
    return adapted
