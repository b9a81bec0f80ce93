"""Deliveries carry a representation's bytes to the client."""

from __future__ import annotations

from images_app.delivery.base import Delivery
from images_app.delivery.handing_over import HandingOver
from images_app.delivery.local import has_local_paths
from images_app.delivery.nginx import NginxDelivery
from images_app.delivery.redirect import RedirectDelivery
from images_app.delivery.streaming import StreamingDelivery
from images_app.delivery.xsendfile import XSendfileDelivery

__all__ = [
    "Delivery",
    "HandingOver",
    "NginxDelivery",
    "RedirectDelivery",
    "StreamingDelivery",
    "XSendfileDelivery",
    "has_local_paths",
]
