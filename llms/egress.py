"""Keep requests of strangers out of this machine and its network: only public addresses may be connected to."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any


class PrivateAddress(OSError):
    """A connection to an address that is not public; always in the same words, so that several count as one."""


def is_public(text: str) -> bool:
    """Tell whether an address belongs to the internet at large; anything but a plain IP address does not."""
    try:
        address: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        return False
    return all(each.is_global and not each.is_multicast and not each.is_reserved for each in _meant(address))


def public_socket(address: tuple[Any, ...], is_public: Callable[[str], bool] = is_public) -> socket.socket:
    """Return the socket for a connection that is about to be made, as aiohttp asks for it; raise PrivateAddress.

    It is the resolved address that is looked at, after the last question to any name server and just before the
    connection to that very address: no name can mean one thing here and another one there.
    """
    family, kind, protocol, _, place = address
    if not is_public(str(place[0])):
        raise PrivateAddress("not a public address")
    return socket.socket(family, kind, protocol)


def _meant(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """Return the addresses that a connection to one may end at: some hold another inside."""
    if isinstance(address, IPv4Address):
        return [address]
    instead = address.ipv4_mapped or _translated(address)
    if instead is not None:
        return [instead]
    inside = (address.sixtofour, *(address.teredo or ()))
    return [address, *(each for each in inside if each is not None)]


def _translated(address: IPv6Address) -> IPv4Address | None:
    """Return what a NAT64 gateway makes of an address (RFC 6052)."""
    return IPv4Address(int(address) & 0xFFFFFFFF) if int(address) >> 32 == 0x0064_FF9B << 64 else None
