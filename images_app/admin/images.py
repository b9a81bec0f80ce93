"""Images in the admin: several files at once, then title, text and focal point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.csrf import csrf_exempt

from images_app.access import Right
from images_app.admin.common import PolicyAdminMixin, admin_url, preview
from images_app.admin.grants import GrantInline
from images_app.admin.relations import (
    RelationWidgetsMixin,
    VisibleGalleriesFilter,
    may_read,
)
from images_app.admin.replacing import ReplaceMixin
from images_app.admin.times import UnchangedTimesForm
from images_app.admin.trash import TrashMixin
from images_app.admin.why import WhyMixin
from images_app.database import database_of
from images_app.forms import UploadForm
from images_app.models import Gallery
from images_app.uploads import gated
from images_app.views.adding import Uploader
from images_app.views.authorise import viewer_of, visible_galleries, visible_images

if TYPE_CHECKING:  # generic for the type checker only
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin

_NAMED = 10  # galleries of one image in the list


class AlternativeTextFilter(admin.SimpleListFilter):
    """Finds the images that still need an alternative text."""

    title = gettext_lazy("alternative text")
    parameter_name = "alt"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Answer with the choices."""
        return [("missing", _("missing")), ("present", _("present"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Filter."""
        if self.value() == "missing":
            return queryset.filter(alt_text="")
        return queryset.exclude(alt_text="") if self.value() == "present" else queryset


class ImageAdmin(
    TrashMixin, ReplaceMixin, WhyMixin, PolicyAdminMixin, RelationWidgetsMixin, _ModelAdmin
):
    """Images; a host with a swapped model registers it with this class."""

    change_form_template = "admin/images_app/change_image.html"
    list_display = ("preview", "title", "owner", "galleries_shown", "dimensions", "created_at")
    list_display_links = ("preview", "title")
    list_filter = (
        "format",
        AlternativeTextFilter,
        "created_at",
        ("galleries", VisibleGalleriesFilter),
    )
    unasked_relations = (
        *("galleries", "gallery_items", "grants", "share_links", "renditions"),
        "location_data",  # no filter tells where
    )
    asked_lookups = frozenset({"galleries__id__exact", "galleries__isnull"})
    search_fields = ("title", "alt_text", "caption", "file_name")
    list_per_page = 50
    ordering = ("-created_at", "-id")
    raw_id_fields = known_only_fields = ("owner",)
    form = UnchangedTimesForm
    readonly_fields = ("large_preview", "facts", "galleries_shown", "created_at", "updated_at")
    inlines = (GrantInline,)
    fieldsets = (
        (None, {"fields": ("large_preview", "title", "alt_text", "caption", "taken_at")}),
        (gettext_lazy("Focal point"), {"fields": (("focal_x", "focal_y"),)}),
        (
            gettext_lazy("Record"),
            {"fields": ("owner", "galleries_shown", "facts", "created_at", "updated_at")},
        ),
    )

    class Media:
        css = {"all": ["images_app/admin.css"]}

    def _visible(self, request: HttpRequest, access: Any) -> QuerySet[Any]:
        viewer = viewer_of(request)
        # Named, for Django asks the default database whether it can cut a list that is prefetched.
        galleries = visible_galleries(viewer, annotate=False).using(database_of(Gallery))
        shown = galleries[: _NAMED + 1]
        named = Prefetch("galleries", shown, to_attr="visible_galleries")
        return visible_images(viewer, access).select_related("owner").prefetch_related(named)

    @admin.display(description=gettext_lazy("preview"))
    def preview(self, image: Any) -> SafeString:
        """Show a small square."""
        return preview(image)

    @admin.display(description=gettext_lazy("preview"))
    def large_preview(self, image: Any) -> SafeString:
        """Show a larger square that leads to the image's page."""
        return format_html('<a href="{}">{}</a>', image.get_absolute_url(), preview(image, 320))

    @admin.display(description=gettext_lazy("galleries"))
    def galleries_shown(self, image: Any) -> str:
        """Name the galleries where the image hangs, as far as the viewer may see them."""
        titles = [gallery.title for gallery in image.visible_galleries]
        return ", ".join(titles[:_NAMED] + ["…"] * (len(titles) > _NAMED)) or "–"

    @admin.display(description=gettext_lazy("size"), ordering="width")
    def dimensions(self, image: Any) -> str:
        """Tell pixels, format and bytes."""
        size = filesizeformat(image.byte_size)
        return f"{image.width} × {image.height} {image.get_format_display()}, {size}"

    @admin.display(description=gettext_lazy("file"))
    def facts(self, image: Any) -> SafeString:
        """Tell what the record knows of the bytes."""
        rows = (
            (_("File name"), image.file_name),
            (_("Size"), self.dimensions(image)),
            (_("Frames"), image.frames),
            (_("Version"), image.version),
            ("SHA-256", image.checksum),
        )
        return format_html_join("", "{}: {}<br>", rows)

    @method_decorator(csrf_exempt)  # which would read the body; the gate checks within
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Take several files at once; the good ones stay, each bad one says why."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._add(request, extra_context)

    @gated(most_files=None)
    def _add(self, request: HttpRequest, extra_context: Any) -> HttpResponse:
        galleries = visible_galleries(viewer_of(request), Right.CHANGE)
        form = UploadForm(
            request.POST if request.method == "POST" else None,
            request.FILES if request.method == "POST" else None,
            galleries=galleries,
            initial={"gallery": request.GET.get("gallery")},
            label_suffix="",
        )
        if request.method == "POST" and form.is_valid():
            added = form.ingest(owner=request.user)
            self._tell(request, added)
            if not form.errors:
                return HttpResponseRedirect(self._after_adding(request, form))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Add images"),
            "form": form,
            "uploader": Uploader(galleries=form.public_ids(), may_order=True),
            "media": self.media + form.media,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/images_app/add_images.html", context)

    def _tell(self, request: HttpRequest, added: list[Any]) -> None:
        for image in added:
            self.log_addition(request, image, [{"added": {}}])
        if added:
            text = ngettext("%d image was added.", "%d images were added.", len(added))
            messages.success(request, text % len(added))

    def _after_adding(self, request: HttpRequest, form: UploadForm) -> str:
        """Lead to what was filled; those who may only add, to adding more."""
        gallery = form.cleaned_data["gallery"]
        if gallery is not None and may_read(request, Gallery):
            filled = admin_url(self.admin_site, Gallery, "change", gallery.pk)
            if filled:
                return filled
        view = "changelist" if self.has_view_or_change_permission(request) else "add"
        return admin_url(self.admin_site, self.model, view)
