"""What galleries within galleries would cost the policy's query, in SQLite.

    python -m benchmarks.nesting

The figures of docs/decisions/0014: 100,000 images in 2,000 galleries; what a viewer sees by
visibility, by owning and by grants, flat, by a closure table, and by a recursive query.
"""

from __future__ import annotations

import random
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable

GALLERIES, IMAGES, USERS, GRANTS = 2_000, 100_000, 500, 5_000
_ROOTS = 50
_TABLES = """
create table gallery (id integer primary key, parent int, visibility text, owner int);
create table closure (
  ancestor int, descendant int, primary key (descendant, ancestor)) without rowid;
create table image (id integer primary key, owner int, created int);
create index image_created on image (created);
create table item (id integer primary key, gallery int, image int);
create index item_image on item (image, gallery);
create table given (id integer primary key, user int, gallery int);
create index given_user on given (user, gallery);
"""
_SEEN = """(g.visibility in ('public', 'members') or g.owner = 7
  or g.id in (select gallery from given where user = 7))"""
_RULES = {
    "flat": f"""exists (select 1 from item t join gallery g on g.id = t.gallery
  where t.image = image.id and {_SEEN})""",
    "closure table": f"""exists (select 1 from item t join closure c on c.descendant = t.gallery
  join gallery g on g.id = c.ancestor where t.image = image.id and {_SEEN})""",
    "recursive": f"""exists (with recursive up (id) as (
  select t.gallery from item t where t.image = image.id union
  select g.parent from gallery g join up on g.id = up.id where g.parent is not null)
  select 1 from gallery g join up on up.id = g.id where {_SEEN})""",
}


def main() -> None:
    """Measure and tell."""
    database, draw = sqlite3.connect(":memory:"), random.Random(1)  # noqa: S311 (no secret)
    _fill(database, draw)
    keys = [draw.randrange(1, IMAGES + 1) for _ in range(300)]
    for name, rule in _RULES.items():
        where = f"from image where owner = 7 or {rule}"
        single = f"select id from image where id = ? and (owner = 7 or {rule})"
        page = f"select id {where} order by created desc limit 100"
        count = f"select count(*) {where}"
        figures = (
            _median(lambda key, sql=single: database.execute(sql, (key,)).fetchall(), keys) * 1e6,
            _median(lambda _, sql=page: database.execute(sql).fetchall(), range(20)) * 1e3,
            _median(lambda _, sql=count: database.execute(sql).fetchall(), range(3)) * 1e3,
        )
        line = "{}: one image {:.1f} us, page of 100 {:.2f} ms, count {:.0f} ms\n"
        sys.stdout.write(line.format(name, *figures))


def _fill(database: sqlite3.Connection, draw: random.Random) -> None:
    database.executescript(_TABLES)
    for key in range(1, GALLERIES + 1):
        is_nested = key > _ROOTS and draw.random() < 0.9  # noqa: PLR2004
        parent = draw.randrange(1, key) if is_nested else None
        visibility = draw.choices(["private", "members", "public"], [0.97, 0.02, 0.01])[0]
        row = (key, parent, visibility, draw.randrange(1, USERS))
        database.execute("insert into gallery values (?, ?, ?, ?)", row)
        database.execute("insert into closure values (?, ?)", (key, key))
        database.execute(
            "insert into closure select ancestor, ? from closure where descendant = ?",
            (key, parent),
        )
    for key in range(1, IMAGES + 1):
        database.execute("insert into image values (?, ?, ?)", (key, draw.randrange(1, USERS), key))
        place = (draw.randrange(1, GALLERIES + 1), key)
        database.execute("insert into item (gallery, image) values (?, ?)", place)
    for _ in range(GRANTS):
        given = (draw.randrange(1, USERS), draw.randrange(1, GALLERIES + 1))
        database.execute("insert into given (user, gallery) values (?, ?)", given)
    database.execute("analyze")


def _median(ask: Callable[[int], object], keys: range | list[int]) -> float:
    """Answer with the median of seconds."""
    taken = []
    for key in keys:
        started = time.perf_counter()
        ask(key)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
