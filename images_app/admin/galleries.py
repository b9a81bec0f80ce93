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

from images_app.access import Level, Right, Viewer
from images_app.admin.common import PolicyAdminMixin, admin_url, preview
from images_app.admin.grants import GrantInline
from images_app.admin.relations import GalleryOwnersFilter, RelationWidgetsMixin
from images_app.admin.why import WhyMixin
from images_app.models import Gallery, GalleryItem, get_image_model
from images_app.sharing import may_give
from images_app.views.authorise import viewer_of, visible_galleries, visible_images

if TYPE_CHECKING:  # generic for the type checker only
    _ModelAdmin = admin.ModelAdmin[Gallery]
else:
    _ModelAdmin = admin.ModelAdmin

_STRIP = 12  # previews on a gallery's page
_NAMED = 10  # galleries in one message


def _visible_items(viewer: Viewer) -> QuerySet[GalleryItem]:
    """Answer with the places of images that the viewer may see."""
    visible = visible_images(viewer, annotate=False).values("pk")
    return GalleryItem.objects.filter(image__in=visible)


def _with_count(galleries: QuerySet[Any], viewer: Viewer) -> QuerySet[Any]:
    """Annotate how many visible images hang in each; by a subquery, for joins multiply rows."""
    items = _visible_items(viewer).filter(gallery=OuterRef("pk")).order_by()
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


class GalleryAdmin(WhyMixin, PolicyAdminMixin, RelationWidgetsMixin, _ModelAdmin):
    """Galleries."""

    list_display = ("title", "visibility", "owner", "number_of_images", "created_at")
    list_filter = ("visibility", "created_at", ("owner", GalleryOwnersFilter))
    unasked_relations = ("images", "items", "cover", "grants", "share_links")
    search_fields = ("title", "description")
    list_per_page = 50
    ordering = ("position", "-created_at", "-id")
    raw_id_fields = known_only_fields = ("owner", "cover")
    readonly_fields = ("images_shown", "created_at", "updated_at")
    inlines = (GrantInline,)
    actions = ("change_visibility",)
    confirmed_actions = PolicyAdminMixin.confirmed_actions | {"change_visibility"}
    fieldsets = (
        (
            None,
            {"fields": ("title", "description", "visibility", "shows_locations", "images_shown")},
        ),
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
        return _with_count(super().get_queryset(request), viewer_of(request))

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """Remember who looks at the gallery, for what its page shows of images."""
        gallery: Any = super().get_object(request, object_id, from_field)
        if gallery is not None:
            gallery.shown_to = viewer_of(request)
        return gallery

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Where nothing may be changed, Django would name the cover without asking the policy."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        shown = {"cover": "cover_shown"}
        return [
            (name, {**options, "fields": [shown.get(str(f), f) for f in options["fields"]]})
            for name, options in fieldsets
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Opening a gallery to others gives them every image in it, without end."""
        fields = super().get_readonly_fields(request, obj)
        viewer = viewer_of(request)
        if obj is None or may_give(viewer, obj, Level.ORIGINAL, None):
            return fields
        # Places stand in originals: who may not give those on cannot have them told.
        may_open = may_give(viewer, obj, Level.VIEW, None)
        return (*fields, "shows_locations", *(() if may_open else ("visibility",)))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new gallery belongs to its maker."""
        return {"owner": request.user.pk, **super().get_changeform_initial_data(request)}

    @admin.display(description=gettext_lazy("images"), ordering="items_count")
    def number_of_images(self, gallery: Any) -> int:
        """Count the images."""
        count: int = gallery.items_count
        return count

    @admin.display(description=gettext_lazy("cover"))
    def cover_shown(self, gallery: Any) -> str:
        """Name the cover to those who may see it."""
        visible = visible_images(gallery.shown_to, annotate=False)
        return ", ".join(str(image) for image in visible.filter(pk=gallery.cover_id)) or "–"

    @admin.display(description=gettext_lazy("images"))
    def images_shown(self, gallery: Any) -> SafeString:
        """Show the first few images, and lead to adding and arranging."""
        if gallery._state.adding:
            return SafeString(_("Save the gallery first, then add images."))
        items = _visible_items(gallery.shown_to).filter(gallery=gallery)
        strip = items.select_related("image")[:_STRIP]
        add = admin_url(self.admin_site, get_image_model(), "add")
        order = admin_url(self.admin_site, GalleryItem, "changelist")
        links = (
            (add and f"{add}?{urlencode({'gallery': gallery.pk})}", _("Add images")),
            (
                order and f"{order}?{urlencode({'gallery__id__exact': gallery.pk})}",
                _("Order and remove"),
            ),
            (reverse("images_app:arrange", args=[gallery.public_id]), _("Arrange and describe")),
            (gallery.get_absolute_url(), _("View")),
        )
        return format_html(
            '<div class="images-app-strip">{}</div><p>{}</p>',
            format_html_join("", "{}", ((preview(item.image),) for item in strip)),
            format_html_join(
                " ", '<a class="button" href="{}">{}</a>', (link for link in links if link[0])
            ),
        )

    def _may_get(self, request: HttpRequest, galleries: list[Any], visibility: str) -> list[Any]:
        """Leave out what would be opened to more people than this one may let in."""
        if visibility == Gallery.Visibility.PRIVATE:
            return galleries
        viewer = viewer_of(request)
        allowed = [each for each in galleries if may_give(viewer, each, Level.VIEW, None)]
        if len(allowed) < len(galleries):
            text = _("Left as it is, for you may not see every image in it, or not for good: %s")
            left = [str(each) for each in galleries if each not in allowed]
            shown = left[:_NAMED] + (["…"] if len(left) > _NAMED else [])
            messages.error(request, text % ", ".join(shown))
        return allowed

    @admin.action(
        description=gettext_lazy("Change visibility of selected galleries"),
        permissions=["change"],
    )
    def change_visibility(
        self, request: HttpRequest, queryset: QuerySet[Gallery]
    ) -> HttpResponse | None:
        """Ask for the new visibility, show what it will touch, and change it once confirmed."""
        chosen_keys = list(queryset.values_list("pk", flat=True))
        shareable = self._visible(request, Right.SHARE).filter(pk__in=chosen_keys)
        galleries = _with_count(shareable, viewer_of(request))
        form = VisibilityForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            chosen = self._may_get(request, list(galleries), form.cleaned_data["visibility"])
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
