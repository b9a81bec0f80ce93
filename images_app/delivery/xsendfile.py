"""XSendfileDelivery: Apache, lighttpd or Caddy sends the file that a header names."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse

from images_app.delivery.handing_over import HandingOver
from images_app.delivery.local import has_local_paths, local_file
from images_app.representation import Location


class XSendfileDelivery(HandingOver):
    """Names the file in ``X-Sendfile``; for servers set up as deploy/ shows."""

    def __init__(self, header: str = "X-Sendfile") -> None:
        """Take the name of the header that the server reads.

        Args:
            header: the servers' common one, unless yours was given another.

        """
        self._header = header

    def hand_over(
        self, request: HttpRequest, location: Location, headers: dict[str, str]
    ) -> HttpResponse | None:
        """See HandingOver."""
        path = local_file(location.storage, location.name, location.length)
        # Apache and Caddy take the header as it is, lighttpd decodes it: only what is the same
        # both ways names one file to all of them.
        if path is None or quote(str(path)) != str(path):
            return None
        return HttpResponse(headers={**headers, self._header: str(path)})

    def complaint_about(self, storage: Any) -> str:
        """See HandingOver."""
        return "" if has_local_paths(storage) else "it has no local paths"
