"""The views that one writes by hand, and a door: it logs in and tells every address."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404

from benchmarks.delivery.models import Picture


def empty(request: HttpRequest) -> HttpResponse:
    """Do nothing: what Django and its middleware cost."""
    return HttpResponse()


@login_required
def login_only(request: HttpRequest, name: str) -> FileResponse:
    """Send a file to whoever is logged in."""
    return FileResponse(default_storage.open(f"pictures/{name}"))


@login_required
def owner_only(request: HttpRequest, pk: int) -> FileResponse:
    """Send a file to its owner."""
    picture = get_object_or_404(Picture, pk=pk, owner=request.user)
    return FileResponse(picture.file.open())


def enter(request: HttpRequest) -> JsonResponse:
    """Log in without a password, and answer with the addresses of everything by name.

    By the server that will be asked, since its settings decide how addresses look, and since
    a session in its memory is one that nobody else can make.
    """
    from benchmarks.delivery.addresses import addresses  # noqa: PLC0415 (none but this one)

    user = get_user_model().objects.get()
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return JsonResponse(addresses(user))
