"""Reconciling: records and stored bytes are compared, and what nobody needs is taken away."""

from __future__ import annotations

from images_app.reconciling.findings import Finding, Kind, Step, Work
from images_app.reconciling.quarantine import delete_expired
from images_app.reconciling.running import Position, count_steps, reconcile
from images_app.reconciling.strays import aliases_of, storages_in_use

__all__ = [
    "Finding",
    "Kind",
    "Position",
    "Step",
    "Work",
    "aliases_of",
    "count_steps",
    "delete_expired",
    "reconcile",
    "storages_in_use",
]
