"""Who asks, and what they may have: how every view finds its images and galleries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from images_app import audit
from images_app.access import Access, Level, Viewer
from images_app.models import (
    Gallery,
    GalleryQuerySet,
    ImageQuerySet,
    find_visible,
    get_image_model,
)
from images_app.models.access_entry import Kind
from images_app.sharing import shows_links, unlocked_links
from images_app.views.session_user import ANONYMOUS_USER, session_user

ANONYMOUS = Viewer(user=ANONYMOUS_USER)


def viewer_of(request: HttpRequest) -> Viewer:
    """Answer with who is asking: the user, and the share links of the session."""
    user = session_user(request)
    return Viewer(user=user, links=unlocked_links(getattr(request, "session", None)))


def offers_links(request: HttpRequest) -> bool:
    """Return whether share links can be made and opened: it is the session that remembers them."""
    return hasattr(request, "session") and shows_links()


def visible_images(
    viewer: Viewer, access: Access = Level.PREVIEW, *, annotate: bool = True
) -> ImageQuerySet:
    """Answer with all images that the viewer may reach."""
    # Not by the model's manager, which a host may have replaced.
    return ImageQuerySet(get_image_model()).visible_to(viewer, access, annotate=annotate)


def visible_galleries(
    viewer: Viewer, access: Access = Level.PREVIEW, *, annotate: bool = True
) -> GalleryQuerySet:
    """Answer with all galleries that the viewer may reach."""
    return GalleryQuerySet(Gallery).visible_to(viewer, access, annotate=annotate)


def is_reachable(obj: Any, viewer: Viewer, access: Access) -> bool:
    """Tell whether the viewer may reach one gallery or image, by the same rule as the lists."""
    visible = visible_galleries if isinstance(obj, Gallery) else visible_images
    return visible(viewer, access, annotate=False).filter(pk=obj.pk).exists()


@dataclass(frozen=True, kw_only=True)
class Found:
    """An image, for whom it was found, and whether anyone may have it."""

    image: Any
    viewer: Viewer
    is_public: bool


def find_image(
    request: HttpRequest,
    public_id: UUID,
    access: Level,
    *,
    kind: Kind,
    rendition: tuple[str, str] | None = None,
    watermark: str | None = None,
) -> Found | None:
    """Find an image for its bytes, and tell whether anyone may have them.

    A request without a session cookie is tried as anonymous before the session is touched:
    only such an answer may be `public`, for it carries no cookie and varies by none.

    Args:
        request: who asks.
        public_id: of the image.
        access: the least level.
        kind: of bytes, for the access log.
        rendition: (fingerprint, format) of one whose record is wanted too; see with_rendition.
        watermark: that the bytes bear, "" for none; see ImageQuerySet.visible_to.

    Returns:
        None for absent and forbidden alike.

    """
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        image = find_visible(ANONYMOUS, public_id, access, rendition, watermark)
        if image is not None:
            return Found(image=image, viewer=ANONYMOUS, is_public=True)
        if not session_user(request).is_authenticated:
            audit.denied(ANONYMOUS, kind, public_id, access)
            return None
    viewer = viewer_of(request)
    image = find_visible(viewer, public_id, access, rendition, watermark)
    if image is None:
        audit.denied(viewer, kind, public_id, access)
        return None
    return Found(image=image, viewer=viewer, is_public=False)


def find_signed_image(public_id: UUID) -> Any:
    """Find an image whose URL is signed: the policy decided when the URL was made.

    Returns:
        The image, or None for what is not there any more, or in the trash.

    """
    return ImageQuerySet(get_image_model()).filter(public_id=public_id, trashed_at=None).first()
