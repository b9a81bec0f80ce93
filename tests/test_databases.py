"""Databases: what is written names its database, and is read where it is written."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from django.apps import apps
from django.db import IntegrityError, connections

import images_app
from images_app.ingest import ingest_image
from images_app.models import get_image_model
from images_app.models.querysets import WrittenModel
from tests.databases import DATABASE
from tests.parts import ROOT
from tests.pictures import upload

FOLDER = Path(images_app.__file__).parent
MODULES = {
    str(path.relative_to(FOLDER)): path.read_text()
    for path in FOLDER.rglob("*.py")
    if "migrations" not in path.parts
}
DJANGOS = {"django.db", "django.db.transaction"}
ONES = {"atomic", "on_commit", "set_rollback", "savepoint", "get_connection", "set_autocommit"}
LABELS = ("images_app", "images_app_dbstorage", "images_app_remote")


class Elsewhere:
    """A router that sends readings to another database than writings."""

    def db_for_read(self, model, **hints):
        return "replica"

    def db_for_write(self, model, **hints):
        return DATABASE

    def allow_relation(self, first, second, **hints):
        return True


def calls_without_database(source: str) -> list[str]:
    """Name what is asked of Django's transactions without saying of which database."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module in {
            "django.db",
            "django.db.transaction",
        }:
            names = {alias.name for alias in node.names}
            found += sorted(names & {"connection", "DEFAULT_DB_ALIAS", *ONES})
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of = getattr(node.func.value, "id", "")
            is_named = any(keyword.arg == "using" for keyword in node.keywords)
            if of == "transaction" and node.func.attr in ONES and not is_named:
                found.append(f"{node.func.attr} in line {node.lineno}")
    return found


def test_transactions__name_their_database():
    found = {name: calls_without_database(source) for name, source in MODULES.items()}
    assert {name: calls for name, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from django.db import connection",
        "from django.db.transaction import atomic",
        "from django.db import transaction\nwith transaction.atomic(): pass",
        "from django.db import transaction\ntransaction.on_commit(print, robust=True)",
    ],
)
def test_transaction__without_its_database_is_found(source):
    assert calls_without_database(source)


def test_images__are_not_read_by_their_base_manager():
    # Which is a host's, or Django's, and reads from a copy.
    names = ("get_image_model()._base_manager", "type(image)._base_manager")
    found = [module for module, source in MODULES.items() if any(n in source for n in names)]
    assert found == []


@pytest.mark.parametrize(
    "model",
    [model for model in apps.get_models() if model._meta.app_label in LABELS],
    ids=lambda model: model.__name__,
)
def test_record__is_read_where_it_is_written(settings, model):
    settings.DATABASE_ROUTERS = ["tests.test_databases.Elsewhere"]
    managers = [model._default_manager, model.objects]
    if model is not get_image_model():  # whose base manager is left to hosts that swap it
        assert issubclass(model, WrittenModel)
        managers.append(model._base_manager)
    for manager in managers:
        assert manager.all().db == DATABASE
        assert manager.filter(pk=1).order_by("pk").values("pk").db == DATABASE
        assert manager.using("another").all().db == "another"


@pytest.mark.parametrize("name", ["image", "gallery"])
def test_relation__is_followed_where_it_is_written(settings, make_gallery, name):
    item = make_gallery(images=1).items.get()
    settings.DATABASE_ROUTERS = ["tests.test_databases.Elsewhere"]  # where nothing can be read
    assert getattr(item, name).pk == getattr(item, f"{name}_id")
    item.image.refresh_from_db()
    item.gallery.refresh_from_db()


def test_ingest__that_fails_leaves_nothing_whatever_the_database(make_user, files, monkeypatch):
    """The transaction has to be in the database that is written to, or the record would stay."""

    def refuse(*args):
        raise IntegrityError

    monkeypatch.setattr("images_app.ingest.record_extras", refuse)
    with pytest.raises(IntegrityError):
        ingest_image(upload(), owner=make_user())
    assert not get_image_model().objects.exists()
    assert files() == []


def test_callbacks__wait_in_the_database_that_is_written(make_image):
    before = len(connections[DATABASE].run_on_commit)
    make_image()
    waiting = [repr(call) for _, call, _ in connections[DATABASE].run_on_commit[before:]]
    assert sum("ingest_image" in call for call in waiting) == 1


def test_guide__names_what_has_to_be_in_one_database():
    text = (ROOT / "docs/how-to/databases.md").read_text()
    assert "db_for_write" in text
