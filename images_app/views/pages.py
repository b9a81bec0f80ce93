"""The pages: galleries that I may see, one gallery, one image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.db.models import Count, Exists, F, IntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import get_resolver, get_urlconf
from django.utils.cache import patch_cache_control, patch_vary_headers

from images_app import audit
from images_app.access import Level, Right, Viewer
from images_app.conf import get_policy, get_settings
from images_app.http import read_only
from images_app.models import Gallery, GalleryItem, get_image_model
from images_app.models.access_entry import Kind
from images_app.models.location import with_locations
from images_app.views.authorise import (
    offers_links,
    viewer_of,
    visible_galleries,
    visible_images,
)
from images_app.views.keyset import Page, keyset_page, neighbours
from images_app.views.session_user import session_user

_GALLERIES_ON_A_PAGE = 48
ITEM_ORDER = ("item_position", "item_id")


@read_only
def gallery_list(request: HttpRequest) -> HttpResponseBase:
    """Show the galleries that the viewer may see, each with a cover that they may see too."""
    viewer = viewer_of(request)
    page = _page(
        request,
        _with_covers(visible_galleries(viewer), viewer),
        ("position", "-created_at", "-id"),
        _GALLERIES_ON_A_PAGE,
    )
    covers = visible_images(viewer).in_bulk(
        [gallery.shown_cover_id for gallery in page.rows if gallery.shown_cover_id]
    )
    for gallery in page.rows:
        gallery.shown_cover = covers.get(gallery.shown_cover_id)
    return _respond(
        request,
        "images_app/gallery_list.html",
        {"page": page},
        is_private=viewer.is_authenticated,
    )


@login_not_required  # decided by the policy: of who has opened a share link it asks no login
@read_only
def gallery(request: HttpRequest, *, public_id: UUID) -> HttpResponseBase:
    """Show one gallery."""
    viewer = viewer_of(request)
    found = _with_buttons(request, viewer).filter(public_id=public_id).first()
    if found is None:
        audit.denied(viewer, Kind.GALLERY, public_id, Level.PREVIEW)
        return absent(request)
    audit.allowed(viewer, Kind.GALLERY, public_id, Level.PREVIEW)
    page = _page(request, images_of(found, viewer), ITEM_ORDER, get_settings().page_size)
    return _respond(
        request,
        "images_app/gallery.html",
        {"gallery": found, "page": page, "may_add": _may_add(viewer, found)},
        is_private=not found.anyone,
    )


@login_not_required  # likewise
@read_only
def image(request: HttpRequest, *, public_id: UUID) -> HttpResponseBase:
    """Show one image; ``?gallery=`` names the gallery whose neighbours are linked."""
    viewer = viewer_of(request)
    galleries = visible_galleries(viewer, Level.VIEW, annotate=False)
    found = (
        with_locations(_shareable(request, visible_images, viewer), galleries)
        .filter(public_id=public_id)
        .select_related("camera_data")
        .first()
    )
    if found is None:
        audit.denied(viewer, Kind.PAGE, public_id, Level.PREVIEW)
        return absent(request)
    audit.allowed(viewer, Kind.PAGE, public_id, Level.PREVIEW)
    return _respond(
        request,
        "images_app/image.html",
        {"image": found, **_neighbourhood(request, viewer, found)},
        is_private=not found.anyone,
    )


def _with_covers(galleries: Any, viewer: Viewer) -> Any:
    """Annotate the cover, else the first image, of those that the viewer may see; and their number.

    The model's own ``cover_id`` is not to be shown: the viewer may be kept from that image.
    """
    visible = visible_images(viewer, annotate=False)
    inside = visible.filter(gallery_items__gallery=OuterRef("pk"))
    chosen = visible.filter(pk=OuterRef("cover"))
    first = inside.order_by("gallery_items__position", "gallery_items__id")
    number = inside.order_by().values("gallery_items__gallery").annotate(n=Count("pk")).values("n")
    return galleries.annotate(
        shown_cover_id=Coalesce(
            Subquery(chosen.values("pk")[:1]), Subquery(first.values("pk")[:1])
        ),
        number_of_images=Coalesce(Subquery(number[:1], output_field=IntegerField()), 0),
    )


def images_of(gallery: Gallery, viewer: Viewer) -> Any:
    """Answer with what hangs there and the viewer may see, to be ordered by ITEM_ORDER."""
    return (
        visible_images(viewer)
        .filter(gallery_items__gallery=gallery)
        .annotate(item_position=F("gallery_items__position"), item_id=F("gallery_items__id"))
    )


def _neighbourhood(request: HttpRequest, viewer: Viewer, image: Any) -> dict[str, Any]:
    """Answer with gallery, previous and next image, or nothing where the viewer has no gallery."""
    try:
        wanted = UUID(request.GET.get("gallery", ""))
    except ValueError:
        return {}
    gallery = visible_galleries(viewer).filter(public_id=wanted).first()
    item = GalleryItem.objects.filter(gallery=gallery, image=image.pk).first() if gallery else None
    if gallery is None or item is None:
        return {}
    images = images_of(gallery, viewer)
    previous, following = neighbours(images, ITEM_ORDER, (item.position, item.pk))
    return {"gallery": gallery, "previous_image": previous, "next_image": following}


def _page(request: HttpRequest, queryset: Any, order: tuple[str, ...], size: int) -> Page:
    return keyset_page(
        queryset, order, size, after=request.GET.get("after"), before=request.GET.get("before")
    )


def _shareable(request: HttpRequest, rows: Callable[..., Any], viewer: Viewer) -> Any:
    """Answer with the visible rows, which tell by ``may_share`` whether the page has a button."""
    if not offers_links(request):
        return rows(viewer)
    theirs = rows(viewer, Right.SHARE, annotate=False).filter(pk=OuterRef("pk"))
    return rows(viewer).annotate(may_share=Exists(theirs))


def _with_buttons(request: HttpRequest, viewer: Viewer) -> Any:
    """Answer with the visible galleries, which tell who may share and who may arrange them."""
    theirs = visible_galleries(viewer, Right.CHANGE, annotate=False).filter(pk=OuterRef("pk"))
    return _shareable(request, visible_galleries, viewer).annotate(may_change=Exists(theirs))


def _may_add(viewer: Viewer, gallery: Any) -> bool:
    """Ask the policy only where it is not known: the page of adding asks it in any case."""
    if not viewer.is_authenticated:
        return False
    return gallery.may_change or get_policy().may_add(viewer, gallery)


def absent(request: HttpRequest) -> HttpResponseBase:
    """Answer alike for what is not there and what is not shown: login first, else 404."""
    if session_user(request).is_authenticated:
        return nothing_here(request)
    response = redirect_to_login(request.get_full_path())
    response.headers["Cache-Control"] = "no-store"
    return response


def nothing_here(request: HttpRequest) -> HttpResponseBase:
    """Answer 404, to whomever."""
    # The project's own page, as for an address that leads nowhere.
    handler: Any = get_resolver(get_urlconf()).resolve_error_handler(404)
    response: HttpResponseBase = handler(request, exception=Http404())
    response.headers["Cache-Control"] = "no-store"
    return response


def _respond(
    request: HttpRequest, template: str, context: dict[str, Any], *, is_private: bool
) -> HttpResponse:
    """Render a page that no shared cache keeps; search engines keep private ones out too."""
    image_model = get_image_model()._meta
    context |= {
        "may_change_images": f"{image_model.app_label}.change_{image_model.model_name}",
        "Level": Level,
    }
    response = render(request, template, context)
    patch_cache_control(response, private=True, no_cache=True)
    patch_vary_headers(response, ["Cookie"])
    if is_private:
        response.headers["X-Robots-Tag"] = "noindex"
    return response
