"""Share links in the admin: listed, and revoked; they are made where their token can be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from images_app.admin.common import DiscreetAdminMixin
from images_app.models import ShareLink
from images_app.sharing import links_of, revoke_link
from images_app.views.authorise import viewer_of

if TYPE_CHECKING:  # generic for the type checker only
    _ModelAdmin = admin.ModelAdmin[ShareLink]
else:
    _ModelAdmin = admin.ModelAdmin


class LiveFilter(admin.SimpleListFilter):
    """Tells links that open from those that have ended."""

    title = gettext_lazy("live")
    parameter_name = "live"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Answer with the choices."""
        return [("yes", _("yes")), ("no", _("no"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Filter."""
        live = ShareLink.objects.live().values("pk")
        if self.value() == "yes":
            return queryset.filter(pk__in=live)
        return queryset.exclude(pk__in=live) if self.value() == "no" else queryset


class ShareLinkAdmin(DiscreetAdminMixin, _ModelAdmin):
    """Links to what the viewer may share."""

    list_display = (
        "subject",
        "note",
        "level",
        "created_by",
        "created_at",
        "ends_at",
        "revoked_at",
        "views",
        "max_views",
        "protected",
    )
    list_display_links = ("subject", "note")
    list_filter = (LiveFilter, "level", "created_at")
    search_fields = ("note",)
    list_per_page = 50
    actions = ("revoke",)
    fields = (
        "subject",
        "note",
        "level",
        "watermark",
        "created_by",
        "created_at",
        "ends_at",
        "revoked_at",
        "views",
        "max_views",
        "last_view_at",
        "protected",
        "why",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Answer with the links to what this viewer may share."""
        return links_of(viewer_of(request))

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Refuse to be asked for hashes, letter by letter."""
        return not lookup.startswith(("password", "token_hash")) and super().lookup_allowed(
            lookup, value, request
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: a token is shown once, on the page of what is shared."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: what was promised to others is revoked, and made anew."""
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Ask for the permission to change links."""
        return request.user.has_perm("images_app.change_sharelink")

    @admin.display(description=gettext_lazy("shows"))
    def subject(self, link: Any) -> str:
        """Name the gallery or image."""
        return str(link.subject)

    @admin.display(description=gettext_lazy("password"), boolean=True)
    def protected(self, link: Any) -> bool:
        """Tell whether there is a password."""
        return bool(link.has_password)

    @admin.display(description=gettext_lazy("what it opens"))
    def why(self, link: Any) -> SafeString:
        """Return a link to the page that says what a share link opens."""
        meta = link.subject._meta
        names = f"{self.admin_site.name}:{meta.app_label}_{meta.model_name}_why"
        try:
            url = reverse(names, args=[quote(link.subject.pk)])
        except NoReverseMatch:  # its admin is the host's own
            return SafeString("–")
        query = urlencode({"user": "", "link": link.public_id})
        return format_html('<a href="{}?{}">{}</a>', url, query, _("Ask the policy"))

    @admin.action(description=gettext_lazy("Revoke selected share links"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """End the links at once."""
        links = list(queryset.filter(revoked_at=None))
        for link in links:
            revoke_link(link)
            self.log_change(request, link, [{"changed": {"fields": ["revoked_at"]}}])
        text = ngettext("%d link is revoked.", "%d links are revoked.", len(links))
        messages.success(request, text % len(links))
