"""Tasks: making renditions outside of a request, by Django's own interface where there is one."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from images_app.conf import get_settings
from images_app.database import database_of
from images_app.exceptions import ImagesAppError
from images_app.models import AbstractImage, get_image_model
from images_app.renditions import make_renditions, specs_for

logger = logging.getLogger("images_app.tasks")


def task_decorator() -> Any:
    """Find Django's own (6.0 and later), else its backport's, else None."""
    for module in ("django.tasks", "django_tasks"):
        try:
            return import_module(module).task
        except ImportError:
            continue
    return None


def render_image(image_pk: int) -> int:
    """Make all renditions of an image that are missing, and answer with how many.

    An image that is gone, in the trash, or cannot be rendered now is no failure of the
    task: whoever looks at it makes what is missing.
    """
    model = get_image_model()
    rows = model._default_manager.using(database_of(model))  # just made: a copy may lack it
    image = rows.filter(pk=image_pk, trashed_at=None).first()
    if image is None:
        return 0
    try:
        return make_renditions(image, specs_for(image, get_settings().presets.values()))
    except ImagesAppError as error:
        logger.warning("%s image=%s", error, image_pk)
        return 0


_decorator = task_decorator()
_render_image_task: Any = _decorator and _decorator(render_image)


def enqueue_rendering(image: AbstractImage) -> None:
    """Have an image rendered: by the host's task backend, else at once."""
    if _render_image_task is None:
        _render_directly(image.pk)
    else:
        _render_image_task.enqueue(image.pk)


def _render_directly(image_pk: int) -> None:
    """Render within the call: the third branch, for Django 5.2 without the backport."""
    render_image(image_pk)
