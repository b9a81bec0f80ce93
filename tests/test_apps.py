"""The app's start."""

from __future__ import annotations

import sys

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

ENGINE = "images_app.engines.bounded.BoundedEngine"


@pytest.mark.parametrize("executable", ["/usr/sbin/uwsgi", "/usr/sbin/apache2", "", None])
def test_ready__inside_of_a_server_says_that_no_interpreter_fits(monkeypatch, settings, executable):
    """Such a server runs no checks, and manage.py's are run by a Python."""
    monkeypatch.setattr(sys, "executable", executable)
    settings.IMAGES_APP = {"ENGINE": {"BACKEND": ENGINE, "OPTIONS": {"python": "/nowhere"}}}
    with pytest.raises(ImproperlyConfigured, match="no interpreter '/nowhere' of this Python"):
        apps.get_app_config("images_app").ready()
    settings.IMAGES_APP = {}
    apps.get_app_config("images_app").ready()


def test_ready__leaves_the_rest_to_the_checks(settings):
    settings.IMAGES_APP = {"ENGINE": {"BACKEND": ENGINE, "OPTIONS": {"python": "/nowhere"}}}
    apps.get_app_config("images_app").ready()
