"""All grants in a list of their own, however many there are: search, give, end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from images_app.access import Right, Viewer
from images_app.admin.common import DiscreetAdminMixin
from images_app.admin.grants import refuse_too_much
from images_app.admin.relations import (
    ChosenImageFilter,
    KnownRowsFilter,
    RelationWidgetsMixin,
    VisibleGalleriesFilter,
)
from images_app.admin.times import UnchangedTimesForm
from images_app.database import atomic
from images_app.models import Grant
from images_app.views.authorise import is_reachable, viewer_of, visible_galleries, visible_images

if TYPE_CHECKING:  # generic for the type checker only
    _ModelAdmin = admin.ModelAdmin[Grant]
else:
    _ModelAdmin = admin.ModelAdmin

_AT_ONCE = 500  # databases bound the number of parameters


class InForceFilter(admin.SimpleListFilter):
    """Tells grants that count from those that have ended."""

    title = gettext_lazy("in force")
    parameter_name = "in_force"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [("yes", _("yes")), ("no", _("no"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Filter."""
        if self.value() == "yes":
            return queryset.filter(_in_force())
        return queryset.exclude(_in_force()) if self.value() == "no" else queryset


def _in_force() -> Q:
    return Q(ends_at__isnull=True) | Q(ends_at__gt=timezone.now())


class GrantForm(UnchangedTimesForm):
    """One grant; of no more than the granter has."""

    viewer: Viewer

    def clean(self) -> dict[str, Any] | None:
        """Name the field that gives too much."""
        values = super().clean()
        sent = self.cleaned_data
        subject = sent.get("gallery") or sent.get("image") or self._subject()
        is_clear = subject is not None and (sent.get("level") or sent.get("right"))
        # What is unclear is refused by the constraints.
        if is_clear and self.has_changed() and not self.errors:
            refuse_too_much(self, self.viewer, subject)
        return values

    def _subject(self) -> Any:
        return self.instance.gallery or self.instance.image


class GrantAdmin(DiscreetAdminMixin, RelationWidgetsMixin, _ModelAdmin):
    """Grants on what the viewer may share."""

    form = GrantForm
    list_display = ("holder", "subject", "access", "ends_at", "created_at")
    list_filter = (
        InForceFilter,
        ("gallery", VisibleGalleriesFilter),
        ("image", ChosenImageFilter),
        ("group", KnownRowsFilter),
        "level",
        "right",
    )
    list_select_related = ("user", "group", "gallery", "image")
    list_per_page = 50
    show_full_result_count = False
    ordering = ("-id",)
    raw_id_fields = ("user", "group", "gallery", "image")
    actions = ("end_now",)

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the names of holders and subjects, all of which the list shows."""
        user_name = f"user__{get_user_model().USERNAME_FIELD}"
        return (user_name, "group__name", "gallery__title", "image__title")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Grant]:
        """Return the grants on what this viewer may share."""
        viewer = viewer_of(request)
        galleries = visible_galleries(viewer, Right.SHARE, annotate=False).order_by()
        images = visible_images(viewer, Right.SHARE, annotate=False).order_by()
        theirs = Q(gallery__in=galleries.values("pk")) | Q(image__in=images.values("pk"))
        return (
            super().get_queryset(request).filter(theirs).select_related(*self.list_select_related)
        )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what is asked for; whom and what a grant is for stays as it is."""
        if obj is None:
            return ("user", "group", "gallery", "image", "level", "right", "ends_at")
        return ("holder", "subject", "level", "right", "ends_at", "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what is told of a grant that is there."""
        return () if obj is None else ("holder", "subject", "created_at")

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]
        """Return the form class, which knows who grants."""
        form: Any = super().get_form(request, obj, **kwargs)  # a class for this request
        form.viewer = viewer_of(request)
        return form

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Take nothing but what this viewer may share."""
        viewer = viewer_of(request)
        if db_field.name == "gallery":
            kwargs["queryset"] = visible_galleries(viewer, Right.SHARE, annotate=False)
        elif db_field.name == "image":
            kwargs["queryset"] = visible_images(viewer, Right.SHARE, annotate=False)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Granting takes the right to share."""
        return super().has_change_permission(request, obj) and self._may_share(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Likewise."""
        return super().has_delete_permission(request, obj) and self._may_share(request, obj)

    def _may_share(self, request: HttpRequest, obj: Any) -> bool:
        """Ask the policy once for each gallery or image: many grants of one are deleted at once."""
        if obj is None:
            return True
        known: dict[Any, bool] = request.__dict__.setdefault("_images_app_shareable", {})
        key = (obj.gallery_id, obj.image_id)
        if key not in known:
            subject = obj.gallery or obj.image
            known[key] = is_reachable(subject, viewer_of(request), Right.SHARE)
        return known[key]

    @admin.display(description=gettext_lazy("to whom"))
    def holder(self, grant: Grant) -> str:
        """Name the user or group."""
        return str(grant.user or grant.group)

    @admin.display(description=gettext_lazy("on what"))
    def subject(self, grant: Grant) -> str:
        """Name the gallery or image."""
        return str(grant.gallery or grant.image)

    @admin.display(description=gettext_lazy("level or right"))
    def access(self, grant: Grant) -> str:
        """Name what is given."""
        return grant.get_right_display() if grant.right else grant.get_level_display()

    @admin.action(description=gettext_lazy("End selected grants now"), permissions=["change"])
    def end_now(self, request: HttpRequest, queryset: QuerySet[Grant]) -> None:
        """Take back what was given, at once, of however many were chosen."""
        grants = list(queryset.filter(_in_force()))
        now = timezone.now()
        # Read first: what has ended is no longer among those that are in force.
        with atomic(Grant):
            for start in range(0, len(grants), _AT_ONCE):
                chosen = [grant.pk for grant in grants[start : start + _AT_ONCE]]
                Grant.objects.filter(pk__in=chosen).update(ends_at=now)
        change: Any = [{"changed": {"fields": ["ends_at"]}}]
        user: Any = request.user
        LogEntry.objects.log_actions(user.pk, grants, CHANGE, change)
        text = ngettext("%d grant is ended.", "%d grants are ended.", len(grants))
        messages.success(request, text % len(grants))
