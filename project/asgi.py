"""The demo project under ASGI."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

from images_app.asgi import BodyLimit, PathSend

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
application = BodyLimit(PathSend(get_asgi_application()))
