"""Tasks: looking again at where an image came from, by the host's task backend if there is one."""

from __future__ import annotations

from typing import Any

from images_app.contrib.remote.models import RemoteSource
from images_app.contrib.remote.sources import refresh
from images_app.tasks import task_decorator


def refresh_source(image_pk: int) -> str:
    """Refresh the source of one image, and answer with the outcome; "" where there is none."""
    source = RemoteSource.objects.filter(pk=image_pk, image__trashed_at=None).first()
    return "" if source is None else refresh(source)


_decorator = task_decorator()
_refresh_source_task: Any = _decorator and _decorator(refresh_source)


def enqueue_refresh(source: RemoteSource) -> None:
    """Have a source refreshed: by the host's task backend, else at once."""
    if _refresh_source_task is None:
        _refresh_directly(source.pk)
    else:
        _refresh_source_task.enqueue(source.pk)


def _refresh_directly(image_pk: int) -> None:
    """Refresh within the call: the third branch, for Django 5.2 without the backport."""
    refresh_source(image_pk)
