"""The records of a file in the database: one for the file, one for each chunk of its bytes."""

from __future__ import annotations

from django.db import models

from images_app.models.querysets import WrittenModel

NAME_LENGTH = 255  # characters


class StoredFile(WrittenModel):
    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    byte_size = models.PositiveBigIntegerField()
    chunk_size = models.PositiveIntegerField()  # bytes of each chunk but the last
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        pass  # not that of WrittenModel, or migrations would name its manager

    def __str__(self) -> str:
        return self.name


class StoredChunk(WrittenModel):
    file = models.ForeignKey(
        StoredFile, on_delete=models.CASCADE, related_name="chunks", db_index=False
    )
    number = models.PositiveIntegerField()  # from 0
    content = models.BinaryField()

    class Meta:
        constraints = [
            # It finds the chunks of a file too, so the foreign key needs no index of its own.
            models.UniqueConstraint(
                fields=["file", "number"], name="images_app_dbstorage_chunk_once"
            )
        ]

    def __str__(self) -> str:
        return f"chunk {self.number}"
