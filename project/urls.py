"""The URLs of the demo project."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from images_app.uploads import form_gated
from images_app.views.health import healthz, readyz

login = LoginView.as_view(redirect_authenticated_user=True)
urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("login/", form_gated()(login), name="login"),
    path("logout/", form_gated()(LogoutView.as_view()), name="logout"),
    path("admin/", admin.site.urls),
    path("", include("images_app.urls")),
]
