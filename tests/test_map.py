"""The walls that a reader can see in the imports (the layers are held by import-linter)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import images_app

ROOT = Path(images_app.__file__).parent


def imported(source):
    """Every module, or name in a module, that some code imports anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they lead"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules(*names):
    """The Python files of rooms, each a module or a package."""
    found = []
    for name in names:
        path = ROOT / name
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    return found


def crossing(path, forbidden):
    return [
        name
        for name in imported(path.read_text())
        if any(f"{name}.".startswith(f"{wall}.") for wall in forbidden)
    ]


def name_of(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", modules("delivery", "http", "validation"), ids=name_of)
def test_wall__delivery_http_and_validation_see_no_settings_records_or_policies(path):
    forbidden = ["django.conf", "images_app.conf", "images_app.models", "images_app.policies"]
    assert crossing(path, forbidden) == []


@pytest.mark.parametrize("path", modules("engines", "specs", "exceptions"), ids=name_of)
def test_wall__engines_and_values_see_no_django(path):
    assert crossing(path, ["django", "images_app.conf", "images_app.models"]) == []


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=name_of)
def test_settings__are_read_by_conf_and_by_what_speaks_of_other_settings(path):
    # conf reads IMAGES_APP; the others ask for STORAGES, AUTH_USER_MODEL and the like.
    if name_of(path) != "conf.py":
        used = [
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and node.attr == "IMAGES_APP"
        ]
        assert used == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import django.conf", ["django.conf"]),
        ("from django.conf import settings", ["django.conf.settings"]),
        ("from django import conf", ["django.conf"]),
        ("def f():\n    from django.conf import settings", ["django.conf.settings"]),
        ("import django.config", []),
    ],
)
def test_walls__the_reader_of_imports_sees_every_shape(tmp_path, source, expected):
    path = tmp_path / "a.py"
    path.write_text(source)
    assert crossing(path, ["django.conf"]) == expected
