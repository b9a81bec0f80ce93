"""images_clean: what has expired goes, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.utils import timezone

from images_app.models import AccessEntry, Image, PartialUpload
from images_app.models.access_entry import Kind

pytestmark = pytest.mark.django_db(transaction=True)


def clean(capsys, *arguments):
    call_command("images_clean", *arguments)
    return capsys.readouterr().out.strip()


@pytest.fixture
def expired_things(make_image, make_user):
    long_ago = timezone.now() - timedelta(days=1000)
    Image.objects.filter(pk=make_image().pk).update(trashed_at=long_ago)
    Image.objects.filter(pk=make_image().pk).update(trashed_at=timezone.now())
    make_image()
    PartialUpload.objects.create(
        owner=make_user(), length=10, touched_at=long_ago, storage_alias="images"
    )
    PartialUpload.objects.create(owner=make_user("other"), length=10, storage_alias="images")
    AccessEntry.objects.create(at=long_ago, kind=Kind.PAGE, is_allowed=True, public_id=uuid4())


def test_clean__deletes_what_has_expired(expired_things, capsys, files):
    assert clean(capsys) == "Deleted: 1 images, 1 unfinished uploads, 1 log entries."
    assert (Image.objects.count(), PartialUpload.objects.count(), len(files())) == (2, 1, 2)
    assert clean(capsys) == "Deleted: 0 images, 0 unfinished uploads, 0 log entries."


def test_clean__dry_run_deletes_nothing(expired_things, capsys):
    assert clean(capsys, "--dry-run") == "1 images would be deleted."
    assert Image.objects.count() == 3
    assert AccessEntry.objects.exists()
