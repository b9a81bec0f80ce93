"""Where an image was fetched from."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

IMAGE_MODEL = getattr(settings, "IMAGES_APP_IMAGE_MODEL", "images_app.Image")


class Migration(migrations.Migration):
    initial = True

    dependencies = [migrations.swappable_dependency(IMAGE_MODEL)]

    operations = [
        migrations.CreateModel(
            name="RemoteSource",
            fields=[
                (
                    "image",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="remote_source",
                        serialize=False,
                        to=IMAGE_MODEL,
                        verbose_name="image",
                    ),
                ),
                ("url", models.CharField(max_length=2000, verbose_name="address")),
                (
                    "final_url",
                    models.CharField(max_length=2000, verbose_name="address after redirects"),
                ),
                ("etag", models.CharField(blank=True, max_length=500, verbose_name="ETag")),
                (
                    "last_modified",
                    models.CharField(blank=True, max_length=500, verbose_name="Last-Modified"),
                ),
                (
                    "checksum",
                    models.CharField(max_length=64, verbose_name="SHA-256 of the fetched bytes"),
                ),
                ("fetched_at", models.DateTimeField(verbose_name="fetched at")),
                ("checked_at", models.DateTimeField(db_index=True, verbose_name="checked at")),
                ("outcome", models.CharField(max_length=50, verbose_name="outcome")),
            ],
            options={
                "verbose_name": "remote source",
                "verbose_name_plural": "remote sources",
                "ordering": ["-fetched_at", "-image_id"],
            },
        ),
    ]
