"""As secure_link, but Django sends the bytes: what the answers through nginx are compared with."""

from __future__ import annotations

from tests.wire.settings.secure_link import *  # noqa: F403
from tests.wire.settings.secure_link import IMAGES_APP as BEHIND_NGINX

IMAGES_APP = {"SIGNING": BEHIND_NGINX["SIGNING"]}
