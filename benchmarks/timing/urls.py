"""The app's URLs and no others."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("", include("images_app.urls"))]
