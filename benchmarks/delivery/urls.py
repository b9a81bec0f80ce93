"""The URLs of every way to deliver."""

from __future__ import annotations

from django.urls import include, path, re_path
from wagtail.images.views.serve import ServeView

from benchmarks.delivery import views

urlpatterns = [
    path("enter/", views.enter),
    path("empty/", views.empty, name="empty"),
    path("login-only/<str:name>", views.login_only, name="login_only"),
    path("owner-only/<int:pk>/", views.owner_only, name="owner_only"),
    path("private-storage/", include("private_storage.urls")),
    re_path(
        r"^wagtail/([^/]*)/(\d*)/([^/]*)/[^/]*$", ServeView.as_view(), name="wagtailimages_serve"
    ),
    path("", include("filer.server.urls")),
    path("images/", include("images_app.urls")),
]
