"""Which IP addresses are of the public internet: a list of our own, the same on every Python."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# The special-purpose registries of IANA (RFC 6890) and what clouds put beside them.
# ``ipaddress.is_global`` alone says yes to multicast, and changed its mind between versions.
_NOT_PUBLIC_V4 = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers' NAT; Alibaba's metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's host, though its number is public
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
# Everything else is loopback, local, multicast, or IPv4 in disguise (mapped, compatible, NAT64).
_UNICAST_V6 = ip_network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    ip_network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
_ISATAP, _ISATAP_MASK = 0x0000_5EFE, 0xFDFF_FFFF  # RFC 5214 6.1: IPv4 in the last 32 bits


def is_public(address: str) -> bool:
    """Tell whether an address is global unicast; what cannot be read is not."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if not parsed.is_global or parsed.is_multicast or parsed.is_reserved:
        return False
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _NOT_PUBLIC_V4)
    return _is_public_v6(parsed)


def _is_public_v6(parsed: IPv6Address) -> bool:
    is_isatap = (int(parsed) >> 32) & _ISATAP_MASK == _ISATAP
    return (
        parsed.scope_id is None
        and parsed in _UNICAST_V6
        and not is_isatap
        and not any(parsed in network for network in _NOT_PUBLIC_V6)
    )
