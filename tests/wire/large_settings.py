"""The demo project with very large uploads let in."""

from __future__ import annotations

from project.settings import *  # noqa: F403

IMAGES_APP = {"MAX_UPLOAD_BYTES": 2 * 2**30}
