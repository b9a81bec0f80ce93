"""System checks: what would make private images public is an error before the first request."""

from __future__ import annotations

from django.core.checks import Tags, register

from images_app.checks.databases import check_databases
from images_app.checks.others import (
    check_delivery,
    check_image_model,
    check_login,
    check_sessions,
    check_settings,
    check_sqlite,
    check_values,
)
from images_app.checks.storages import (
    STORAGES_TO_PASTE,
    check_recorded_storages,
    check_storages,
    complaints_about,
    private_aliases,
)

__all__ = [
    "STORAGES_TO_PASTE",
    "check_databases",
    "check_delivery",
    "check_image_model",
    "check_login",
    "check_recorded_storages",
    "check_sessions",
    "check_settings",
    "check_sqlite",
    "check_storages",
    "check_values",
    "complaints_about",
    "private_aliases",
    "register_all",
]


def register_all() -> None:
    """Register every check."""
    for check in (
        check_settings,
        check_values,
        check_storages,
        check_image_model,
        check_delivery,
        check_sessions,
        check_login,
        check_databases,
    ):
        register(check, Tags.security if check is check_storages else "images_app")
    # With --deploy only: it reads every record, and later Djangos ask the database on each command.
    register(check_recorded_storages, Tags.database, deploy=True)
    # Likewise: for trying things out, one visitor at a time is enough.
    register(check_sqlite, "images_app", deploy=True)
