"""The places of images in galleries in the admin: order, hang, take away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from images_app.access import Right, Viewer
from images_app.admin.common import DiscreetAdminMixin, preview
from images_app.admin.relations import RelationWidgetsMixin, VisibleGalleriesFilter
from images_app.models import GalleryItem
from images_app.sharing import shareable_images
from images_app.views.authorise import is_reachable, viewer_of, visible_galleries, visible_images

if TYPE_CHECKING:  # generic for the type checker only
    _ModelAdmin = admin.ModelAdmin[GalleryItem]
    _ModelFormSet = forms.BaseModelFormSet[GalleryItem, forms.ModelForm[GalleryItem]]
else:
    _ModelAdmin = admin.ModelAdmin
    _ModelFormSet = forms.BaseModelFormSet


class OrderFormSet(_ModelFormSet):
    """The order as it is edited in the list; Django asks there for the model permission only."""

    viewer: Viewer

    def clean(self) -> None:
        """Ordering a gallery changes it: that takes the right to, on each of them."""
        super().clean()
        moved = [form.instance.pk for form in self.forms if form.has_changed()]
        changeable = visible_galleries(self.viewer, Right.CHANGE, annotate=False).values("pk")
        if GalleryItem.objects.filter(pk__in=moved).exclude(gallery__in=changeable).exists():
            message = _("You moved images in a gallery that you may not change. Nothing was saved.")
            raise ValidationError(message, code="forbidden")


class GalleryItemAdmin(DiscreetAdminMixin, RelationWidgetsMixin, _ModelAdmin):
    """The order of the images of a gallery, a page at a time however many there are."""

    list_display = ("preview", "image", "gallery", "position")
    list_display_links = ("preview", "image")
    list_editable = ("position",)
    list_filter = (("gallery", VisibleGalleriesFilter),)
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

    def get_changelist_formset(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Tell the forms who orders."""
        formset: Any = super().get_changelist_formset(request, formset=OrderFormSet, **kwargs)
        formset.viewer = viewer_of(request)  # a class for this request
        return formset

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Hanging an image shows it to others: that takes the right to share it, without end."""
        viewer = viewer_of(request)
        if db_field.name == "image":
            kwargs["queryset"] = shareable_images(viewer)
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
        """Ask the policy once for each gallery: Django 6.1 asks us for each row of a list."""
        if obj is None:
            return True
        known: dict[int, bool] = request.__dict__.setdefault("_images_app_changeable", {})
        if obj.gallery_id not in known:
            known[obj.gallery_id] = is_reachable(obj.gallery, viewer_of(request), Right.CHANGE)
        return known[obj.gallery_id]

    @admin.display(description=gettext_lazy("preview"))
    def preview(self, item: GalleryItem) -> SafeString:
        """Show a small square."""
        return preview(item.image)
