"""Galleries in the admin: what hangs where, in which order, and who sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from images_app.access import Right
from images_app.admin.common import (
    GrantInline,
    PolicyAdminMixin,
    RelationWidgetsMixin,
    preview,
)
from images_app.models import Gallery, GalleryItem, get_image_model
from images_app.views.authorise import is_reachable, viewer_of, visible_galleries, visible_images

if TYPE_CHECKING:  # generic for the type checker only
    _GalleryModelAdmin = admin.ModelAdmin[Gallery]
    _ItemModelAdmin = admin.ModelAdmin[GalleryItem]
else:
    _GalleryModelAdmin = _ItemModelAdmin = admin.ModelAdmin

_STRIP = 12  # previews on a gallery's page


def _with_count(galleries: QuerySet[Any]) -> QuerySet[Any]:
    """Annotate how many images hang in each, by a subquery: a join would multiply the rows."""
    items = GalleryItem.objects.filter(gallery=OuterRef("pk")).order_by()
    count = items.values("gallery").annotate(n=Count("pk")).values("n")
    counted: QuerySet[Any] = galleries.annotate(
        items_count=Coalesce(Subquery(count, output_field=IntegerField()), 0)
    )
    return counted


class VisibilityForm(forms.Form):
    """The confirmation of a bulk change."""

    visibility = forms.ChoiceField(
        choices=Gallery.Visibility.choices,
        widget=forms.RadioSelect,
        label=gettext_lazy("New visibility"),
    )


class GalleryAdmin(PolicyAdminMixin, RelationWidgetsMixin, _GalleryModelAdmin):
    """Galleries."""

    list_display = ("title", "visibility", "owner", "number_of_images", "created_at")
    list_filter = ("visibility", "created_at", ("owner", admin.RelatedOnlyFieldListFilter))
    search_fields = ("title", "description")
    list_per_page = 50
    ordering = ("position", "-created_at", "-id")
    raw_id_fields = ("owner", "cover")
    readonly_fields = ("images_shown", "created_at", "updated_at")
    inlines = (GrantInline,)
    actions = ("change_visibility",)
    fieldsets = (
        (None, {"fields": ("title", "description", "visibility", "images_shown")}),
        (
            gettext_lazy("Record"),
            {"fields": ("owner", "cover", "position", "created_at", "updated_at")},
        ),
    )

    class Media:
        css = {"all": ["images_app/admin.css"]}

    def _visible(self, request: HttpRequest, access: Any) -> QuerySet[Any]:
        return visible_galleries(viewer_of(request), access).select_related("owner")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Count the images along the way."""
        return _with_count(super().get_queryset(request))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Opening a gallery to others takes the right to share."""
        fields = super().get_readonly_fields(request, obj)
        return fields if self._may(request, obj, Right.SHARE) else (*fields, "visibility")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new gallery belongs to its maker."""
        return {"owner": request.user.pk, **super().get_changeform_initial_data(request)}

    @admin.display(description=gettext_lazy("images"), ordering="items_count")
    def number_of_images(self, gallery: Any) -> int:
        """Count the images."""
        count: int = gallery.items_count
        return count

    @admin.display(description=gettext_lazy("images"))
    def images_shown(self, gallery: Gallery) -> SafeString:
        """Show the first few images, and lead to adding and arranging."""
        if gallery._state.adding:
            return SafeString(_("Save the gallery first, then add images."))
        items = gallery.items.select_related("image").filter(image__trashed_at=None)[:_STRIP]
        image_model = get_image_model()._meta
        add = reverse(
            f"{self.admin_site.name}:{image_model.app_label}_{image_model.model_name}_add"
        )
        arrange = reverse(f"{self.admin_site.name}:images_app_galleryitem_changelist")
        return format_html(
            '<div class="images-app-strip">{}</div>'
            '<p><a class="button" href="{}?{}">{}</a> <a class="button" href="{}?{}">{}</a> '
            '<a class="button" href="{}">{}</a></p>',
            format_html_join("", "{}", ((preview(item.image),) for item in items)),
            add,
            urlencode({"gallery": gallery.pk}),
            _("Add images"),
            arrange,
            urlencode({"gallery__id__exact": gallery.pk}),
            _("Order and remove"),
            gallery.get_absolute_url(),
            _("View"),
        )

    @admin.action(
        description=gettext_lazy("Change visibility of selected galleries"),
        permissions=["change"],
    )
    def change_visibility(
        self, request: HttpRequest, queryset: QuerySet[Gallery]
    ) -> HttpResponse | None:
        """Ask for the new visibility, show what it will touch, and change it once confirmed."""
        galleries = _with_count(self._visible(request, Right.SHARE)).filter(
            pk__in=list(queryset.values_list("pk", flat=True))
        )
        form = VisibilityForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            chosen = list(galleries)
            for gallery in chosen:
                gallery.visibility = form.cleaned_data["visibility"]
                gallery.save(update_fields=["visibility", "updated_at"])
                self.log_change(request, gallery, [{"changed": {"fields": ["visibility"]}}])
            text = ngettext(
                "%d gallery has a new visibility.",
                "%d galleries have a new visibility.",
                len(chosen),
            )
            messages.success(request, text % len(chosen))
            return None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Change visibility"),
            "form": form,
            "galleries": galleries,
            "media": self.media,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/images_app/change_visibility.html", context)


class GalleryItemAdmin(RelationWidgetsMixin, _ItemModelAdmin):
    """The order of the images of a gallery, a page at a time however many there are."""

    list_display = ("preview", "image", "gallery", "position")
    list_display_links = ("preview", "image")
    list_editable = ("position",)
    list_filter = ("gallery",)
    search_fields = ("image__title", "image__file_name", "gallery__title")
    list_select_related = ("image", "gallery")
    list_per_page = 100
    ordering = ("gallery", "position", "id")
    raw_id_fields = ("gallery", "image")

    class Media:
        css = {"all": ["images_app/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[GalleryItem]:
        """Answer with the places in visible galleries of visible images."""
        viewer = viewer_of(request)
        return (
            super()
            .get_queryset(request)
            .filter(
                gallery__in=visible_galleries(viewer, annotate=False).values("pk"),
                image__in=visible_images(viewer, annotate=False).values("pk"),
            )
        )

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Hanging an image shows it to others: that takes the right to share it."""
        viewer = viewer_of(request)
        if db_field.name == "image":
            kwargs["queryset"] = visible_images(viewer, Right.SHARE)
        elif db_field.name == "gallery":
            kwargs["queryset"] = visible_galleries(viewer, Right.CHANGE)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Changing a place changes the gallery."""
        return super().has_change_permission(request, obj) and self._may(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Likewise."""
        return super().has_delete_permission(request, obj) and self._may(request, obj)

    def _may(self, request: HttpRequest, obj: Any) -> bool:
        return obj is None or is_reachable(obj.gallery, viewer_of(request), Right.CHANGE)

    @admin.display(description=gettext_lazy("preview"))
    def preview(self, item: GalleryItem) -> SafeString:
        """Show a small square."""
        return preview(item.image)
