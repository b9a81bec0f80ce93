"""nginx with the configuration of deploy/, fitted to our folders and ports."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.delivery.servers import ROOT, Server, free_port, running, tool

_DEPLOY = ROOT / "deploy"
SECRET = "for-measuring-only-for-measuring-only"  # noqa: S105 (of secure_link)
STATIC_FILES = """\
user www-data;
worker_processes auto;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log warn;
events { worker_connections 1024; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    types { image/jpeg jpg; }
    server {
        listen 80;
        root /srv/images_app/static;
    }
}
"""


def deployed(include: str = "") -> str:
    """Answer with deploy/nginx.conf, one of its choices taken."""
    text = (_DEPLOY / "nginx.conf").read_text()
    line = f"include nginx/{include}.conf;"
    if include and f"# {line}" not in text:
        message = f"deploy/nginx.conf has no '# {line}' any more"
        raise ValueError(message)
    return text.replace(f"# {line}", line)


@contextlib.contextmanager
def nginx_server(folder: Path, configuration: str, behind: Server) -> Iterator[Server]:
    """Serve by nginx what lies in a folder, with one worker, in front of a server of Django's."""
    port = free_port()
    own = folder / f"nginx-{port}"
    shutil.copytree(_DEPLOY / "nginx", own / "nginx")
    main = own / "nginx.conf"
    main.write_text(configuration)
    places = _places(folder, own, port, behind.port)
    for path in (main, *own.glob("nginx/*.conf")):
        path.write_text(_replace(path.read_text(), places))
    command = [tool("nginx"), "-p", str(own), "-e", str(own / "error.log"), "-c", str(main)]
    command += ["-g", "daemon off;"]
    with running(command, port, own, dict(os.environ)) as pid:
        yield Server(port=port, pid=pid, cookie=behind.cookie, addresses=behind.addresses)


def _places(folder: Path, own: Path, port: int, upstream: int) -> dict[str, str]:
    """Answer with what takes the place of deploy's examples."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = " ".join(f"{kind}_temp_path {own}/{kind};" for kind in kinds)
    return {
        "/srv/images_app/": f"{folder}/",
        "127.0.0.1:8000": f"127.0.0.1:{upstream}",
        "listen 80;": f"listen 127.0.0.1:{port};",
        # The private files can be read by their owner only, and root's nginx is somebody else.
        "user www-data;": f"user {getpass.getuser()};" if os.geteuid() == 0 else "",
        "worker_processes auto;": "worker_processes 1;",
        "/run/nginx.pid": f"{own}/pid",
        "/var/log/nginx/error.log": f"{own}/error.log",
        "CHANGE-ME-CHANGE-ME-CHANGE-ME-CHANGE-ME": SECRET,
        "/var/cache/nginx/": f"{own}/cache-",
        # A new connection for every thousandth request would be wrk's to pay.
        "http {\n": f"http {{\n    keepalive_requests 10000000; {folders}\n",
    }


def _replace(text: str, places: dict[str, str]) -> str:
    for old, new in places.items():
        text = text.replace(old, new)
    return text
