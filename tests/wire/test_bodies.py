"""Large bodies on real servers: the answer comes before the body does, and no file is made."""

from __future__ import annotations

import http.client
import urllib.parse

import pytest

from tests.wire.servers import serving
from tests.wire.test_servers import Browser

pytestmark = pytest.mark.slow
SERVERS = ("gunicorn", "gunicorn threads", "uvicorn", "granian", "hypercorn")
LARGE = 60 * 2**20
# By WSGI, by ASGI: of what a stranger sends to each address.
ADDRESSES = {
    "/": (405, 405),
    "/healthz": (405, 405),
    "/originals/00000000-0000-4000-8000-000000000000/1.jpg": (405, 405),
    "/login/": (413, 413),
    "/links/": (413, 413),
    "/shared/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/": (413, 413),
    "/images/edit/": (401, 415),
    "/uploads/": (401, 415),
    "/galleries/00000000-0000-4000-8000-000000000000/arrange/": (302, 413),
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request, demo, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("temporary")
        patch.setenv("TMPDIR", str(folder))
        with serving(request.param, demo) as running:
            yield running, folder


@pytest.mark.parametrize("path", ADDRESSES)
def test_large_body__is_answered_before_it_is_sent(server, path):
    running, folder = server
    before = set(folder.rglob("*"))
    parts = urllib.parse.urlsplit(running.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    connection.putrequest("POST", path)
    connection.putheader("Content-Type", "multipart/form-data; boundary=b")
    connection.putheader("Content-Length", str(LARGE))
    connection.putheader("Cookie", f"csrftoken={'a' * 32}")
    connection.endheaders(b"--b\r\nContent-Disposition: form-data; name=x; filename=x\r\n\r\nx")
    response = connection.getresponse()
    is_asgi = "gunicorn" not in running.name
    assert response.status == ADDRESSES[path][is_asgi]
    connection.close()
    assert set(folder.rglob("*")) == before
    assert Browser(running.url).ask("GET", "/healthz")[0] == 200
