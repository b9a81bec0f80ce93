"""What a hand-written view has to look up: a file and its owner."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Picture(models.Model):
    """One private file."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    file = models.FileField(upload_to="pictures")

    def __str__(self) -> str:
        return self.file.name
