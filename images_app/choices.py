"""Form fields that offer few of many rows, and of images those that their viewer may see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q, QuerySet
from django.forms.boundfield import BoundField
from django.forms.models import ModelChoiceIterator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from images_app.access import Level, Viewer
from images_app.models import ImageQuerySet, get_image_model

if TYPE_CHECKING:  # generic for the type checker only
    _ModelChoiceField = forms.ModelChoiceField[Any]
    _ModelMultipleChoiceField = forms.ModelMultipleChoiceField[Any]
    _Iterator: Any = object
else:
    _Iterator = ModelChoiceIterator
    _ModelChoiceField = forms.ModelChoiceField
    _ModelMultipleChoiceField = forms.ModelMultipleChoiceField


class _FirstChoices(_Iterator):  # type: ignore[misc]
    """The first rows of a field, however many there are."""

    def __init__(self, field: Any) -> None:
        self.field = field  # and no rows yet: whose they are is known once there is a form

    @property
    def queryset(self) -> QuerySet[Any]:
        """All rows that may be chosen."""
        rows: QuerySet[Any] = self.field.allowed()
        return rows

    def __iter__(self) -> Iterator[Any]:
        if self.field.empty_label is not None:
            yield ("", self.field.empty_label)
        yield from map(self.choice, self.field.offered())


class FewChoicesField(_ModelChoiceField):
    """Takes any row of its queryset; offers the first of them, and the one that is chosen."""

    iterator = _FirstChoices
    most = 50
    more_text: Any = gettext_lazy("Only the first %(number)d are offered.")
    chosen: Any = None

    def get_bound_field(self, form: Any, field_name: str) -> BoundField:
        """Note what is chosen, and say so where not all is offered."""
        bound = super().get_bound_field(form, field_name)
        self.chosen = bound.value()
        if self._is_list() and self.allowed()[self.most :].exists():
            more = self.more_text % {"number": self.most}
            bound.help_text = f"{bound.help_text} {more}".strip()
        return bound

    def _is_list(self) -> bool:
        """Return whether the widget lists what is offered; others search, or take a key."""
        widget = getattr(self.widget, "widget", self.widget)  # the admin wraps it
        return isinstance(widget, forms.widgets.ChoiceWidget) and not hasattr(widget, "get_url")

    def allowed(self) -> QuerySet[Any]:
        """Return all rows that may be chosen."""
        rows: Any = self.queryset
        return rows  # type: ignore[no-any-return]

    def offered(self) -> list[Any]:
        """Return the rows to choose from: what is chosen, and the first ones."""
        chosen = self._rows_of(self.chosen)
        keys = {row.pk for row in chosen}
        return [*chosen, *(row for row in self.allowed()[: self.most] if row.pk not in keys)]

    def _rows_of(self, value: Any) -> list[Any]:
        values = self.prepare_value(value)
        values = values if isinstance(values, (list, tuple)) else [values]
        wanted = [each for each in values if each not in self.empty_values]
        try:
            rows = self.allowed().filter(**{f"{self.to_field_name or 'pk'}__in": wanted})
            return list(rows) if wanted else []
        except (TypeError, ValueError, ValidationError):
            return []


class _OfViewer(FewChoicesField):
    """What fields of one image and of several share.

    They offer and take what their viewer may see, and what is there already. The viewer is
    ``viewer`` of the form; the admin says it by itself. Without one, nothing is offered or taken
    but what is there, unless somebody sets ``queryset`` to rows that they have chosen themselves.
    """

    most = 500
    viewer: Viewer | None = None
    relation: Any = None  # the model's field
    is_given = False  # whether somebody chose the rows
    kept: tuple[Any, ...] = ()  # what is there already, by the values of the field
    _is_made = False
    _form: Any = None
    _queryset: Any

    def __init__(self, queryset: Any, **kwargs: Any) -> None:
        super().__init__(queryset, **kwargs)
        self._is_made = True

    def __deepcopy__(self, memo: Any) -> Any:
        copied = super().__deepcopy__(memo)
        copied.is_given = self.is_given  # or giving the copy its rows would count as choosing
        return copied

    @property
    def queryset(self) -> Any:
        """The rows to begin with; who sets them has chosen them, if they are not just all."""
        return self._queryset

    @queryset.setter
    def queryset(self, rows: Any) -> None:
        self._set_queryset(rows)  # type: ignore[attr-defined]
        self.is_given = self._is_made and rows is not None and bool(rows.query.where)

    def get_limit_choices_to(self) -> Any:
        """Return nothing: a form would set the rows by it, and so seem to have chosen them."""
        return None

    def get_bound_field(self, form: Any, field_name: str) -> BoundField:
        """Note who asks, and what is there already."""
        self._form = form
        instance = getattr(form, "instance", None)
        if self.relation is not None and isinstance(instance, self.relation.model):
            self.kept = tuple(self._kept_by(instance))
        return super().get_bound_field(form, field_name)

    def _kept_by(self, instance: Any) -> list[Any]:
        if isinstance(self.relation, models.ManyToManyField) and instance.pk is None:
            return []
        value = self.prepare_value(self.relation.value_from_object(instance))
        return value if isinstance(value, list) else [value] if value is not None else []

    def allowed(self) -> QuerySet[Any]:
        """Return what the viewer may see, and what is there already."""
        kept = Q(**{f"{self.to_field_name or 'pk'}__in": self.kept})
        return self._limited().filter(self._named() | kept)

    def _limited(self) -> QuerySet[Any]:
        rows: QuerySet[Any] = self._queryset
        limit = super().get_limit_choices_to()
        if limit:
            # By their keys: conditions on other tables would find a row several times.
            rows = rows.filter(pk__in=rows.model._base_manager.complex_filter(limit).values("pk"))
        return rows

    def _named(self) -> Q:
        """Return the condition under which an image may be offered with its title."""
        viewer = getattr(self._form, "viewer", None) or self.viewer
        if viewer is not None:
            images = ImageQuerySet(get_image_model())
            visible = images.visible_to(viewer, Level.PREVIEW, annotate=False)
            return Q(pk__in=visible.order_by().values("pk"))
        return Q(trashed_at=None) if self.is_given else Q(pk__in=[])

    def label_from_instance(self, obj: Any) -> str:
        """Return the title; of what is there already but not to be seen, its key."""
        is_kept = obj.serializable_value(self.to_field_name or "pk") in self.kept
        if is_kept and obj.pk not in self._kept_and_named():
            return _("Image %(key)s") % {"key": obj.pk}
        return super().label_from_instance(obj)

    def _kept_and_named(self) -> set[Any]:
        if "_known" not in self.__dict__:
            kept = Q(**{f"{self.to_field_name or 'pk'}__in": self.kept})
            rows = self._limited().filter(self._named() & kept)
            self._known = set(rows.values_list("pk", flat=True))
        return self._known

    @contextmanager
    def _narrowed(self) -> Iterator[None]:
        """Let Django's own validation look among what is allowed."""
        given, self._queryset = self._queryset, self.allowed()
        try:
            yield
        finally:
            self._queryset = given


class ImageChoiceField(_OfViewer):
    """One image."""

    def to_python(self, value: Any) -> Any:
        """Return the image, if it is allowed."""
        with self._narrowed():
            return super().to_python(value)


class ImageMultipleChoiceField(_OfViewer, _ModelMultipleChoiceField):
    """Several images."""

    def _check_values(self, value: Any) -> Any:
        with self._narrowed():
            return super()._check_values(value)  # type: ignore[misc]


def is_image_relation(field: Any) -> bool:
    """Return whether a model's field points at the image model, or at what extends it."""
    if not isinstance(field, (models.ForeignKey, models.ManyToManyField)):
        return False
    related: Any = field.remote_field.model
    return isinstance(related, type) and issubclass(related, get_image_model())


def formfield(field: Any, **kwargs: Any) -> Any:
    """Make the form field of a relation to an image, in the place of ``field.formfield``."""
    if is_image_relation(field):
        is_many = isinstance(field, models.ManyToManyField)
        kwargs.setdefault("form_class", ImageMultipleChoiceField if is_many else ImageChoiceField)
    made = type(field).formfield(field, **kwargs)
    if isinstance(made, _OfViewer):
        made.relation = field
    return made


def get_choices(field: Any, *args: Any, **kwargs: Any) -> list[tuple[Any, Any]]:
    """Return the choices of ``field.get_choices``, without titles: nobody says who asks."""
    choices = type(field).get_choices(field, *args, **kwargs)
    if not is_image_relation(field):
        return choices  # type: ignore[no-any-return]
    few = choices[: _OfViewer.most]
    return [(key, _("Image %(key)s") % {"key": key} if key else label) for key, label in few]
