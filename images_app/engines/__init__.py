"""Engines turn bytes into pixels and back; they know no Django."""

from __future__ import annotations

from images_app.engines.base import Engine, Header, Inspection, Output

__all__ = ["Engine", "Header", "Inspection", "Output"]
