"""Rendering at upload: by a task, at once without one, and never a reason to refuse an image."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.utils.module_loading import import_string

from images_app import tasks
from images_app.contrib.remote import tasks as remote_tasks
from images_app.engines.bounded import BoundedEngine
from images_app.exceptions import RenderFailed
from images_app.models import Image, Rendition

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parent.parent
HOST = """
from pathlib import Path

from images_app.storages import private_storages

BASE_DIR = Path(__file__).parent
SECRET_KEY = "for tests only"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "images_app",
    "images_app.contrib.remote",
    "django_tasks_db",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
STORAGES = private_storages(BASE_DIR / "private")
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
IMAGES_APP = {"RENDER_AT_UPLOAD": True}
"""
UPLOAD = """
from io import BytesIO

from django.core.files.base import ContentFile
from PIL import Image as Picture

from images_app import ingest_image
from images_app.contrib.remote.tasks import refresh_source
from images_app.models import Rendition

target = BytesIO()
Picture.new("RGB", (700, 400), "teal").save(target, "JPEG")
ingest_image(ContentFile(target.getvalue(), "a.jpg"), owner=None)
refresh_source.enqueue(4711)
assert not Rendition.objects.exists()
"""
RESULTS = """
from django_tasks_db.models import DBTaskResult

from images_app.models import Rendition

print(Rendition.objects.count(), sorted(DBTaskResult.objects.values_list("status", flat=True)))
"""


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
    monkeypatch.setattr(tasks, "render_image", tasks.DirectTask(tasks.render_image.func))
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
    assert tasks.render_image.call(4711) == 0


@pytest.mark.parametrize("task", [tasks.render_image, remote_tasks.refresh_source])
def test_task__stands_where_a_worker_looks_for_it(task):
    assert import_string(f"{task.func.__module__}.{task.func.__qualname__}") is task


def test_queue__in_a_database_is_worked_off_by_its_worker(tmp_path):
    """The worker is a process of its own, which knows a task by its path alone."""
    (tmp_path / "host_settings.py").write_text(HOST)

    def manage(*arguments):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "django", *arguments],
            cwd=tmp_path,
            env={"DJANGO_SETTINGS_MODULE": "host_settings", "PYTHONPATH": f"{tmp_path}:{ROOT}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    manage("migrate", "--verbosity", "0")
    manage("shell", "--no-imports", "-c", UPLOAD)
    manage("db_worker", "--batch", "--no-startup-delay")
    assert manage("shell", "--no-imports", "-c", RESULTS).strip() == (
        f"{1 + 3 * 3} ['SUCCESSFUL', 'SUCCESSFUL']"
    )
