"""The app's configuration: connects what announces to what listens."""

from __future__ import annotations

from types import MethodType
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.db.models import ForeignKey, ManyToManyField
from django.db.models.fields.related import lazy_related_operation
from django.db.models.signals import class_prepared
from django.utils.translation import gettext_lazy as _

# Django resolves swappable names from one flat setting only and knows no default for it. Django
# imports the configurations of all apps before the models of any: from here, a host's foreign key
# to ``settings.IMAGES_APP_IMAGE_MODEL`` finds it wherever the host stands in INSTALLED_APPS.
if not hasattr(settings, "IMAGES_APP_IMAGE_MODEL"):
    settings.IMAGES_APP_IMAGE_MODEL = "images_app.Image"


class ImagesAppConfig(AppConfig):
    name = "images_app"
    verbose_name = _("Images")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks and follow deletions.

        Raises:
            ImproperlyConfigured: where Python is embedded and no engine can be made.

        """
        # Models must be loaded first.
        from images_app import checks, housekeeping, signals  # noqa: PLC0415
        from images_app.conf import get_engine  # noqa: PLC0415
        from images_app.engines.interpreter import is_embedded  # noqa: PLC0415

        checks.register_all()
        housekeeping.connect()
        for signal in (signals.image_ingested, signals.image_replaced):
            signal.connect(_render_at_upload, dispatch_uid="images_app.tasks")
        if is_embedded():
            # Such a server runs no checks, and those of manage.py find a Python of their own.
            get_engine()


def _render_at_upload(sender: Any, image: Any, **_: Any) -> None:
    """Pass a new original on to the tasks, where the host has asked for it."""
    from images_app.conf import get_settings  # noqa: PLC0415 (as above)
    from images_app.tasks import enqueue_rendering  # noqa: PLC0415

    if get_settings().render_at_upload:
        enqueue_rendering(image)


def _watch_relations(sender: Any, **_: Any) -> None:
    """Look at each relation of a model as soon as it is known what it points at."""
    if sender._meta.apps is not apps:  # a migration's, which has no forms
        return
    for field in (*sender._meta.local_fields, *sender._meta.local_many_to_many):
        if isinstance(field, (ForeignKey, ManyToManyField)):
            lazy_related_operation(_guard, sender, field.remote_field.model, field=field)


def _guard(model: Any, related: Any, field: Any) -> None:
    """Let a relation to images, whoever's it is, make form fields that tell no titles."""
    # By its name: the first models are being imported, and ours may import those.
    names = {f"{each.__module__}.{each.__name__}" for each in related.__mro__}
    if "images_app.models.image.AbstractImage" in names:
        field.formfield = MethodType(_formfield, field)
        field.get_choices = MethodType(_get_choices, field)


def _formfield(field: Any, **kwargs: Any) -> Any:
    from images_app.choices import formfield  # noqa: PLC0415 (as above)

    return formfield(field, **kwargs)


def _get_choices(field: Any, *args: Any, **kwargs: Any) -> Any:
    from images_app.choices import get_choices  # noqa: PLC0415 (as above)

    return get_choices(field, *args, **kwargs)


# Now, and not in ready(): forms may be made while other apps are being imported.
class_prepared.connect(_watch_relations, dispatch_uid="images_app.relations")
