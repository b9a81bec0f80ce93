"""GuardianPolicy: the object permissions of django-guardian decide who may see what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib.auth import get_permission_codename, get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured
from django.db.models import (
    Exists,
    F,
    Field,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    UUIDField,
    Value,
)
from django.db.models.functions import Cast, Replace

from images_app.access import Access, Level, Right, Viewer
from images_app.policies.answering import NOBODY, answer, has_key

_ACTIONS = {
    "preview": "view",
    "view": "view",
    "original": "change",
    "change": "change",
    "share": "change",
    "delete": "delete",
}


class GuardianPolicy:
    """Who may see what, in six sentences.

    An object permission on an image or a gallery, of a user or of one of the user's groups,
    gives the accesses that its action is named for; more than one level includes the lower
    ones, and a right includes ORIGINAL. On a gallery it gives the levels, never the rights, on
    what hangs in it. Owners of an image have every right on it, owners of a gallery see its
    images at ORIGINAL. Staff with Django's own permission on the model see everything and do
    what their permissions say; without the staff flag such a permission counts for nothing, a
    superuser's included. What guardian's anonymous user was explicitly given is for anyone, as
    levels. Nothing else opens anything: neither a gallery's visibility nor a grant.
    """

    def __init__(self, **actions: str) -> None:
        """Take the options.

        Args:
            actions: which action of a permission gives an access: by ``preview``, ``view``,
                ``original``, ``change``, ``share`` and ``delete``, the part of the codename
                before the model's name (``original="download"`` is ``download_image``).

        Raises:
            TypeError: for an access that does not exist.
            ImproperlyConfigured: where guardian is not installed.

        """
        unknown = actions.keys() - _ACTIONS.keys()
        if unknown:
            message = f"There is no access {min(unknown)!r}, only {', '.join(_ACTIONS)}."
            raise TypeError(message)
        if not apps.is_installed("guardian"):
            raise ImproperlyConfigured("guardian is not in INSTALLED_APPS.")
        self._actions = {**_ACTIONS, **actions}

    def images(
        self, viewer: Viewer, queryset: QuerySet[Any], access: Access, *, annotate: bool = True
    ) -> QuerySet[Any]:
        """See Policy."""
        return answer(queryset, viewer, access, self._image_condition, annotate=annotate)

    def galleries(
        self, viewer: Viewer, queryset: QuerySet[Any], access: Access, *, annotate: bool = True
    ) -> QuerySet[Any]:
        """See Policy."""
        return answer(queryset, viewer, access, self._condition, annotate=annotate)

    def may_add(self, viewer: Viewer, gallery: Model) -> bool:
        """See Policy: adding takes the right to change the gallery."""
        galleries = type(gallery)._default_manager.filter(pk=gallery.pk)
        return self.galleries(viewer, galleries, Right.CHANGE, annotate=False).exists()

    def viewer_kind(self, viewer: Viewer) -> str | None:
        """See Policy: what staff may do depends on their permissions, so they are of no kind."""
        if not viewer.is_authenticated:
            return "anonymous"
        if viewer.user.pk is None or getattr(viewer.user, "is_staff", False):
            return None
        return "grouped" if hasattr(viewer.user, "groups") else "alone"

    def _image_condition(self, model: Any, viewer: Viewer, access: Access) -> Q:
        condition = self._condition(model, viewer, access)
        if isinstance(access, Level):  # a right on a gallery is none on what hangs in it
            items = model._meta.get_field("gallery_items").related_model
            galleries = items._meta.get_field("gallery").related_model
            there = self._condition(galleries, viewer, access, prefix="gallery__")
            condition |= Q(Exists(items._default_manager.filter(there, image=OuterRef("pk"))))
        return condition

    def _condition(self, model: Any, viewer: Viewer, access: Access, prefix: str = "") -> Q:
        """Owner, or holder of an object permission on the row itself."""
        condition = NOBODY
        if has_key(viewer):  # None would own what has no owner
            condition = Q(**{f"{prefix}owner": viewer.user.pk})
        codenames = self._codenames(model, access)
        for keys in _permitted_keys(model, viewer, access, codenames):
            condition |= Q(**{f"{prefix}pk__in": keys})
        return condition

    def _codenames(self, model: Any, access: Access) -> list[str]:
        """Name the permissions that give an access: its own, and those of what includes it."""
        including: list[Access] = [access]
        if isinstance(access, Level):
            including = [*(level for level in Level if level >= access), *Right]
        actions = {self._actions[each.name.lower()] for each in including}
        options = model._meta.concrete_model._meta
        return sorted(get_permission_codename(action, options) for action in actions)


def _permitted_keys(
    model: Any, viewer: Viewer, access: Access, codenames: list[str]
) -> Iterator[QuerySet[Any]]:
    """Answer with subqueries of the keys of the rows that somebody was given.

    They are few and the same for every row, so each is a subquery that does not depend on the
    row, and the database asks it once.
    """
    # guardian's models cannot be imported before all apps are there.
    from guardian.utils import (  # noqa: PLC0415
        get_group_obj_perms_model,
        get_user_obj_perms_model,
    )

    holder = _user_condition(viewer, access)
    yield _keys(get_user_obj_perms_model(model), model, holder, codenames)
    if has_key(viewer) and hasattr(viewer.user, "groups"):
        user: Any = viewer.user
        members = user._meta.get_field("groups").related_query_name()
        of_group = Q(**{f"group__{members}": user.pk})
        yield _keys(get_group_obj_perms_model(model), model, of_group, codenames)


def _user_condition(viewer: Viewer, access: Access) -> Q:
    """Choose the user's own permissions, and of levels those that are for anyone."""
    from guardian.conf import settings as guardian_settings  # noqa: PLC0415 (reads the settings)

    condition = Q(user=viewer.user.pk) if has_key(viewer) else NOBODY
    anonymous = guardian_settings.ANONYMOUS_USER_NAME
    if anonymous is not None and isinstance(access, Level):
        condition |= Q(**{f"user__{get_user_model().USERNAME_FIELD}": anonymous})
    return condition


def _keys(permissions: Any, model: Any, holder: Q, codenames: list[str]) -> QuerySet[Any]:
    """Answer with the keys of the model's rows that a table of object permissions names.

    The type of content is asked for within, and never joined: the database must have left out
    the rows of other models before it reads a key, which is text there, as one of this model.
    """
    options = model._meta.concrete_model._meta
    content_type = Subquery(
        ContentType.objects.filter(app_label=options.app_label, model=options.model_name).values(
            "pk"
        )[:1]
    )
    given = permissions._default_manager.filter(
        holder, permission__codename__in=codenames, permission__content_type=content_type
    ).order_by()
    if not permissions.objects.is_generic():
        return given.values("content_object")  # type: ignore[no-any-return]
    given = given.filter(content_type=content_type)
    return given.annotate(key=_key(options.pk)).values("key")  # type: ignore[no-any-return]


def _key(field: Field[Any, Any]) -> Cast:
    """Read guardian's text as a key of the model."""
    while field.remote_field is not None:  # of a model that extends another one with a table
        field = field.target_field  # type: ignore[attr-defined]
    text: Any = F("object_pk")
    if isinstance(field, UUIDField):  # some databases keep UUIDs without hyphens
        text = Replace(text, Value("-"), Value(""))
    return Cast(text, field)
