"""Deliveries carry a representation's bytes to the client."""

from __future__ import annotations

from images_app.delivery.base import Delivery
from images_app.delivery.streaming import StreamingDelivery

__all__ = ["Delivery", "StreamingDelivery"]
