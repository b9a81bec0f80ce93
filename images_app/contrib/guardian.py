"""GuardianPolicy: the object permissions of django-guardian decide who may see what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib.auth import get_permission_codename, get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured
from django.db.models import (
    CharField,
    Exists,
    Func,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    UUIDField,
    Value,
)
from django.db.models.functions import Concat, Substr

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
    levels, while that user is active. Nothing else opens anything: neither a gallery's
    visibility nor a grant.
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
        for given in _permissions(model, viewer, access):
            condition |= Q(Exists(_on_row(given, model, f"{prefix}pk", codenames)))
        return condition

    def _codenames(self, model: Any, access: Access) -> list[str]:
        """Name the permissions that give an access: its own, and those of what includes it."""
        including: list[Access] = [access]
        if isinstance(access, Level):
            including = [*(level for level in Level if level >= access), *Right]
        actions = {self._actions[each.name.lower()] for each in including}
        options = model._meta.concrete_model._meta
        return sorted(get_permission_codename(action, options) for action in actions)


def _permissions(model: Any, viewer: Viewer, access: Access) -> Iterator[QuerySet[Any]]:
    """Yield what the viewer was given: by themselves, by their groups, and what anyone was.

    One queryset each: no index serves two of them in one condition.
    """
    # guardian's models cannot be imported before all apps are there.
    from guardian.utils import (  # noqa: PLC0415
        get_group_obj_perms_model,
        get_user_obj_perms_model,
    )

    of_users = get_user_obj_perms_model(model)._default_manager
    user: Any = viewer.user
    if has_key(viewer):
        yield of_users.filter(user=user.pk)
        if hasattr(user, "groups"):
            groups = user._meta.get_field("groups")
            theirs = {groups.related_query_name(): user.pk}
            its_groups = groups.related_model._default_manager.filter(**theirs).order_by()
            of_groups = get_group_obj_perms_model(model)._default_manager
            yield of_groups.filter(group__in=its_groups.values("pk"))
    anyone = _anonymous_user()
    if anyone is not None and isinstance(access, Level):
        yield of_users.filter(user=Subquery(anyone.values("pk")[:1]))


def _anonymous_user() -> QuerySet[Any] | None:
    """Return the row of guardian's anonymous user, as long as it is active; None without one."""
    from guardian.conf import settings as guardian_settings  # noqa: PLC0415 (reads the settings)

    name = guardian_settings.ANONYMOUS_USER_NAME
    if name is None:
        return None
    model: Any = get_user_model()
    found: QuerySet[Any] = model._base_manager.filter(**{model.USERNAME_FIELD: name}).order_by()
    may_be_off = any(field.name == "is_active" for field in model._meta.get_fields())
    return found.filter(is_active=True) if may_be_off else found


def _on_row(given: QuerySet[Any], model: Any, key: str, codenames: list[str]) -> QuerySet[Any]:
    """Narrow object permissions to some of those on the row whose key the outer query has.

    They are looked up for each row: to read all that somebody was given for a row that is
    there, and none of it for one that is not, would tell the two apart.

    Args:
        given: rows of one of guardian's tables.
        model: of the outer rows.
        key: the name of their key in the outer query.
        codenames: of the permissions that count.

    """
    options = model._meta.concrete_model._meta
    content_type = Subquery(
        ContentType.objects.filter(app_label=options.app_label, model=options.model_name).values(
            "pk"
        )[:1]
    )
    given = given.filter(
        permission__codename__in=codenames, permission__content_type=content_type
    ).order_by()
    if not given.model.objects.is_generic():
        return given.filter(content_object=OuterRef(key))
    return given.filter(content_type=content_type, object_pk=_KeyText(OuterRef(key)))


class _KeyText(Func):
    """A key as guardian writes it, which is ``str()`` of it.

    So the key becomes text, and not guardian's text a key: that is what is indexed, and rows of
    other models have keys of other kinds.
    """

    arity = 1
    output_field = CharField()

    def as_sql(self, compiler: Any, connection: Any, **_context: Any) -> Any:  # type: ignore[override]
        """Concatenate, which makes text of anything; MySQL's CAST would bring a collation."""
        [key] = self.get_source_expressions()
        field: Any = key.output_field
        while field.remote_field is not None:  # of a model that extends another one with a table
            field = field.target_field
        parts: list[Any] = [key, Value("")]
        if isinstance(field, UUIDField) and not connection.features.has_native_uuid_field:
            parts = _with_hyphens(key)
        return compiler.compile(Concat(*parts, output_field=CharField()))


def _with_hyphens(key: Any) -> list[Any]:
    """Take 32 digits apart into the parts of a UUID."""
    parts: list[Any] = []
    for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12)):
        parts += [Substr(key, start, length), Value("-")]
    return parts[:-1]
