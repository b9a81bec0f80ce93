"""Signed URLs: the page decides once, and what verifies them need not ask again."""

from __future__ import annotations

from images_app.signing.base import Signer
from images_app.signing.django import DjangoSigner
from images_app.signing.secure_link import SecureLinkSigner

__all__ = ["DjangoSigner", "SecureLinkSigner", "Signer"]
