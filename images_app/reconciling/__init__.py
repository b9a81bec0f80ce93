"""Reconciling: records and stored bytes are compared, and what nobody needs is taken away."""

from __future__ import annotations

from images_app.reconciling.findings import Finding, Kind, Step, Work
from images_app.reconciling.running import Position, count_steps, reconcile

__all__ = ["Finding", "Kind", "Position", "Step", "Work", "count_steps", "reconcile"]
