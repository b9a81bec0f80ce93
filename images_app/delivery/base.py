"""The protocol of a delivery."""

from __future__ import annotations

from typing import Protocol

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from images_app.representation import Location


class Delivery(Protocol):
    """Sends bytes that have been authorised, validated and located already."""

    def deliver(
        self, request: HttpRequest, location: Location, etag: str, headers: dict[str, str]
    ) -> HttpResponseBase:
        """Answer with 200, 206 or 416.

        Args:
            request: a GET or HEAD, whose Range is honoured.
            location: where the bytes are.
            etag: what If-Range is compared with.
            headers: the full header set; the delivery adds only length and range.

        Raises:
            BytesGone: when the storage says that there are none.
            StorageUnavailable: when it cannot say.

        """
        ...
