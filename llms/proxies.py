"""The proxy that stands between us and an address: which one, and when none.

The variables are read as curl, Go and Python's libraries read them; of a name in both cases the lower one counts.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, final
from urllib.parse import unquote, urlsplit

_PORTS: Final = {"http": 80, "https": 443}
_SHORTEST_SECRET: Final = 8
"""Shorter passwords are words, and taken out they would spoil every text."""
_PLAIN_HOST: Final = re.compile(r"[!-~]+", re.ASCII)


@final
@dataclass(frozen=True, slots=True)
class Proxy:
    """Who passes requests on to others."""

    scheme: str
    host: str
    port: int
    source: str
    """The variable, or the row's key, that names it."""
    authorization: str = field(default="", repr=False)
    """What Proxy-Authorization says; empty without a user."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What must not reach a message."""

    @property
    def place(self) -> str:
        """Return where it is, for messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"the proxy {host}:{self.port} ({self.source})"


def proxy_for(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """Return what the environment wants between us and an address; raise ValueError for a proxy that cannot be."""
    parts = urlsplit(url)
    for name in (f"{parts.scheme}_proxy", "all_proxy"):
        source, text = _variable(name, environ)
        if not text:
            continue
        excepted = _variable("no_proxy", environ)[1]
        port = parts.port or _PORTS.get(parts.scheme, 0)
        if _is_excepted((parts.hostname or "").lower(), port, excepted):
            return None
        try:
            return proxy_at(text, source)
        except ValueError as problem:
            raise ValueError(f"{source} {problem}") from None
    return None


def proxy_at(text: str, source: str) -> Proxy:
    """Return the proxy at an address; raise ValueError, without the text: it may hold a password."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port, host = parts.port, parts.hostname or ""
    except ValueError:
        raise ValueError("is no address of a proxy") from None
    if parts.scheme not in _PORTS:
        raise ValueError(f"must be an http:// or https:// address: {parts.scheme[:20]}:// proxies are not spoken to")
    if not _PLAIN_HOST.fullmatch(host) or port == 0:
        raise ValueError("is no address of a proxy")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    token = b64encode(f"{user}:{password}".encode()).decode() if user or password else ""
    return Proxy(
        parts.scheme,
        host,
        port or _PORTS[parts.scheme],
        source,
        f"Basic {token}" if token else "",
        tuple(secret for secret in (token, parts.password or "", password) if len(secret) >= _SHORTEST_SECRET),
    )


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine by its very name."""
    address = _address(host)
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def _is_excepted(host: str, port: int, excepted: str) -> bool:
    """Tell whether a host is one of `*`, `host`, `host:port`, `domain`, `.domain`, `*.domain`, or of a network."""
    for name in re.split(r"[\s,]+", excepted.lower()):
        bare = name.removeprefix("*").removeprefix(".")
        if name == "*" or bare in _spellings(host, port):
            return True
        if bare and (host.endswith(f".{bare}") or f"{host}:{port}".endswith(f".{bare}")):
            return True
        if "/" in name and _is_within(host, name):
            return True
    return False


def _spellings(host: str, port: int) -> tuple[str, ...]:
    shown = f"[{host}]" if ":" in host else host
    return host, shown, f"{shown}:{port}"


def _is_within(host: str, network: str) -> bool:
    address = _address(host)
    try:
        return address is not None and address in ip_network(network, strict=False)
    except ValueError:
        return False


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _variable(name: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the spelling that counts, and what it says."""
    for spelling in (name, name.upper()):
        if text := environ.get(spelling, "").strip():
            return spelling, text
    return name, ""
