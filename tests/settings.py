"""The demo project's settings, made small and fast for tests."""

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("DJANGO_SECRET_KEY", "for tests only, and long enough to be accepted")
_FOLDER = tempfile.TemporaryDirectory(prefix="images-app-tests-", ignore_cleanup_errors=True)
os.environ["IMAGES_VAR_DIR"] = os.environ.get("IMAGES_TEST_VAR_DIR") or _FOLDER.name

from project.settings import *  # noqa: E402, F403

INSTALLED_APPS = [
    *INSTALLED_APPS,  # noqa: F405
    "images_app.contrib.dbstorage",
    "images_app.contrib.remote",
]
if find_spec("guardian"):
    # Its tables, and nothing else: no user of its own, no methods on ours, no backend.
    INSTALLED_APPS += ["guardian"]
    ANONYMOUS_USER_NAME = None
    GUARDIAN_MONKEY_PATCH_USER = GUARDIAN_MONKEY_PATCH_GROUP = False
    # Its check asks for the backend; silenced, it would still come out of run_checks().
    from django.core.checks.registry import registry
    from guardian.checks import check_settings

    registry.registered_checks.discard(check_settings)
_VAR = Path(STATIC_ROOT).parent  # noqa: F405
_DATABASE = DATABASES["default"]  # noqa: F405
# A file, for tests with threads: they share no connection, and an in-memory database has no
# waiting for each other.
_DATABASE["TEST"] = {"NAME": str(_VAR / "test.sqlite3"), "DEPENDENCIES": []}
match os.environ.get("IMAGES_TEST_DATABASE"):  # see tests/databases.py
    case "second":
        DATABASES = {"default": {}, "second": _DATABASE}
        DATABASE_ROUTERS = ["tests.databases.Second"]
    case "replica":
        _COPY = {**_DATABASE, "TEST": {"NAME": str(_VAR / "copy.sqlite3")}}
        DATABASES = {"default": _DATABASE, "replica": _COPY}
        DATABASE_ROUTERS = ["tests.databases.StaleReplica"]
    case "postgresql" | "mariadb" as _KIND:  # see tests/database_servers.py
        DATABASES = {
            "default": {
                "ENGINE": f"django.db.backends.{_KIND.replace('mariadb', 'mysql')}",
                "HOST": "127.0.0.1",
                "PORT": os.environ["IMAGES_TEST_DATABASE_PORT"],
                "NAME": "images",
                "USER": "images",
                "OPTIONS": {"charset": "utf8mb4"} if _KIND == "mariadb" else {},
            }
        }
        if _KIND == "mariadb":
            import pymysql

            pymysql.version_info = (2, 2, 7, "final", 0)  # of mysqlclient, which has no wheels
            pymysql.install_as_MySQLdb()
USE_TZ = os.environ.get("IMAGES_TEST_USE_TZ") != "0"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    **STORAGES,  # noqa: F405
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
Path(STATIC_ROOT).mkdir(parents=True, exist_ok=True)  # noqa: F405 (WhiteNoise warns without it)
LOGGING = {"version": 1, "disable_existing_loggers": False}
