"""Staff: what Django's own permissions on a model let somebody do with all of its rows."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_permission_codename

from images_app.access import Access, Level, Right, Viewer

# Which permission lets staff do what. Sharing shows an image to others, which changes it.
_ACTIONS = {Right.CHANGE: "change", Right.SHARE: "change", Right.DELETE: "delete"}


def is_privileged_staff(viewer: Viewer, model: Any, access: Access) -> bool:
    """Tell whether the viewer is staff whose permissions give an access on every row.

    Without the staff flag a permission counts for nothing, a superuser's included.
    """
    user: Any = viewer.user
    if not (viewer.is_authenticated and getattr(user, "is_staff", False)):
        return False

    def may(action: str) -> bool:
        codename = get_permission_codename(action, model._meta)
        return bool(user.has_perm(f"{model._meta.app_label}.{codename}"))

    # Whoever may not see it has no right on it, either.
    is_seen = may("view") or may("change")
    return is_seen and (isinstance(access, Level) or may(_ACTIONS[access]))
