"""RedirectDelivery: the client fetches the bytes from the object store, by a presigned URL."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse

from images_app.delivery.handing_over import HandingOver
from images_app.delivery.presigned import Presigner, at_most, signs_urls
from images_app.representation import Location


class RedirectDelivery(HandingOver):
    """Redirects to URLs that work for whoever has them, until they expire.

    The browser may follow one again for as long as it may reuse the image, and never longer
    than the URL is handed out.
    """

    def __init__(self, lifetime: int = 300, cache: str = "default") -> None:
        """Take how URLs are made; see Presigner."""
        self._presigner = Presigner(lifetime, cache)

    def hand_over(
        self, request: HttpRequest, location: Location, headers: dict[str, str]
    ) -> HttpResponse | None:
        """See HandingOver; a HEAD is answered here, for the URL is signed for GET."""
        if request.method == "HEAD" or not signs_urls(location.storage):
            return None
        url, seconds = self._presigner.url(location, headers)
        kept = {
            name: value
            for name, value in headers.items()
            if name != "ETag" and not name.startswith("Content-")
        }
        kept |= {"Location": url, "Cache-Control": at_most(headers["Cache-Control"], seconds)}
        return HttpResponse(status=HTTPStatus.FOUND, headers=kept)

    def complaint_about(self, storage: Any) -> str:
        """See HandingOver."""
        return "" if signs_urls(storage) else "it has no signed_url()"
