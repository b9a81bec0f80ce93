"""Grants in the admin, below what they are on: nobody gives more than they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as _

from images_app.access import Access, Level, Right, Viewer
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


class GrantFormSet(_InlineFormSet):
    """Refuses new and changed grants of more than the granter has."""

    viewer: Viewer

    def clean(self) -> None:
        """Name the field that gives too much."""
        super().clean()
        for form in self.forms:
            if form in self.deleted_forms or not form.has_changed() or not form.is_valid():
                continue
            level, right = form.cleaned_data["level"], form.cleaned_data["right"]
            access: Access = Right(right) if right else Level(level)
            until = form.cleaned_data["ends_at"]
            is_new = self.instance._state.adding  # nothing hangs there
            if not (is_new or may_give(self.viewer, self.instance, access, until)):
                message = _("You can give no more than you have yourself, nor for longer.")
                form.add_error("right" if right else "level", message)


class GrantInline(RelationWidgetsMixin, _TabularInline):
    """Who else may see it."""

    model = Grant
    form = UnchangedTimesForm
    formset = GrantFormSet
    extra = 0
    fields = ("user", "group", "level", "right", "ends_at")
    raw_id_fields = ("user", "group")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Tell the forms who grants."""
        formset: Any = super().get_formset(request, obj, **kwargs)  # a class for this request
        formset.viewer = viewer_of(request)
        return formset

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
