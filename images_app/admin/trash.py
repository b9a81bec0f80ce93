"""The trash in the admin: what is deleted goes there first, and can come back."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from images_app.access import Right
from images_app.admin.common import admin_url
from images_app.conf import get_settings
from images_app.models import ImageQuerySet, get_image_model
from images_app.trash import delete_trashed, restore, trash
from images_app.views.authorise import viewer_of, visible_images

if TYPE_CHECKING:  # generic for the type checker only
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin

_ON_A_PAGE = 100


class TrashMixin(_ModelAdmin):
    """Puts images into the trash where Django deletes, and shows what is in it."""

    confirmed_actions: frozenset[str] = frozenset()  # it can be undone
    actions = ("delete_selected",)  # by its name in the place of Django's, which deletes for good
    change_list_template = "admin/images_app/images_with_trash.html"
    delete_confirmation_template = "admin/images_app/trash_confirmation.html"

    def get_urls(self) -> list[Any]:
        """Add the page's URL."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_trash"
        view = require_http_methods(["GET", "HEAD", "POST"])(self.trash_view)
        return [path("trash/", self.admin_site.admin_view(view), name=name), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Lead to the trash."""
        url = self._url("trash") if self.has_delete_permission(request) else ""
        return super().changelist_view(request, {"trash_url": url, **(extra_context or {})})

    @admin.action(
        description=gettext_lazy("Move selected images to the trash"), permissions=["delete"]
    )
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Move those that the viewer may delete; it can be undone, so nobody is asked twice."""
        chosen = visible_images(viewer_of(request), Right.DELETE, annotate=False)
        images = list(chosen.filter(pk__in=list(queryset.values_list("pk", flat=True))))
        self._trash(request, images)
        text = ngettext(
            "%d image was moved to the trash.", "%d images were moved to the trash.", len(images)
        )
        messages.success(request, text % len(images))

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Name what was chosen: nothing goes with it, for the trash keeps all that hangs on it."""
        names = [f"{capfirst(self.opts.verbose_name)}: {image}" for image in objs]
        return names, {str(self.opts.verbose_name_plural): len(names)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Move one image to the trash."""
        trash(_rows([obj.pk]))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Move several to the trash."""
        trash(_rows(queryset.values_list("pk", flat=True)))

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:  # type: ignore[override]
        """Log what was done, in place of a deletion."""
        for image in queryset:
            self.log_change(request, image, _("Moved to the trash."))

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        """Say what was done, in place of Django's word that it was deleted."""
        text = _("“%s” was moved to the trash.") % obj_display
        self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect(self._url("changelist"))

    def trash_view(self, request: HttpRequest) -> HttpResponseBase:
        """List what the viewer may restore or delete for good, and do so."""
        if not self.has_delete_permission(request):
            raise PermissionDenied
        images = ImageQuerySet(get_image_model()).trashed_for(viewer_of(request))
        if request.method == "POST":
            chosen = images.filter(pk__in=_numbers(request.POST.getlist("chosen")))
            if request.POST.get("act") == "ask" and chosen:
                return self._ask_before_deleting(request, chosen)
            self._act(request, chosen)
            return HttpResponseRedirect(request.get_full_path())
        page = Paginator(images.order_by("-trashed_at", "-pk"), _ON_A_PAGE)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Trash"),
            "page": page.get_page(request.GET.get("p")),
            "days": get_settings().trash_days,
            "media": self.media,
        }
        return TemplateResponse(request, "admin/images_app/trash.html", context)

    def _ask_before_deleting(self, request: HttpRequest, chosen: ImageQuerySet) -> HttpResponseBase:
        """Name what would be gone: nothing brings it back."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Delete for good"),
            "images": chosen,
            "media": self.media,
        }
        return TemplateResponse(request, "admin/images_app/delete_for_good.html", context)

    def _url(self, view: str) -> str:
        return admin_url(self.admin_site, self.model, view)

    def _act(self, request: HttpRequest, chosen: ImageQuerySet) -> None:
        images = list(chosen)
        if not images:
            messages.warning(request, _("Nothing was chosen."))
        elif request.POST.get("act") == "restore":
            restore(_rows([image.pk for image in images]))
            for image in images:
                self.log_change(request, image, _("Restored from the trash."))
            text = ngettext("%d image was restored.", "%d images were restored.", len(images))
            messages.success(request, text % len(images))
        elif request.POST.get("act") == "delete":
            for image in images:
                self.log_change(request, image, _("Deleted for good."))
                delete_trashed(image)
            text = ngettext(
                "%d image was deleted for good.", "%d images were deleted for good.", len(images)
            )
            messages.success(request, text % len(images))

    def _trash(self, request: HttpRequest, images: list[Any]) -> None:
        trash(_rows([image.pk for image in images]))
        self.log_deletions(request, images)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Tell until when it can be restored."""
        last = timezone.now() + timedelta(days=get_settings().trash_days)
        return super().delete_view(request, object_id, {"until": last, **(extra_context or {})})


def _rows(keys: Any) -> ImageQuerySet:
    return ImageQuerySet(get_image_model()).filter(pk__in=list(keys))


def _numbers(values: list[str]) -> list[int]:
    return [int(value) for value in values if re.fullmatch(r"[0-9]{1,18}", value)]
