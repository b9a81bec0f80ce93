"""Grants in the admin, below what they are on: nobody gives more than they have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from images_app.access import Access, Level, Right, Viewer
from images_app.admin.common import admin_url
from images_app.admin.relations import RelationWidgetsMixin
from images_app.admin.times import UnchangedTimesForm
from images_app.models import Grant
from images_app.sharing import may_give
from images_app.views.authorise import is_reachable, viewer_of

if TYPE_CHECKING:  # generic for the type checker only
    _TabularInline = admin.TabularInline[Grant, Any]
    _InlineFormSet = forms.BaseInlineFormSet[Grant, Any, forms.ModelForm[Grant]]
else:
    _TabularInline = admin.TabularInline
    _InlineFormSet = forms.BaseInlineFormSet


MOST_SHOWN = 20
"""How many grants a gallery's or an image's page shows; the others are in a list of their own."""
_MOST_NEW = 20


def refuse_too_much(form: Any, viewer: Viewer, subject: Any) -> None:
    """Name the field of a valid form that gives more than the granter has."""
    level, right = form.cleaned_data["level"], form.cleaned_data["right"]
    access: Access = Right(right) if right else Level(level)
    if not may_give(viewer, subject, access, form.cleaned_data["ends_at"]):
        message = _("You can give no more than you have yourself, nor for longer.")
        form.add_error("right" if right else "level", message)


class GrantFormSet(_InlineFormSet):
    """The newest grants; refuses new and changed ones of more than the granter has."""

    viewer: Viewer
    list_url = ""

    def get_queryset(self) -> QuerySet[Grant]:
        """Return the newest few, or those that come back from the page."""
        if not hasattr(self, "_queryset"):
            rows = super().get_queryset().order_by("-pk")
            # Not the newest ones of now: others may have given more meanwhile.
            self._queryset = (
                rows.filter(pk__in=self._sent()) if self.is_bound else rows[:MOST_SHOWN]
            )
        return self._queryset

    def _sent(self) -> list[int]:
        names = (f"{self.prefix}-{number}-id" for number in range(self.absolute_max))
        keys = (self.data.get(name, "") for name in names)
        return [int(key) for key in keys if re.fullmatch(r"[0-9]{1,18}", key)]

    @property
    def number_of_all(self) -> int:
        """How many grants there are on it."""
        return Grant.objects.filter(**{self.fk.name: self.instance}).count()

    def clean(self) -> None:
        """Name the field that gives too much."""
        super().clean()
        for form in self.forms:
            if form in self.deleted_forms or not form.has_changed() or not form.is_valid():
                continue
            if not self.instance._state.adding:  # on what is new hangs nothing
                refuse_too_much(form, self.viewer, self.instance)


class GrantInline(RelationWidgetsMixin, _TabularInline):
    """Who else may see it."""

    model = Grant
    form = UnchangedTimesForm
    formset = GrantFormSet
    template = "admin/images_app/grants.html"
    extra = 0
    max_num = MOST_SHOWN + _MOST_NEW
    fields = ("user", "group", "level", "right", "ends_at")
    raw_id_fields = ("user", "group")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Tell the forms who grants."""
        kwargs.setdefault("absolute_max", self.max_num)
        formset: Any = super().get_formset(request, obj, **kwargs)  # a class for this request
        formset.viewer = viewer_of(request)
        if obj is not None:
            formset.list_url = self._list_url(request, formset.fk, obj)
        return formset

    def get_queryset(self, request: HttpRequest) -> QuerySet[Grant]:
        """Return the grants with their holders, whom each row names."""
        return super().get_queryset(request).select_related("user", "group")

    def _list_url(self, request: HttpRequest, fk: Any, obj: Any) -> str:
        """Return where all of them are listed, for who may read that."""
        registered = self.admin_site._registry.get(Grant)  # noqa: SLF001
        may_read = registered is not None and registered.has_view_permission(request)
        if not (may_read and self._may_share(request, obj)):
            return ""
        lookup = f"{fk.name}__{fk.target_field.name}__exact"
        url = admin_url(self.admin_site, Grant, "changelist")
        return f"{url}?{urlencode({lookup: obj.pk})}"

    def has_add_permission(self, request: HttpRequest, obj: Any) -> bool:  # type: ignore[override]
        """Granting takes the right to share."""
        return super().has_add_permission(request, obj) and self._may_share(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Likewise."""
        return super().has_change_permission(request, obj) and self._may_share(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Likewise."""
        return super().has_delete_permission(request, obj) and self._may_share(request, obj)

    def _may_share(self, request: HttpRequest, obj: Any) -> bool:
        return obj is None or is_reachable(obj, viewer_of(request), Right.SHARE)
