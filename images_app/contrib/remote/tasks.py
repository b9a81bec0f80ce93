"""Tasks: looking again at where an image came from, in the host's queue where there is one."""

from __future__ import annotations

from images_app.contrib.remote.models import RemoteSource
from images_app.contrib.remote.sources import refresh
from images_app.tasks import task


@task
def refresh_source(image_pk: int) -> str:
    """Refresh the source of one image, and return the outcome; "" where there is none."""
    source = RemoteSource.objects.filter(pk=image_pk, image__trashed_at=None).first()
    return "" if source is None else refresh(source)


def enqueue_refresh(source: RemoteSource) -> None:
    """Have a source refreshed by the host's queue, or at once where there is none."""
    refresh_source.enqueue(source.pk)
