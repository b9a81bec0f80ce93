"""Tasks: making renditions outside of a request, in the host's queue where there is one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any

from images_app.conf import get_settings
from images_app.database import database_of
from images_app.exceptions import ImagesAppError
from images_app.models import AbstractImage, get_image_model
from images_app.renditions import make_renditions, specs_for

logger = logging.getLogger("images_app.tasks")


class DirectTask:
    """A task where no queue can be had: to enqueue it is to call it."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func

    def call(self, *args: Any) -> Any:
        """Call the function, as the tasks of Django do."""
        return self.func(*args)

    def enqueue(self, *args: Any) -> None:
        """Call the function at once."""
        self.func(*args)


def task(func: Callable[..., Any]) -> Any:
    """Return the function as a task: Django's own (6.0 and later), its backport's, or a DirectTask.

    A worker imports a task by the module and the name of its function, so the task has to
    stand under that very name: use this as a decorator.
    """
    for module in ("django.tasks", "django_tasks"):
        try:
            return import_module(module).task(func)
        except ModuleNotFoundError:
            continue
    return DirectTask(func)


@task
def render_image(image_pk: int) -> int:
    """Make all renditions that an image lacks, and return how many were made.

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


def enqueue_rendering(image: AbstractImage) -> None:
    """Have an image rendered by the host's queue, or at once where there is none."""
    render_image.enqueue(image.pk)
