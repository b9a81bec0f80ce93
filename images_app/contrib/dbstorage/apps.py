"""The configuration of the app that keeps files in the database."""

from __future__ import annotations

from django.apps import AppConfig


class DatabaseStorageConfig(AppConfig):
    name = "images_app.contrib.dbstorage"
    label = "images_app_dbstorage"
    verbose_name = "Files in the database"
    default_auto_field = "django.db.models.BigAutoField"
