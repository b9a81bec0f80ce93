"""As accel, with a page that answers 200 to all below its address, and our URLs at /mount too."""

from __future__ import annotations

from django.http import HttpResponse

from tests.wire.settings.accel import *  # noqa: F403
from tests.wire.settings.accel import MIDDLEWARE as USUAL

MIDDLEWARE = ["tests.wire.settings.app_page.serve_page", *USUAL]


def serve_page(get_response):
    """A middleware, for settings cannot have URLs."""

    def answer(request):
        if request.path.startswith("/app/"):
            return HttpResponse("One page, whatever the address.")
        request.path_info = request.path_info.removeprefix("/mount")
        return get_response(request)

    return answer
