"""HandingOver: what deliveries share that leave the sending of bytes to somebody else."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from images_app.delivery.streaming import StreamingDelivery
from images_app.http import RangeNotSatisfiable, requested_range
from images_app.representation import Location

_PLAIN_RANGE = re.compile(r"bytes=(?:[0-9]+-[0-9]*|-[0-9]+)")
# Web servers compare these with validators of their own, which differ from ours: nginx 1.22
# answers 412 to an If-Match that holds, and sends the whole file for an If-Range that holds.
_OURS_TO_JUDGE = ("If-Match", "If-Unmodified-Since", "If-Range")


class HandingOver(StreamingDelivery):
    """Hands a located file over where that cannot change the answer; else streams it.

    Django streams what lies in memory, requests with conditions that the other side would
    judge differently, and all ranges but a single one that can be satisfied.
    """

    def deliver(
        self, request: HttpRequest, location: Location, etag: str, headers: dict[str, str]
    ) -> HttpResponseBase:
        """See Delivery."""
        if location.storage is not None and _is_plain(request, etag, location.length):
            handed_over = self.hand_over(request, location, headers)
            if handed_over is not None:
                return handed_over
        return super().deliver(request, location, etag, headers)

    def hand_over(
        self, request: HttpRequest, location: Location, headers: dict[str, str]
    ) -> HttpResponseBase | None:
        """Answer with what makes the other side send the bytes, or None to stream them."""
        raise NotImplementedError

    def complaint_about(self, storage: Any) -> str:
        """Say why nothing in a storage can be handed over; empty where it can."""
        raise NotImplementedError


def _is_plain(request: HttpRequest, etag: str, length: int) -> bool:
    if any(name in request.headers for name in _OURS_TO_JUDGE):
        return False
    value = request.headers.get("Range")
    if value is None:
        return True
    try:
        is_honoured = requested_range(request, etag, length) is not None
    except RangeNotSatisfiable:
        return False
    # As everybody writes it: of freer spellings, which are allowed, servers think differently.
    return is_honoured and _PLAIN_RANGE.fullmatch(value) is not None
