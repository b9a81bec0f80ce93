"""What the app announces: what was done after the commit, what was decided at once."""

from __future__ import annotations

from django.dispatch import Signal

# sender: the image model; image: the new record, whose bytes are in place.
image_ingested = Signal()

# sender: the image model; image: the record, whose new original is in place.
image_replaced = Signal()

# sender: ShareLink; link: the record. Its token is known to nobody.
link_created = Signal()
link_unlocked = Signal()
link_revoked = Signal()

# sender: AccessEntry; entry: an unsaved one; at once, for a request that was let in or refused.
access_decided = Signal()
