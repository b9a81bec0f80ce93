"""The demo project with its images on an S3 server, which nginx or the browser reads itself."""

from __future__ import annotations

import json
import os

from project.settings import *  # noqa: F403
from project.settings import STORAGES as LOCAL

_BACKEND = "images_app.storages.s3.PrivateS3Storage"
_OPTIONS = json.loads(os.environ["WIRE_S3_OPTIONS"])
_RENDITIONS = {**_OPTIONS, "location": "renditions", "allow_overwrite": True}
STORAGES = {
    **LOCAL,
    "images": {"BACKEND": _BACKEND, "OPTIONS": {**_OPTIONS, "location": "images"}},
    "image_renditions": {"BACKEND": _BACKEND, "OPTIONS": _RENDITIONS},
}
_DELIVERY = os.environ.get("WIRE_DELIVERY", "Streaming")
IMAGES_APP = {"DELIVERY": {"BACKEND": f"images_app.delivery.{_DELIVERY}Delivery"}}
