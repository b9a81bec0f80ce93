"""The databases of the tests: one, another than ``default``, or one with a copy that is stale.

IMAGES_TEST_DATABASE=second leaves ``default`` empty, as Django's documentation does, and has a
router send everything elsewhere. With =replica, a router sends every reading of our records to a
copy in which there are none. =postgresql and =mariadb are servers, see tests/database_servers.py.
"""

from __future__ import annotations

import os
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.utils.connection import ConnectionProxy

WANTED = os.environ.get("IMAGES_TEST_DATABASE", DEFAULT_DB_ALIAS)
DATABASE = "second" if WANTED == "second" else DEFAULT_DB_ALIAS
"""Where everything is written to."""
DATABASES = [DATABASE, "replica"] if WANTED == "replica" else [DATABASE]
connection: Any = ConnectionProxy(connections, DATABASE)
"""As ``django.db.connection``, which is always to ``default``."""
_OURS = {"images_app", "images_app_dbstorage", "images_app_remote"}


class Second:
    """Everything is in one database, which is not ``default``."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """See Django's documentation of routers."""
        return "second"

    db_for_write = db_for_read

    def allow_relation(self, first: Any, second: Any, **hints: Any) -> bool:
        """See Django's documentation of routers."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """See Django's documentation of routers."""
        return db == "second"


class StaleReplica:
    """What is written is not in the copy yet, and our records are read there."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """See Django's documentation of routers."""
        return "replica" if model._meta.app_label in _OURS else "default"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        """See Django's documentation of routers."""
        return "default"

    def allow_relation(self, first: Any, second: Any, **hints: Any) -> bool:
        """See Django's documentation of routers."""
        return True
