"""Static files: what the pages ask for is there under every storage of static files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts import ROOT

STATIC = ROOT / "images_app/static/images_app"
DJANGO = "django.contrib.staticfiles.storage"
MANIFEST = f"{DJANGO}.ManifestStaticFilesStorage"
SETTINGS = """
from pathlib import Path
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

class Aggregating(ManifestStaticFilesStorage):
    support_js_module_import_aggregation = True

SECRET_KEY = "for tests only"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.staticfiles",
    "whitenoise",
    "images_app",
]
STATIC_URL = "/static/"
STATIC_ROOT = Path(__file__).parent / "static"
STORAGES = {"staticfiles": {"BACKEND": "%s"}}
WHITENOISE_KEEP_ONLY_HASHED_FILES = %s
"""
FIND = """
import django
django.setup()
from django.templatetags.static import static
print(static("images_app/uploader.js"))
"""
KINDS = {
    "plain": (f"{DJANGO}.StaticFilesStorage", False),
    "manifest": (MANIFEST, False),
    "aggregating": ("settings.Aggregating", False),
    "hashed only": ("whitenoise.storage.CompressedManifestStaticFilesStorage", True),
}


def test_bundle__is_made_of_the_modules_as_they_are(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    from bundle import bundle

    text = bundle()
    assert (STATIC / "uploader.js").read_text() == text, "run make docs"
    assert not re.search(r"^\s*(import|export)\b", text, re.MULTILINE)
    for module in (STATIC / "uploads").glob("*.js"):
        assert f"const {module.stem}Module = " in text, module


def test_templates__ask_for_no_script_that_imports_others():
    sources = [
        source
        for path in (ROOT / "images_app").rglob("templates/**/*.html")
        for source in re.findall(r"<script[^>]* src=\"{% static '(.*?)' %}\"", path.read_text())
    ]
    assert set(sources) == {"images_app/uploader.js"}


@pytest.mark.parametrize("kind", KINDS)
def test_collectstatic__keeps_the_script_whole(kind, tmp_path):
    backend, is_hashed_only = KINDS[kind]
    (tmp_path / "settings.py").write_text(SETTINGS % (backend, is_hashed_only))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DJANGO", "IMAGES"))}
    environment = {
        **kept,
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("-m", "django", "collectstatic", "--no-input", "-v0")
    url = run("-c", FIND).strip()
    found = Path(tmp_path, url.lstrip("/"))
    assert found.read_text() == (STATIC / "uploader.js").read_text()
    assert (found.name == "uploader.js") is (kind == "plain")
    assert (tmp_path / "static/images_app/uploads.js").exists() is not is_hashed_only
