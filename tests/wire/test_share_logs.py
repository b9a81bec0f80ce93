"""Addresses of share links are in no log of nginx, wherever the app is mounted."""

from __future__ import annotations

import http.client

import pytest

from tests.wire.nginx import nginx, write_configuration
from tests.wire.servers import free_port

pytestmark = pytest.mark.slow
TOKEN = "Q4x9_secret-token_of_a_link"
MOUNTED = ("", "/gallery", "/deep/in/a/site")
SPELLED = ("/shared/{}/", "/shared/{}", "/%73hared/{}/", "//shared/{}/?x=1", "/shared/{}).")


def test_token__is_in_no_log(tmp_path):
    """Nobody answers behind this nginx, so that its error log has all the more to tell."""
    port = free_port()
    configuration = write_configuration(
        tmp_path, private=tmp_path, upstream=free_port(), port=port, mode="accel"
    )
    text = configuration.read_text()
    assert text.count("access_log off;\n    sendfile") == 1
    # As most sites have it.
    log = f"access_log {tmp_path}/access.log;"
    configuration.write_text(text.replace("access_log off;\n    sendfile", f"{log}\n    sendfile"))
    with nginx(tmp_path, configuration, port):
        for path in (f"{mount}{spelled}" for mount in MOUNTED for spelled in SPELLED):
            assert status_of(port, path.format(TOKEN)) == 502
        assert status_of(port, "/gallery/galleries/") == 502
    for name in ("access.log", "error.log"):
        logged = (tmp_path / name).read_text()
        assert "/gallery/galleries/" in logged  # it does log
        assert TOKEN not in logged


def status_of(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status
