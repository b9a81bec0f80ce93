"""Rendering at upload: by a task, at once without one, and never a reason to refuse an image."""

from __future__ import annotations

import pytest

from images_app import tasks
from images_app.engines.bounded import BoundedEngine
from images_app.exceptions import RenderFailed
from images_app.models import Image, Rendition

pytestmark = pytest.mark.django_db


@pytest.fixture
def at_upload(settings):
    settings.IMAGES_APP = {"RENDER_AT_UPLOAD": True}


def ingested(make_image, django_capture_on_commit_callbacks):
    # Twice: a task backend may itself wait for the commit.
    with django_capture_on_commit_callbacks(execute=True):
        return make_image(size=(700, 400))


@pytest.mark.usefixtures("at_upload")
def test_upload__renders_everything(make_image, django_capture_on_commit_callbacks):
    ingested(make_image, django_capture_on_commit_callbacks)
    # thumb, and three rungs of the ladder in three formats
    assert Rendition.objects.count() == 1 + 3 * 3


def test_upload__renders_nothing_by_default(make_image, django_capture_on_commit_callbacks):
    ingested(make_image, django_capture_on_commit_callbacks)
    assert not Rendition.objects.exists()


@pytest.mark.usefixtures("at_upload")
def test_upload__without_tasks_is_a_direct_call(
    make_image, django_capture_on_commit_callbacks, monkeypatch
):
    monkeypatch.setattr(tasks, "_render_image_task", None)
    ingested(make_image, django_capture_on_commit_callbacks)
    assert Rendition.objects.exists()


@pytest.mark.usefixtures("at_upload")
def test_upload__is_kept_when_rendering_fails(
    make_image, django_capture_on_commit_callbacks, monkeypatch, caplog
):
    def fail(self, *args, **kwargs):
        raise RenderFailed

    monkeypatch.setattr(BoundedEngine, "render", fail)
    ingested(make_image, django_capture_on_commit_callbacks)
    assert Image.objects.count() == 1
    assert "render_failed" in caplog.text


def test_render__of_what_is_gone_is_nothing():
    assert tasks.render_image(4711) == 0
