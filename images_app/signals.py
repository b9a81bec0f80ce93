"""What the app announces, each after the transaction has committed."""

from __future__ import annotations

from django.dispatch import Signal

# sender: the image model; image: the new record, whose bytes are in place.
image_ingested = Signal()
