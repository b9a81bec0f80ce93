"""NginxDelivery: nginx sends the file, or fetches it from the object store, for us."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse

from images_app.delivery.handing_over import HandingOver
from images_app.delivery.local import has_local_paths, local_file
from images_app.delivery.presigned import Presigner, signs_urls
from images_app.representation import Location

UPSTREAM_HEADER = "X-Images-Upstream"


class NginxDelivery(HandingOver):
    """Names an internal location in ``X-Accel-Redirect``; for an nginx set up as deploy/ shows.

    A local file is ``<prefix><alias of the storage>/<name>``. Of an object store,
    ``<prefix>upstream`` fetches the presigned URL in ``X-Images-Upstream``.
    """

    def __init__(
        self, prefix: str = "/_images/", lifetime: int = 300, cache: str = "default"
    ) -> None:
        """Take where nginx has its internal locations.

        Args:
            prefix: of these locations, with a slash at both ends.
            lifetime: seconds that a presigned URL works, for object stores.
            cache: an alias of CACHES that keeps these; see Presigner.

        """
        self._prefix = prefix
        self._presigner = Presigner(lifetime, cache)

    def hand_over(
        self, request: HttpRequest, location: Location, headers: dict[str, str]
    ) -> HttpResponse | None:
        """See HandingOver."""
        if local_file(location.storage, location.name, location.length) is not None:
            # Quoted, or a `?` or `%2e` in a name would mean another file.
            target = f"{self._prefix}{quote(location.storage_alias)}/{quote(location.name)}"
            return HttpResponse(headers={**headers, "X-Accel-Redirect": target})
        # Presigned URLs are for GET alone; and stores differ in what they make of a range.
        is_whole = request.method == "GET" and "Range" not in request.headers
        if not is_whole or not signs_urls(location.storage):
            return None
        url, _ = self._presigner.url(location, headers)
        internal = {"X-Accel-Redirect": f"{self._prefix}upstream", UPSTREAM_HEADER: url}
        return HttpResponse(headers={**headers, **internal})

    def complaint_about(self, storage: Any) -> str:
        """See HandingOver."""
        if has_local_paths(storage) or signs_urls(storage):
            return ""
        return "it has neither local paths nor signed_url()"
