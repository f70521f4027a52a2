"""Which Host and Origin headers are ours: exact comparison, against DNS rebinding and cross-site requests."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import final
from urllib.parse import urlsplit

_MEMO_LIMIT = 256


@final
class Hosts:
    """The addresses under which this server may be called."""

    def __init__(self, *, bound: str, allowed: Collection[str], origins: Collection[str]) -> None:
        """Take the address it listens on, `server.allowed_hosts` and `server.cors_origins`."""
        self._loopback = is_loopback(bound)
        self._allowed = frozenset(name.lower() for name in allowed)
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._memo: dict[str, bool] = {}

    def allows(self, host: str) -> bool:
        """Tell whether a Host header is ours."""
        known = self._memo.get(host)
        if known is None:
            known = self._check(host)
            if len(self._memo) < _MEMO_LIMIT:
                self._memo[host] = known
        return known

    def allows_probe(self, host: str) -> bool:
        """Tell whether a health check may call us so: beyond loopback they know a container by its bare address.

        No page gets here by an address: to mislead a browser takes a name.
        """
        return self.allows(host) or (not self._loopback and _is_address(_name_of(host) or ""))

    def listed(self, origin: str) -> bool:
        """Tell whether a foreign Origin may call us (`server.cors_origins`)."""
        return (origin.isascii() and "*" in self._origins) or origin.lower() in self._origins

    def same(self, origin: str, host: str) -> bool:
        """Tell whether an Origin is our own page: the scheme and authority under which we were called."""
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and bool(host) and parts.netloc.lower() == host.lower()

    def _check(self, host: str) -> bool:
        name = _name_of(host)
        if name is None:
            return False
        if name in self._allowed or host.lower() in self._allowed:
            return True
        if not self._loopback:
            return not self._allowed
        return is_loopback(name) or name.endswith(".localhost")


def is_loopback(name: str) -> bool:
    """Tell whether a host name or address is this machine's loopback."""
    if name.lower() == "localhost":
        return True
    return _is_address(name) and ipaddress.ip_address(name.strip("[]")).is_loopback


def names_loopback(host: str) -> bool:
    """Tell whether a Host header names this machine's loopback."""
    name = _name_of(host)
    return name is not None and is_loopback(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _name_of(host: str) -> str | None:
    """Return the name in a Host header without its port; None when it is no host at all."""
    name, bracket, rest = host.partition("]")
    if bracket:
        valid = name.startswith("[") and (not rest or (rest[0] == ":" and _is_port(rest[1:])))
        return (name + bracket).lower() if valid else None
    name, colon, port = host.partition(":")
    if not name or (colon and not _is_port(port)) or any(c in name for c in "/\\@?#, \t%"):
        return None
    return name.lower()


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5
