"""The user of the demo project, with a UUID key so that nothing relies on whole numbers."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A user."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
