"""What the admins of images and galleries share: the policy, widgets, grants, previews."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from images_app.access import Level, Right
from images_app.conf import get_settings
from images_app.models import Grant
from images_app.renditions import rendition_url
from images_app.views.authorise import is_reachable, viewer_of

if TYPE_CHECKING:  # generic for the type checker only
    _TabularInline = admin.TabularInline[Grant, Any]
else:
    _TabularInline = admin.TabularInline


def preview(image: Any, size: int = 80) -> SafeString:
    """Answer with a small square picture, by a URL that asks the policy."""
    return format_html(
        '<img class="images-app-preview" src="{}" width="{}" height="{}" alt="{}" loading="lazy">',
        rendition_url(image, get_settings().thumbnail_preset),
        size,
        size,
        image.alternative,
    )


class PolicyAdminMixin:
    """Narrows Django's own permissions by the policy, and chooses the widgets for relations."""

    def _visible(self, request: HttpRequest, access: Any) -> QuerySet[Any]:
        """Answer with the rows of this model that the viewer may reach."""
        raise NotImplementedError

    def _may(self, request: HttpRequest, obj: Model | None, right: Right) -> bool:
        return obj is None or is_reachable(obj, viewer_of(request), right)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Answer with what the policy lets this viewer see."""
        visible = self._visible(request, Level.PREVIEW)
        return visible.order_by(*self.get_ordering(request))  # type: ignore[attr-defined]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask Django, then the policy."""
        allowed: bool = super().has_change_permission(request, obj)  # type: ignore[misc]
        return allowed and self._may(request, obj, Right.CHANGE)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask Django, then the policy."""
        allowed: bool = super().has_delete_permission(request, obj)  # type: ignore[misc]
        return allowed and self._may(request, obj, Right.DELETE)


class RelationWidgetsMixin:
    """Searches related rows where the related admin may be asked, else takes their key."""

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        """Answer with the relations whose admin this viewer may search."""
        found = []
        for name in self.raw_id_fields:  # type: ignore[attr-defined]
            related = self.model._meta.get_field(name).remote_field.model  # type: ignore[attr-defined]
            registered = self.admin_site._registry.get(related)  # type: ignore[attr-defined]  # noqa: SLF001
            if registered and registered.search_fields and registered.has_view_permission(request):
                found.append(name)
        return found

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer no related objects but those that may be chosen, and no pop-up to make others."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]
        for name in ("can_add_related", "can_change_related", "can_delete_related"):
            setattr(field.widget, name, False)
        return field


class GrantInline(RelationWidgetsMixin, _TabularInline):
    """Who else may see it."""

    model = Grant
    extra = 0
    fields = ("user", "group", "level", "right", "ends_at")
    raw_id_fields = ("user", "group")

    def has_add_permission(self, request: HttpRequest, obj: Any) -> bool:  # type: ignore[override]
        """Granting takes the right to share."""
        return super().has_add_permission(request, obj) and self._may_share(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Likewise."""
        return super().has_change_permission(request, obj) and self._may_share(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Likewise."""
        return super().has_delete_permission(request, obj) and self._may_share(request, obj)

    def _may_share(self, request: HttpRequest, obj: Any) -> bool:
        return obj is None or is_reachable(obj, viewer_of(request), Right.SHARE)
