"""Queries that are compiled once: their SQL, and the places of what differs between two calls.

Building and compiling a query costs several times what the database does with it, and is the
same work each time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connections
from django.db.models import Field, QuerySet

Values = dict[str, Any]

_MOST = 500  # queries kept: a policy may name more kinds of viewers than is wise
_prepared: dict[Hashable, Prepared | None] = {}  # of the process, whatever its threads

# Pairs of values: what changes with them in the compiled query is their place.
_STAND_INS: dict[type, tuple[tuple[Any, Any], ...]] = {
    # In the range of the smallest fields: a value outside makes Django leave its part out.
    int: tuple((21_301 + number, 22_407 + number) for number in range(9)),
    datetime: (
        (datetime(1801, 2, 3, 4, 5, 6, tzinfo=UTC), datetime(1802, 3, 4, 5, 6, 7, tzinfo=UTC)),
    ),
    UUID: tuple(
        (
            UUID(f"5ad0fa11-0000-4000-8000-57a2d12000{number}0"),
            UUID(f"5ad0fa11-0000-4000-8000-57a2d12000{number}1"),
        )
        for number in range(2)
    ),
    str: tuple((f"stand-in-{number}0", f"stand-in-{number}1") for number in range(6)),
}


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A compiled query; ``places`` names what belongs into which parameter, None what is fixed."""

    sql: str
    parameters: tuple[Any, ...]
    places: tuple[str | None, ...]
    converters: tuple[tuple[int, Any, Any], ...]  # (column, functions, its expression)

    def first(self, alias: str, adapted: Values) -> list[Any] | None:
        """Answer with the first row, or None.

        Args:
            alias: of the database that it was prepared for.
            adapted: the values by their names, as the database's driver wants them.

        """
        parameters = [
            fixed if name is None else adapted[name]
            for fixed, name in zip(self.parameters, self.places, strict=True)
        ]
        connection = connections[alias]
        with connection.cursor() as cursor:
            cursor.execute(self.sql, parameters)
            row = cursor.fetchone()
        if row is None:
            return None
        values = list(row)
        for number, functions, expression in self.converters:
            for convert in functions:
                values[number] = convert(values[number], expression, connection)
        return values


def prepared(
    key: Hashable,
    alias: str,
    query: Callable[[Values], QuerySet[Any, Any]],
    names: dict[str, type],
    fields: dict[str, Field[Any, Any]],
) -> Prepared | None:
    """Answer with a prepared query, prepared at the first call.

    Args:
        key: of the query; two that differ in more than the named values have two.
        alias: of the database that will be asked.
        query: makes it of the named values: a values_list.
        names: of these values, and their types.
        fields: by which some of them are adapted to the database.

    Returns:
        None where it depends on the values in a way that cannot be repeated from outside.

    """
    connection = connections[alias]
    zone = (settings.USE_TZ, connection.settings_dict["TIME_ZONE"])
    whole_key = (key, alias, connection.vendor, *zone)
    try:
        return _prepared[whole_key]
    except KeyError:
        pass
    try:
        found = _prepare(alias, query, names, fields)
    except Exception:  # noqa: BLE001 (no stand-in fits, or the query is always empty)
        found = None
    if len(_prepared) >= _MOST:
        _prepared.clear()
    _prepared[whole_key] = found
    return found


def adapt(alias: str, values: Values, fields: dict[str, Field[Any, Any]]) -> Values:
    """Answer with each value as the database's driver wants it."""
    connection = connections[alias]
    return {
        name: fields[name].get_db_prep_value(value, connection) if name in fields else value
        for name, value in values.items()
    }


def _prepare(
    alias: str,
    query: Callable[[Values], QuerySet[Any, Any]],
    names: dict[str, type],
    fields: dict[str, Field[Any, Any]],
) -> Prepared | None:
    compiled = []
    for stand_ins in _stand_ins(names):
        compiler = query(stand_ins).query.get_compiler(using=alias)
        sql, parameters = compiler.as_sql()
        compiled.append((sql, parameters, adapt(alias, stand_ins, fields), compiler))
    (sql, parameters, adapted, compiler), (other_sql, other_parameters, other_adapted, _) = compiled
    if sql != other_sql:
        return None
    places: list[str | None] = []
    for first, second in zip(parameters, other_parameters, strict=True):
        fits = [n for n in names if (adapted[n], other_adapted[n]) == (first, second)]
        if first != second and len(fits) != 1:
            return None
        places.append(fits[0] if first != second else None)
    return Prepared(
        sql=sql,
        parameters=tuple(parameters),
        places=tuple(places),
        converters=tuple(
            (number, tuple(functions), expression)
            for number, (functions, expression) in compiler.get_converters(
                [column[0] for column in compiler.select]
            ).items()
        ),
    )


def _stand_ins(names: dict[str, type]) -> tuple[Values, Values]:
    unused: dict[type, Iterator[tuple[Any, Any]]] = {
        kind: iter(pairs) for kind, pairs in _STAND_INS.items()
    }
    if not settings.USE_TZ:  # drivers refuse the others
        unused[datetime] = (
            (first.replace(tzinfo=None), second.replace(tzinfo=None))
            for first, second in _STAND_INS[datetime]
        )
    pairs = {name: next(unused[kind]) for name, kind in names.items()}
    return (
        {name: pair[0] for name, pair in pairs.items()},
        {name: pair[1] for name, pair in pairs.items()},
    )
