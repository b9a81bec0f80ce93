"""As secure_link, with URLs that live for two seconds."""

from __future__ import annotations

from tests.wire.settings.secure_link import *  # noqa: F403
from tests.wire.settings.secure_link import IMAGES_APP as LONGER
from tests.wire.settings.secure_link import SECRET

IMAGES_APP = {
    "DELIVERY": LONGER["DELIVERY"],
    "SIGNING": {
        "BACKEND": "images_app.signing.SecureLinkSigner",
        "OPTIONS": {"secret": SECRET, "lifetime": 2},
    },
}
