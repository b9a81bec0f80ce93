"""The demo project with URLs that nginx verifies."""

from __future__ import annotations

from tests.wire.settings.accel import *  # noqa: F403

SECRET = "0123456789abcdef0123456789abcdef"
IMAGES_APP = {
    "DELIVERY": {"BACKEND": "images_app.delivery.NginxDelivery"},
    "SIGNING": {
        "BACKEND": "images_app.signing.SecureLinkSigner",
        "OPTIONS": {"secret": SECRET},
    },
}
