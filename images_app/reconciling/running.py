"""The stages of reconciling, one after the other, from wherever one stopped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from images_app.models import ImageQuerySet, Rendition, get_image_model
from images_app.reconciling import originals, renditions, strays
from images_app.reconciling.findings import Step, Work
from images_app.reconciling.guarding import refuse_to_fix

# Renditions before strays: what loses its record here has its bytes deleted at once.
_STAGES = {
    originals.STAGE: originals.check_originals,
    renditions.STAGE: renditions.check_renditions,
    strays.STAGE: strays.check_strays,
}


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where one stopped."""

    stage: str
    after: str


def reconcile(work: Work, start: Position | None = None) -> Iterator[Step]:
    """Compare everything, step by step; each step is done when it is yielded.

    Raises:
        NotOurs: when fixing, before anything is changed, see ``guarding``.
        StorageUnavailable: when a storage cannot be asked.
        ValueError: for a position in no stage.

    """
    names = list(_STAGES)
    begin = names.index(start.stage) if start else 0
    if work.fix:
        refuse_to_fix(work)
    for name in names[begin:]:
        after = start.after if start and start.stage == name else ""
        yield from _STAGES[name](work, after)


def count_steps() -> int:
    """Answer with about how many rows and files there are to look at."""
    images = ImageQuerySet(get_image_model()).count()
    made = Rendition.objects.count()
    return 2 * (images + made)
