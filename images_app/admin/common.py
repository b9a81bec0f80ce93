"""What the admins of images and galleries share: the policy, previews, discretion."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import NestedObjects
from django.db import router
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from images_app.access import Level, Right
from images_app.conf import get_settings
from images_app.models import Grant
from images_app.renditions import rendition_url
from images_app.views.authorise import is_reachable, viewer_of

MOST_CONFIRMED = 200
"""How many rows are confirmed at once: as many as a list shows on one page, at most."""


def preview(image: Any, size: int = 80) -> SafeString:
    """Answer with a small square picture, by a URL that asks the policy."""
    return format_html(
        '<img class="images-app-preview" src="{}" width="{}" height="{}" alt="{}" loading="lazy">',
        rendition_url(image, get_settings().thumbnail_preset),
        size,
        size,
        image.alternative,
    )


def admin_url(site: Any, model: Any, view: str, *args: Any) -> str:
    """Return the address of a page of this admin site; "" where the site has no such page.

    A site may have several admins, and none of them has to know all of our models.
    """
    names = f"{model._meta.app_label}_{model._meta.model_name}"
    try:
        return reverse(f"admin:{names}_{view}", args=args, current_app=site.name)
    except NoReverseMatch:
        return ""


class DiscreetAdminMixin:
    """Tells nothing of other rows where Django would do so without asking the policy."""

    view_on_site: Any = False  # Django's redirect to an object's page asks nobody
    # Their pages of confirmation have a line and a field for each row that was chosen.
    confirmed_actions = frozenset({"delete_selected"})

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Name what was chosen; of what goes with it, the page's summary tells the number.

        Django would put each row that goes with it into words, with a query for each.
        """
        model: Any = self.model  # type: ignore[attr-defined]
        collector = NestedObjects(using=router.db_for_write(model), origin=objs)
        collector.collect(objs)
        gone: Any = collector.model_objs.items()
        counts = {str(kind._meta.verbose_name_plural): len(rows) for kind, rows in gone}
        lacking = {
            str(kind._meta.verbose_name)
            for kind, rows in gone
            if not self._may_go(request, kind, rows)
        }
        return _named(objs), counts, lacking, _named(collector.protected)

    def _may_go(self, request: HttpRequest, kind: Any, rows: Any) -> bool:
        """Ask as Django does; what was given on something goes with it without being asked for."""
        site: Any = self.admin_site  # type: ignore[attr-defined]
        if not site.is_registered(kind) or (kind is Grant and self.model is not Grant):  # type: ignore[attr-defined]
            return True
        ask = site._registry[kind].has_delete_permission  # noqa: SLF001
        return all(ask(request, row) for row in rows)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Refuse to have more rows confirmed than one page and one form can hold."""
        if not self.confirmed_actions.isdisjoint(request.POST.getlist("action")):
            is_all = request.POST.get("select_across", "0") != "0"
            chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
            if (queryset.count() if is_all else len(chosen)) > MOST_CONFIRMED:
                text = _("Choose at most %(number)d at a time. Nothing was changed.")
                messages.error(request, text % {"number": MOST_CONFIRMED})
                return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset, *args, **kwargs)  # type: ignore[misc]


def _named(objs: Any) -> list[str]:
    return [f"{capfirst(obj._meta.verbose_name)}: {obj}" for obj in objs]


class PolicyAdminMixin(DiscreetAdminMixin):
    """Narrows Django's own permissions by the policy."""

    unasked_relations: tuple[str, ...] = ()  # whose rows the policy may hide
    asked_lookups: frozenset[str] = frozenset()  # of them, those of our own filters

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Refuse lookups by address that tell of rows without asking the policy."""
        if lookup not in self.asked_lookups and lookup.startswith(self.unasked_relations):
            return False
        allowed: bool = super().lookup_allowed(lookup, value, request)  # type: ignore[misc]
        return allowed

    def _visible(self, request: HttpRequest, access: Any) -> QuerySet[Any]:
        """Answer with the rows of this model that the viewer may reach."""
        raise NotImplementedError

    def _may(self, request: HttpRequest, obj: Model | None, right: Right) -> bool:
        return obj is None or is_reachable(obj, viewer_of(request), right)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Answer with what the policy lets this viewer see."""
        visible = self._visible(request, Level.PREVIEW)
        return visible.order_by(*self.get_ordering(request))  # type: ignore[attr-defined]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Owning gives every level: only owners and superusers hand that on."""
        fields = super().get_readonly_fields(request, obj)  # type: ignore[misc]
        user: Any = request.user
        if obj is None or obj.owner_id == user.pk or getattr(user, "is_superuser", False):
            return fields
        return (*fields, "owner")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask Django, then the policy."""
        allowed: bool = super().has_change_permission(request, obj)  # type: ignore[misc]
        return allowed and self._may(request, obj, Right.CHANGE)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask Django, then the policy."""
        allowed: bool = super().has_delete_permission(request, obj)  # type: ignore[misc]
        return allowed and self._may(request, obj, Right.DELETE)
