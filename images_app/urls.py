"""The app's URLs; image URLs end in the name of the stored file."""

from __future__ import annotations

from django.urls import path

from images_app.views import (
    adding,
    arrange,
    editing,
    files,
    links,
    pages,
    resumable,
    shared,
    upload,
)
from images_app.views.answers import error_as_json
from images_app.views.guarding import guarded

app_name = "images_app"
urlpatterns = [
    path("", pages.gallery_list, name="gallery_list"),
    path("galleries/<uuid:public_id>/", pages.gallery, name="gallery"),
    path("images/<uuid:public_id>/", pages.image, name="image"),
    path("images/upload/", upload.upload, name="upload"),
    path("images/upload/place/", upload.upload_place, name="upload_place"),
    path("uploads/", resumable.resumable, name="resumable"),
    path("uploads/<uuid:public_id>/", resumable.resumable_part, name="resumable_part"),
    path("galleries/<uuid:public_id>/links/", links.gallery_links, name="gallery_links"),
    path("images/<uuid:public_id>/links/", links.image_links, name="image_links"),
    path("links/", links.links, name="links"),
    path("galleries/<uuid:public_id>/add/", adding.add_images, name="add_images"),
    path("galleries/<uuid:public_id>/arrange/", arrange.arrange, name="arrange"),
    path("galleries/<uuid:public_id>/order/", editing.order_images, name="order_images"),
    path("images/edit/", editing.edit_images, name="edit_images"),
    path("links/<uuid:public_id>/revoke/", links.revoke, name="revoke_link"),
    path("links/<uuid:public_id>/password/", links.set_password, name="link_password"),
    path("shared/<str:token>/", shared.shared, name="shared"),
    # What mail programs make of it: a token may be in there, which nobody else shall log.
    path("shared/<path:token>", shared.shared, name="shared_otherwise"),
    path("originals/<uuid:public_id>/<str:file_name>", files.original, name="original"),
    path(
        "renditions/<uuid:public_id>/<str:version>/<str:file_name>",
        files.rendition,
        name="rendition",
    ),
    path(
        "decisions/<uuid:public_id>/<str:version>/<str:file_name>",
        files.decision,
        name="decision",
    ),
    # Anything else below them looks like an absent image, not like a page that is missing.
    path("originals/<path:rest>", files.nothing, name="no_original"),
    path("renditions/<path:rest>", files.nothing, name="no_rendition"),
]

_FOR_SCRIPTS = {
    *("upload", "upload_place", "resumable", "resumable_part", "order_images", "edit_images"),
}
for _pattern in urlpatterns:  # here, so that none is forgotten
    _refuse = error_as_json if _pattern.name in _FOR_SCRIPTS else None
    _pattern.callback = guarded(_pattern.callback, _refuse)
