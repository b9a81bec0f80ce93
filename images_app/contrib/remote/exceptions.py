"""Why nothing was fetched: stable codes, and sentences that tell nothing of our own network."""

from __future__ import annotations

from typing import ClassVar

from images_app.exceptions import ImagesAppError, gettext_noop


class RemoteRefused(ImagesAppError):
    """An address from which nothing was taken. The code says why; nothing was kept.

    A blocked address, a closed port, silence and a broken answer are all ``unreachable``:
    whoever may type addresses learns nothing of what stands behind our firewall. The
    ``detail`` is for the log, and names host and port, never path or query.
    """

    status_code = 400
    reasons: ClassVar[dict[str, str]] = {
        "bad_url": gettext_noop(
            "This is not the address of a file on the web. It begins with http:// or https:// "
            "and the name of a host, and has no spaces, user name or letters beyond a to z "
            "that are not encoded."
        ),
        "host_not_allowed": gettext_noop("Images are not fetched from this host or port."),
        "unreachable": gettext_noop("Nothing could be fetched from this address."),
        "too_many_redirects": gettext_noop("This address leads on to others too often."),
        "gone": gettext_noop("There is nothing at this address."),
        "no_image": gettext_noop("What this address answers with is not an image for everyone."),
    }

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        self.public_message = self.reasons[code]
        super().__init__(detail)
