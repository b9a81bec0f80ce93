"""Stored bytes that end too early break the connection: no client takes them for the whole."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest

from tests.wire.servers import manage, serving

pytestmark = pytest.mark.slow
SERVERS = ("gunicorn", "gunicorn threads", "uvicorn", "granian", "hypercorn", "daphne")
# It sends no more and leaves the connection open, until the client gives up.
BROKEN_OFF = {"daphne": TimeoutError}
URL = """
from images_app.models import Image
from images_app.renditions import rendition_url
print(rendition_url(Image.objects.filter(galleries__visibility='public').first(), 'thumb'))
"""


@pytest.fixture(scope="module")
def url(demo):
    """A public rendition."""
    return manage(demo, "shell", "-v0", "-c", URL).strip()


@pytest.mark.parametrize("name", SERVERS)
def test_short__file_breaks_the_connection(demo, url, name):
    with serving(name, demo, "tests.wire.short_settings") as server:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
        connection.request("GET", url)
        response = connection.getresponse()
        assert response.status == 200
        with pytest.raises(BROKEN_OFF.get(name, (http.client.IncompleteRead, ConnectionError))):
            response.read()
        connection.close()  # and who comes next is served
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
