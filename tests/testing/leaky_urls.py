"""Hosts that leak: views as they are often written, each under a name of its own."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.files.storage import storages
from django.http import FileResponse, HttpResponse, HttpResponseForbidden
from django.shortcuts import get_object_or_404
from django.urls import include, path

from images_app.access import Level, Viewer
from images_app.conf import ORIGINALS
from images_app.http import not_found, read_only
from images_app.models import Image
from project.urls import urlpatterns as sound


def opened(image):
    return storages[ORIGINALS].open(image.storage_name)


def find(request, public_id):
    """The image, and whether it is there and its viewer may have it."""
    image = Image.objects.filter(public_id=public_id).first()
    mine = Image.objects.visible_to(Viewer(user=request.user), Level.ORIGINAL)
    return image, mine.filter(public_id=public_id).exists()


@login_required
def without_owner(request, public_id):
    return FileResponse(opened(get_object_or_404(Image, public_id=public_id)))


def forbidden(request, public_id):
    image, is_mine = find(request, public_id)
    if image and not is_mine:
        return HttpResponseForbidden("No.")
    return FileResponse(opened(image)) if is_mine else HttpResponse(status=404)


def lengthy_head(request, public_id):
    image, is_mine = find(request, public_id)
    if image and request.method == "HEAD" and not is_mine:
        return HttpResponse(status=404, headers={"Content-Length": str(image.byte_size)})
    return FileResponse(opened(image)) if is_mine else HttpResponse(status=404)


def tagged(request, public_id):
    image, is_mine = find(request, public_id)
    response = FileResponse(opened(image)) if is_mine else HttpResponse(status=404)
    if image:
        response.headers["ETag"] = f'"{image.checksum}"'
    return response


def for_caches(request, public_id):
    image, is_mine = find(request, public_id)
    response = FileResponse(opened(image)) if is_mine else HttpResponse(status=404)
    response.headers["Cache-Control"] = "public, max-age=600"
    return response


def without_vary(request, public_id):
    """As with a middleware that drops what looks superfluous."""
    image, is_mine = find(request, public_id)
    request.session.accessed = False
    return FileResponse(opened(image)) if is_mine else HttpResponse(status=404)


def talkative(request, public_id):
    image, is_mine = find(request, public_id)
    if not is_mine:
        return HttpResponse(status=404)
    links = "".join(f'<img src="{each.original_url}">' for each in Image.objects.all())
    return HttpResponse(f"<p>{image.storage_name}</p>{links}")


def failing(request, public_id):
    image, is_mine = find(request, public_id)
    if image and not is_mine:
        raise RuntimeError
    return FileResponse(opened(image)) if is_mine else HttpResponse(status=404)


def media(request, name):
    return FileResponse(storages[ORIGINALS].open(name))


@login_required
def members_media(request, name):
    return media(request, name)


# --- in place of the app's own views ----------------------------------------------------------


@read_only
def open_page(request, public_id):
    return HttpResponse(str(get_object_or_404(Image, public_id=public_id)))


def any_method(request, public_id, file_name):
    return not_found()


OWN = {
    view.__name__: view
    for view in (
        without_owner,
        forbidden,
        lengthy_head,
        tagged,
        for_caches,
        without_vary,
        talkative,
        failing,
    )
}
urlpatterns = [
    *(path(f"own/{name}/<uuid:public_id>", view, name=name) for name, view in OWN.items()),
    path("media/<path:name>", media),
    path("media-of-members/<path:name>", members_media),
    *sound,
]


class Urls:
    """URLs of a host in which one of the app's views was replaced."""

    def __init__(self, *patterns):
        self.urlpatterns = [*patterns, *sound]


open_pages = Urls(path("images/<uuid:public_id>/", open_page))
all_methods = Urls(path("originals/<uuid:public_id>/<str:file_name>", any_method))
elsewhere = Urls()
elsewhere.urlpatterns = [
    path("shop/pictures/", include("images_app.urls", namespace="pictures")),
    *sound[:-1],
]
