"""Remote sources in the admin: images are added by their address, and their fate is listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from images_app.access import Right
from images_app.admin.common import DiscreetAdminMixin, admin_url
from images_app.contrib.remote.forms import FetchForm
from images_app.contrib.remote.models import RemoteSource
from images_app.contrib.remote.sources import may_fetch
from images_app.views.authorise import is_reachable, viewer_of, visible_galleries, visible_images

if TYPE_CHECKING:  # generic for the type checker only
    _ModelAdmin = admin.ModelAdmin[RemoteSource]
else:
    _ModelAdmin = admin.ModelAdmin


class RemoteSourceAdmin(DiscreetAdminMixin, _ModelAdmin):
    """Sources of the images that the viewer may change."""

    list_display = ("shown_url", "image", "fetched_at", "checked_at", "outcome")
    list_filter = ("outcome", "checked_at")
    list_select_related = ("image",)
    list_per_page = 50
    fields = readonly_fields = (
        "image",
        "shown_url",
        "fetched_at",
        "checked_at",
        "outcome",
        "etag",
        "last_modified",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Answer with the sources of what the policy lets this viewer change."""
        images = visible_images(viewer_of(request), Right.CHANGE, annotate=False)
        return super().get_queryset(request).filter(image__in=images.values("pk"))

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Refuse to be asked for what stands in an address, letter by letter."""
        return not lookup.startswith(("url", "final_url")) and super().lookup_allowed(
            lookup, value, request
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Ask for the permission to add images, too."""
        return may_fetch(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: what came from elsewhere came from there."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask Django, then the policy; who may delete the image may delete this with it."""
        allowed = super().has_delete_permission(request, obj)
        if obj is None:
            return allowed
        right = Right.CHANGE if allowed else Right.DELETE
        return is_reachable(obj.image, viewer_of(request), right)

    @admin.display(description=gettext_lazy("address"), ordering="url")
    def shown_url(self, source: RemoteSource) -> str:
        """Show the address without its query."""
        return source.shown_url

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Fetch several images; the good ones stay, each bad address says why."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = FetchForm(
            request.POST if request.method == "POST" else None,
            galleries=visible_galleries(viewer_of(request), Right.CHANGE),
            initial={"gallery": request.GET.get("gallery")},
        )
        if request.method == "POST" and form.is_valid():
            self._tell(request, form.fetch(request.user))
            if not form.errors:
                return HttpResponseRedirect(self._after_adding(request))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Add images from addresses"),
            "form": form,
            "media": self.media + form.media,
            "has_view_permission": self.has_view_permission(request),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/images_app_remote/fetch.html", context)

    def _tell(self, request: HttpRequest, added: list[Any]) -> None:
        for image in added:
            self.log_addition(request, image.remote_source, [{"added": {}}])
        if added:
            text = ngettext("%d image was added.", "%d images were added.", len(added))
            messages.success(request, text % len(added))

    def _after_adding(self, request: HttpRequest) -> str:
        """Lead to the list; those who may only add, to adding more."""
        view = "changelist" if self.has_view_or_change_permission(request) else "add"
        return admin_url(self.admin_site, RemoteSource, view)


admin.site.register(RemoteSource, RemoteSourceAdmin)
