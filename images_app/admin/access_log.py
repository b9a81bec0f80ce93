"""The access log in the admin: to be read, by those who have its permission."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from images_app.models import AccessEntry

if TYPE_CHECKING:  # generic for the type checker only
    _ModelAdmin = admin.ModelAdmin[AccessEntry]
else:
    _ModelAdmin = admin.ModelAdmin


class AccessEntryAdmin(_ModelAdmin):
    """Entries; images and links by their ids, for who reads the log may not see them all."""

    list_display = fields = (
        "at",
        "user",
        "kind",
        "public_id",
        "level",
        "is_allowed",
        "reason",
        "through",
    )
    list_filter = ("is_allowed", "kind", "reason", "at")
    search_fields = ("public_id", "link__public_id")
    search_help_text = gettext_lazy("The id of an image, a gallery or a share link")
    list_per_page = 100
    show_full_result_count = False
    list_select_related = ("user", "link")
    view_on_site = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: nobody writes but the app."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: entries go by their age."""
        return False

    @admin.display(description=gettext_lazy("share link"))
    def through(self, entry: Any) -> str:
        """Tell the id of the link."""
        return "–" if entry.link is None else str(entry.link.public_id)
