"""The public API: at most ten names, loaded on first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

import images_app


def test_all__is_pinned():
    assert images_app.__all__ == [
        "ImagesAppError",
        "Level",
        "Representation",
        "Right",
        "UploadRefused",
        "Viewer",
        "get_image_model",
        "ingest_image",
        "rendition_url",
        "send_representation",
    ]
    assert len(images_app.__all__) <= 10


@pytest.mark.parametrize("name", images_app.__all__)
def test_name__is_found_under_its_own_name(name):
    assert getattr(images_app, name).__name__ == name


def test_name__that_is_not_there():
    with pytest.raises(AttributeError, match="'images_app' has no attribute 'nonsense'"):
        _ = images_app.nonsense


@pytest.mark.parametrize(
    "module",
    ["images_app", "images_app.engines.pillow", "images_app.specs", "images_app.exceptions"],
)
def test_import__of_the_pure_rooms_brings_no_django(module):
    code = (
        f"import sys, {module}; "
        "print(sorted(m for m in sys.modules if m.split('.')[0] in {'django', 'asgiref'}))"
    )
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
