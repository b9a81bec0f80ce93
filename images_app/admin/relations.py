"""Related rows in the admin: names only of those that the user may see."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import ForeignKeyRawIdWidget
from django.contrib.auth import get_permission_codename
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from images_app.models import Gallery, get_image_model
from images_app.views.authorise import viewer_of, visible_galleries, visible_images


def may_read(request: HttpRequest, model: Any) -> bool:
    """Tell whether a model permission lets this user read a model's rows."""
    names = (get_permission_codename(action, model._meta) for action in ("view", "change"))
    return any(request.user.has_perm(f"{model._meta.app_label}.{name}") for name in names)


def known_rows(request: HttpRequest, model: Any) -> QuerySet[Any]:
    """Answer with the rows whose names this user may read; of users always themselves."""
    if issubclass(model, get_image_model()):
        visible = visible_images(viewer_of(request), annotate=False)
        if model is get_image_model():
            return visible
        extended: QuerySet[Any] = model._base_manager.filter(pk__in=visible.order_by().values("pk"))
        return extended
    if model is Gallery:
        return visible_galleries(viewer_of(request), annotate=False)
    rows: QuerySet[Any] = model._default_manager.all()
    if may_read(request, model):
        return rows
    return rows.filter(pk=request.user.pk) if isinstance(request.user, model) else rows.none()


class KnownRawIdWidget(ForeignKeyRawIdWidget):
    """Takes a key, and names the row only if it is a known one."""

    def __init__(self, *args: Any, known: QuerySet[Any], **kwargs: Any) -> None:
        """Take the rows that may be named."""
        super().__init__(*args, **kwargs)
        self.known = known

    def label_and_url_for_value(self, value: Any) -> tuple[str, str]:
        """Answer with nothing for unknown rows, as for absent ones."""
        try:
            is_known = self.known.filter(**{self.rel.get_related_field().name: value}).exists()
        except (TypeError, ValueError, ValidationError):
            is_known = False
        return super().label_and_url_for_value(value) if is_known else ("", "")


class RelationWidgetsMixin:
    """Searches related rows where the related admin may be asked, else takes their key."""

    known_only_fields: tuple[str, ...] = ()  # relations to nothing but known rows

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        """Answer with the relations whose admin this viewer may search."""
        found = []
        for name in self.raw_id_fields:  # type: ignore[attr-defined]
            related = self.model._meta.get_field(name).remote_field.model  # type: ignore[attr-defined]
            registered = self.admin_site._registry.get(related)  # type: ignore[attr-defined]  # noqa: SLF001
            if registered and registered.search_fields and registered.has_view_permission(request):
                found.append(name)
        return found

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer no related objects but those that may be chosen, and name none but known ones."""
        known = known_rows(request, db_field.remote_field.model)
        if db_field.name in self.known_only_fields:
            kwargs.setdefault("queryset", known)
        searched = self.get_autocomplete_fields(request)
        if db_field.name in self.raw_id_fields and db_field.name not in searched:  # type: ignore[attr-defined]
            kwargs["widget"] = KnownRawIdWidget(
                db_field.remote_field,
                self.admin_site,  # type: ignore[attr-defined]
                using=kwargs.get("using"),
                known=known,
            )
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]


class KnownRowsFilter(admin.RelatedFieldListFilter):
    """Offers the first of the rows that the viewer may know, and filters by any of those."""

    template = "admin/images_app/known_rows_filter.html"
    most = 20
    has_more = False  # than are offered

    def rows(self, request: HttpRequest, model: Any) -> QuerySet[Any]:
        """Return the rows that may be named."""
        return known_rows(request, model)

    def has_output(self) -> bool:
        """Return whether it is to be asked: Django would leave out one that offers nothing."""
        return bool(self.lookup_val) or super().has_output()

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """Return keys and names: the first ones, and those that are filtered by."""
        rows = self.rows(request, field.remote_field.model)
        ordering = self.field_admin_ordering(field, request, model_admin)
        first = list(rows.order_by(*ordering)[: self.most + 1])
        self.has_more, first = len(first) > self.most, first[: self.most]
        name = field.target_field.attname
        chosen = self._chosen(rows, name)
        return list({getattr(row, name): str(row) for row in [*chosen, *first]}.items())

    def _chosen(self, rows: QuerySet[Any], name: str) -> list[Any]:
        """Return the known ones of the rows that are filtered by."""
        wanted = list(self.lookup_val or ())[: self.most or 1]
        try:
            return list(rows.filter(**{f"{name}__in": wanted})) if wanted else []
        except (TypeError, ValueError, ValidationError):
            return []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        """Return the same answer for a hidden row as for an absent one."""
        known = {str(key) for key, _name in self.lookup_choices}
        if not known.issuperset(self.lookup_val or ()):
            return queryset.none()
        return super().queryset(request, queryset)


class VisibleGalleriesFilter(KnownRowsFilter):
    """Offers, and filters by, the galleries that the viewer may see."""

    def rows(self, request: HttpRequest, model: Any) -> QuerySet[Any]:
        """Return them."""
        return visible_galleries(viewer_of(request), annotate=False)


class ChosenImageFilter(KnownRowsFilter):
    """Says by which image the list is filtered, as a link to it asks; offers none."""

    most = 0

    def has_output(self) -> bool:
        """Return whether there is anything to say."""
        return bool(self.lookup_val)


class GalleryOwnersFilter(KnownRowsFilter):
    """Offers the owners of the galleries that the viewer may see, as the list does."""

    def rows(self, request: HttpRequest, model: Any) -> QuerySet[Any]:
        """Return them."""
        galleries = visible_galleries(viewer_of(request), annotate=False).order_by()
        owners: QuerySet[Any] = model._default_manager.filter(pk__in=galleries.values("owner"))
        return owners
