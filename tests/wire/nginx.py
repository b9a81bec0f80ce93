"""A real nginx with the configuration of deploy/, fitted to a test's folders and ports."""

from __future__ import annotations

import contextlib
import getpass
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.parts import need, program
from tests.wire.servers import ROOT, Server, free_port, wait_for
from tests.wire.settings.secure_link import SECRET

MODES = {"accel": None, "secure_link": "secure-link", "auth_request": "auth-request"}
OBJECT_STORE = "object_store"  # a mode besides, for images that are elsewhere
INCLUDES = {**MODES, OBJECT_STORE: "object-store"}
NJS = Path("/usr/lib/nginx/modules/ngx_http_js_module.so")


def write_configuration(
    folder: Path, *, private: Path, upstream: int, port: int, mode: str
) -> Path:
    """Copy deploy/'s configuration into a folder, with our places in place of its examples."""
    shutil.copytree(ROOT / "deploy" / "nginx", folder / "nginx")
    (folder / "cache").mkdir()
    replacements = {
        "/srv/images_app/private": str(private),
        "127.0.0.1:8000": f"127.0.0.1:{upstream}",
        "listen 80;": f"listen 127.0.0.1:{port};",
        "user www-data;": f"user {getpass.getuser()};",
        "worker_processes auto;": "worker_processes 2;",
        "/run/nginx.pid": str(folder / "pid"),
        "/var/log/nginx/error.log warn": f"{folder}/error.log info",
        "/var/cache/nginx/images_decisions": f"{folder}/cache/decisions",
        "CHANGE-ME-CHANGE-ME-CHANGE-ME-CHANGE-ME": SECRET,
        "http {\n": f"http {{\n    {_own_folders(folder)}\n",
    }
    name = INCLUDES[mode]
    if name:
        replacements[f"# include nginx/{name}.conf;"] = f"include nginx/{name}.conf;"
    if mode == OBJECT_STORE:
        need("libnginx-mod-http-js", is_there=NJS.exists())
        replacements["# load_module modules/ngx_http_js_module.so;"] = f"load_module {NJS};"
    shutil.copy(ROOT / "deploy" / "nginx.conf", folder)
    for path in [*folder.glob("nginx/*.conf"), folder / "nginx.conf"]:
        text = path.read_text()
        for old, new in replacements.items():
            text = text.replace(old, new)
        path.write_text(text)
    return folder / "nginx.conf"


def _own_folders(folder: Path) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)


@contextlib.contextmanager
def nginx(folder: Path, configuration: Path, port: int) -> Iterator[Server]:
    """Run nginx in the foreground until the test is done with it."""
    command = [program("nginx"), "-p", str(folder), "-c", str(configuration), "-g", "daemon off;"]
    process = subprocess.Popen([*command], cwd=folder)
    try:
        wait_for(port, process)
        yield Server(name="nginx", url=f"http://127.0.0.1:{port}", pid=process.pid)
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def behind_nginx(folder: Path, mode: str, *, private: Path, upstream: Server) -> Iterator[Server]:
    """Put an nginx of one mode in front of a server of the demo project."""
    port = free_port()
    configuration = write_configuration(
        folder,
        private=private,
        upstream=int(re.sub(r".*:", "", upstream.url)),
        port=port,
        mode=mode,
    )
    with nginx(folder, configuration, port) as server:
        yield server
