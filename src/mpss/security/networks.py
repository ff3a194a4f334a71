"""Which addresses we call for somebody else, and what of an address is one caller's.

We call public ones, and those of the networks the operator names. A merchant chooses the address its orders go to. Were
any address called, a merchant could have us call what only we can reach: our own database, a cloud's metadata
service, a neighbor's console.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
"""IPv6 addresses that a gateway turns into any IPv4 address (RFC 6052, RFC 8215)."""


def parse_networks(text: str) -> tuple[Network, ...]:
    """The networks of "127.0.0.0/8,10.8.0.0/16"; none of an empty text.

    Raises:
        ValueError: one of them is no network.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def literal_address(host: str) -> Address | None:
    """The address that `host` is, without brackets; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def may_be_called(address: Address, networks: Sequence[Network]) -> bool:
    """Whether the address is a public one, or in one of `networks`."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks) or _is_public(address)


def one_callers(address: str) -> str:
    """What is counted as one caller's: an IPv4 address itself, of an IPv6 address its network of 64 bits.

    Whoever has one IPv6 address has the rest of its network too, and would else be counted anew for each. What is no
    address stays as it is.
    """
    if ":" not in address:
        return address
    found = literal_address(address.partition("%")[0])
    if not isinstance(found, IPv6Address):
        return address
    return str(found.ipv4_mapped or IPv6Network((int(found) >> 64 << 64, 64)))


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and (
        address.sixtofour is not None
        or address.teredo is not None
        or any(address in network for network in _TRANSLATED)
    ):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
