"""What has to hold before bytes are taken away: they are ours, and they are few."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from images_app.ownership import NotOurs, begin_run, refuse_unless_ours
from images_app.reconciling.findings import Work
from images_app.reconciling.strays import aliases_of, count_originals

MANY = 100
"""Originals without a record that are more than crashes leave behind."""


def refuse_to_fix(work: Work) -> None:
    """Raise NotOurs where fixing would take originals away that another database may name.

    Every storage has to carry the mark of this site. Then the originals that no record names are
    counted in each: more than MANY of them, or more than those that a record names, are no
    left-overs of crashes but a wrong or an old database.

    Raises:
        NotOurs: and nothing was changed.
        StorageUnavailable: when a storage cannot be asked.

    """
    aliases = aliases_of(work)
    refuse_unless_ours(aliases)
    if complaints := [text for alias in aliases for text in _too_many(alias, work)]:
        raise NotOurs("\n".join(complaints))
    begin_run(aliases)


def _too_many(alias: str, work: Work) -> Iterator[str]:
    known, stray = count_originals(alias, work)
    words = {"alias": alias, "stray": stray, "known": known}
    if stray > (min(MANY, known) if work.most is None else work.most):
        yield (
            _(
                "STORAGES['%(alias)s']: no record names %(stray)s originals there; records name "
                "%(known)s. Is this the right database, and not an old backup? If they shall go "
                "all the same, say --most %(stray)s."
            )
            % words
        )
