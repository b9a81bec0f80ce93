"""Uploads: the size gate, one file by one request, and files that arrive in parts."""

from __future__ import annotations

from images_app.uploads.expiring import expire, orphaned_parts
from images_app.uploads.gate import gated, linger, longest_body
from images_app.uploads.receiving import Taken, Target, take_in

__all__ = [
    "Taken",
    "Target",
    "expire",
    "gated",
    "linger",
    "longest_body",
    "orphaned_parts",
    "take_in",
]
