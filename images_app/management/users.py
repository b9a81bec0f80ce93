"""Users by name, refusals as one line, and titles that are safe on a terminal, for commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.management.base import CommandError
from django.db.models import ProtectedError, RestrictedError


def find_user(name: str) -> Any:
    """Find a user by the model's USERNAME_FIELD, also one whom its manager hides.

    Raises:
        CommandError: when there is none, or more than one.

    """
    model = get_user_model()
    found = list(model._base_manager.filter(**{model.USERNAME_FIELD: name})[:2])
    if len(found) != 1:
        message = f"There is {'more than one' if found else 'no'} user {name!r}."
        raise CommandError(message)
    return found[0]


def printable(value: object) -> str:
    """Answer with a title without what a terminal would obey, such as escape sequences."""
    return "".join(each if each.isprintable() else "?" for each in str(value))


@contextmanager
def refusals_told() -> Iterator[None]:
    """Make what refuses to go on the command's own error."""
    try:
        yield
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    except (ProtectedError, RestrictedError) as error:
        message = f"Nothing was changed, since something is protected: {error.args[0]}"
        raise CommandError(message) from error
    except ObjectDoesNotExist as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        message = f"{where}{error.strerror or type(error).__name__}."
        raise CommandError(message) from error
