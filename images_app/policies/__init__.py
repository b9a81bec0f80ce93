"""Policies decide which images and galleries a viewer may reach, at which level."""

from __future__ import annotations

from images_app.policies.base import Policy, Reason
from images_app.policies.default import DefaultPolicy

__all__ = ["DefaultPolicy", "Policy", "Reason"]
