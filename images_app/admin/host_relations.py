"""Relations of a host's own models to images: its admin offers what the policy lets be seen.

Django's admin has no other place to say who asks: neither a model's field nor a form's is told.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from django.contrib.admin import FieldListFilter
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.admin.widgets import (
    AutocompleteSelect,
    AutocompleteSelectMultiple,
    ForeignKeyRawIdWidget,
    ManyToManyRawIdWidget,
    RelatedFieldWidgetWrapper,
)
from django.db.models import ManyToManyField, QuerySet
from django.http import HttpRequest

from images_app.admin.relations import KnownRawIdWidget, KnownRowsFilter, known_rows
from images_app.choices import is_image_relation
from images_app.models import get_image_model
from images_app.views.authorise import viewer_of

_CHOICES_OF_WIDGETS = ("raw_id_fields", "radio_fields", "filter_horizontal", "filter_vertical")


def ask_the_policy() -> None:
    """Make form fields, filters and searches of images know who asks, in every admin."""
    if getattr(BaseModelAdmin, "_asks_images_app", False):
        return
    BaseModelAdmin._asks_images_app = True  # type: ignore[attr-defined]  # noqa: SLF001
    admin: Any = BaseModelAdmin
    admin.formfield_for_dbfield = _telling(admin.formfield_for_dbfield)
    view: Any = AutocompleteJsonView
    view.get_queryset = _narrowing(view.get_queryset)
    FieldListFilter.register(is_image_relation, KnownRowsFilter, take_priority=True)


def _telling(original: Any) -> Any:
    @wraps(original)
    def formfield_for_dbfield(self: Any, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if not is_image_relation(db_field):
            return original(self, db_field, request, **kwargs)
        if "widget" not in kwargs and not _has_chosen(self, db_field, request):
            kwargs["widget"] = _widget(self, db_field, request, kwargs.get("using"))
        made = original(self, db_field, request, **kwargs)
        if made is not None:
            made.viewer = viewer_of(request)
            _make_discreet(made, known_rows(request, db_field.remote_field.model))
        return made

    return formfield_for_dbfield


def _has_chosen(model_admin: Any, db_field: Any, request: HttpRequest) -> bool:
    """Return whether the host says how the relation is to be shown."""
    named = {name for option in _CHOICES_OF_WIDGETS for name in getattr(model_admin, option)}
    named.update(model_admin.get_autocomplete_fields(request))
    overrides = model_admin.formfield_overrides.get(type(db_field), {})
    return db_field.name in named or "widget" in overrides


def _widget(model_admin: Any, db_field: Any, request: HttpRequest, using: Any) -> Any:
    """Return what searches, where images may be searched; else what takes a key."""
    site, related = model_admin.admin_site, db_field.remote_field.model
    registered = site._registry.get(related)  # noqa: SLF001
    may_search = (
        registered is not None
        and registered.get_search_fields(request)
        and registered.has_view_permission(request)
    )
    is_many = isinstance(db_field, ManyToManyField)
    if may_search:
        return (AutocompleteSelectMultiple if is_many else AutocompleteSelect)(
            db_field, site, using=using
        )
    if is_many:
        return ManyToManyRawIdWidget(db_field.remote_field, site, using=using)
    known = known_rows(request, related)
    return KnownRawIdWidget(db_field.remote_field, site, using=using, known=known)


def _make_discreet(made: Any, known: QuerySet[Any]) -> None:
    """Put a widget that names known rows only into the place of Django's, which names any."""
    widget = made.widget
    inner = widget.widget if isinstance(widget, RelatedFieldWidgetWrapper) else widget
    if type(inner) is not ForeignKeyRawIdWidget:
        return
    discreet: Any = KnownRawIdWidget(inner.rel, inner.admin_site, using=inner.db, known=known)
    discreet.__dict__ = {**inner.__dict__, "known": known}
    if inner is widget:
        made.widget = discreet
    else:
        widget.widget = discreet


def _narrowing(original: Any) -> Any:
    @wraps(original)
    def get_queryset(self: Any) -> Any:
        rows = original(self)
        if not issubclass(rows.model, get_image_model()):
            return rows
        known = known_rows(self.request, get_image_model()).order_by()
        return rows.filter(pk__in=known.values("pk"))

    return get_queryset
