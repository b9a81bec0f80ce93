"""Forms that leave alone the times that nobody changed."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django import forms

if TYPE_CHECKING:  # generic for the type checker only
    _ModelForm = forms.ModelForm[Any]
else:
    _ModelForm = forms.ModelForm


class UnchangedTimesForm(_ModelForm):
    """Keeps a time that comes back as it was shown.

    A form shows local time without its offset. In the hour that a clock passes twice, or never,
    Django refuses to read that back, and the whole page could not be saved any more.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            if isinstance(field, forms.DateTimeField | forms.SplitDateTimeField):
                known = self.initial.get(name)  # with its microseconds, which no widget shows
                if isinstance(known, datetime):
                    field.clean = partial(_clean, field, field.clean, known)  # type: ignore[method-assign]


def _clean(field: Any, clean: Any, known: datetime, value: Any) -> Any:
    """Return the known time where it is the one that came back, else what the field reads."""
    if not field.has_changed(known.replace(microsecond=0), value):
        return known
    return clean(value)
