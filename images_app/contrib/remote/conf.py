"""IMAGES_APP["REMOTE"]: from whom images may be fetched, and how long that may take."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from images_app.conf import get_settings
from images_app.contrib.remote.addresses import is_public
from images_app.contrib.remote.exceptions import RemoteRefused
from images_app.contrib.remote.targets import Target, is_address, parse_host
from images_app.presets import refuse_other_than, refuse_unknown

_WHERE = "IMAGES_APP['REMOTE']"
_BOUNDS = {
    "max_seconds": (0, 3600),
    "connect_seconds": (0, 600),
    "read_seconds": (0, 600),
    "max_redirects": (-1, 20),
}


@dataclass(frozen=True, kw_only=True)
class Remote:
    """The keys of IMAGES_APP["REMOTE"] in lower case."""

    hosts: tuple[str, ...] = ()
    """Names of hosts; ``.example.com`` is every host below it. Empty: nothing is fetched."""
    ports: tuple[int, ...] = (80, 443)
    """Ports that may be asked."""
    max_seconds: float = 30
    """For one image in all: names, redirects, body."""
    connect_seconds: float = 5
    """For one connection."""
    read_seconds: float = 10
    """Of silence."""
    max_redirects: int = 3
    """Each is checked like the first address."""

    def allows(self, target: Target) -> bool:
        """Tell whether host and port are on the list."""
        return target.port in self.ports and any(
            target.host.endswith(host) if host.startswith(".") else target.host == host
            for host in self.hosts
        )


def get_remote() -> Remote:
    """Read IMAGES_APP["REMOTE"].

    Raises:
        ImproperlyConfigured: for an unknown key or a value that makes no sense, saying which.

    """
    return parse_remote(get_settings().remote)


def parse_remote(given: Mapping[str, Any]) -> Remote:
    """Read the dict; see get_remote."""
    refuse_unknown(_WHERE, given, [field.name.upper() for field in dataclasses.fields(Remote)])
    values = {key.lower(): value for key, value in given.items()}
    for key in {"hosts", "ports"} & values.keys():
        refuse_other_than(Sequence, f"{_WHERE}[{key.upper()!r}]", values[key])
    values["hosts"] = tuple(_parse_allowed(host) for host in values.get("hosts", ()))
    if "ports" in values:
        values["ports"] = tuple(values["ports"])
    remote = Remote(**values)
    _check(remote)
    return remote


def _parse_allowed(entry: Any) -> str:
    """Read one entry of the list of hosts."""
    text = entry.lower() if isinstance(entry, str) else ""
    dot, name = (".", text[1:]) if text.startswith(".") else ("", text)
    try:
        host = parse_host(f"[{name}]" if ":" in name else name)
    except RemoteRefused:
        host = ""
    if host and is_address(host) and not is_public(host.strip("[]")):
        message = (
            f"{_WHERE}['HOSTS'] cannot hold {entry!r}: nothing is fetched from such addresses."
        )
        raise ImproperlyConfigured(message)
    if not host or (dot and is_address(host)):
        message = (
            f"{_WHERE}['HOSTS'] cannot hold {entry!r}: it takes names, such as "
            f"'images.example.com', or '.example.com' for all hosts below it."
        )
        raise ImproperlyConfigured(message)
    return dot + host


def _check(remote: Remote) -> None:
    for port in remote.ports:
        if type(port) is not int or not 1 <= port <= 65535:  # noqa: PLR2004
            message = f"{_WHERE}['PORTS'] cannot hold {port!r}."
            raise ImproperlyConfigured(message)
    for key, (low, high) in _BOUNDS.items():
        value = getattr(remote, key)
        wanted = (int,) if key == "max_redirects" else (int, float)
        if type(value) not in wanted or not low < value <= high:
            message = f"{_WHERE}[{key.upper()!r}] cannot be {value!r}."
            raise ImproperlyConfigured(message)
