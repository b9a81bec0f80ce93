"""Targets: a URL read in one strict way, so that nobody else can read it in another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import unquote, urljoin

from images_app.contrib.remote.exceptions import RemoteRefused

LONGEST_URL = 2000  # characters
_PORTS = {"http": 80, "https": 443}
_MOST_PORTS = 65535
# Of RFC 3986 what is needed: no userinfo, no escapes in the host, ASCII without spaces,
# control characters or backslashes. A fragment is read and dropped.
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/[!-\"$->@-\[\]-~]*)?"
    r"(?P<query>\?[!-\"$-\[\]-~]*)?"
    r"(?:\#[!-\[\]-~]*)?",
    re.IGNORECASE | re.ASCII,
)
_REFERENCE = re.compile(r"[!-\[\]-~]+", re.ASCII)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*", re.ASCII)
# What browsers and getaddrinfo take for IPv4: 127.1, 0x7f.0.0.1, 017700000001.
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is asked for, and whom."""

    scheme: str  # "http" or "https"
    host: str  # in small letters: a name, or an IP address without brackets
    port: int
    path: str  # with the query, as it is sent

    @property
    def authority(self) -> str:
        """Host, and port where it is not the usual one, as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole, in its one spelling."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def file_name(self) -> str:
        """The last part of the path, as people would name the file."""
        return unquote(self.path.partition("?")[0].rpartition("/")[2])

    def __str__(self) -> str:
        """Answer with what may stand in a log: no path and no query."""
        return f"{self.scheme}://{self.host}:{self.port}"


def parse_target(url: str) -> Target:
    """Read a URL.

    Raises:
        RemoteRefused: with the code ``bad_url``.

    """
    found = _URL.fullmatch(url) if len(url) <= LONGEST_URL else None
    if found is None:
        raise RemoteRefused("bad_url")
    scheme = found["scheme"].lower()
    port = int(found["port"] or _PORTS[scheme])
    if port > _MOST_PORTS:
        raise RemoteRefused("bad_url", "port")
    path = (found["path"] or "/") + (found["query"] or "")
    return Target(scheme=scheme, host=parse_host(found["host"].lower()), port=port, path=path)


def parse_host(host: str) -> str:
    """Read a host in small letters: a name, or an address in its one usual spelling.

    Raises:
        RemoteRefused: with the code ``bad_url``.

    """
    try:
        if host.startswith("["):
            return IPv6Address(host.removeprefix("[").removesuffix("]")).compressed
        if _ENDS_IN_A_NUMBER.fullmatch(host):
            return str(IPv4Address(host))
    except AddressValueError as error:
        raise RemoteRefused("bad_url", "IP address") from error
    if not _NAME.fullmatch(host):
        raise RemoteRefused("bad_url", "host")
    return host


def is_address(host: str) -> bool:
    """Tell of a host that was read whether it is an IP address."""
    return ":" in host or bool(_ENDS_IN_A_NUMBER.fullmatch(host))


def follow(target: Target, location: str) -> Target:
    """Answer with where a redirect leads.

    Raises:
        RemoteRefused: with the code ``bad_url``, also where it gives up TLS.

    """
    if not _REFERENCE.fullmatch(location):
        raise RemoteRefused("bad_url", f"redirect of {target}")
    following = parse_target(urljoin(target.url, location))
    if (target.scheme, following.scheme) == ("https", "http"):
        raise RemoteRefused("bad_url", f"{target} leads on without TLS")
    return following
