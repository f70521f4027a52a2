"""Where a row's upstream listens, whom it trusts there, and through which proxy it is reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from llms.providers._pool import Origin

if TYPE_CHECKING:
    from llms.proxies import Proxy

PORTS = {"http": 80, "https": 443}
DIRECT = "direct"
"""What a row's `proxy` says where none shall be asked."""


def origin_of(base_url: str, options: Any, environ: Mapping[str, str]) -> Origin:
    """Return the origin of an address; raise ValueError for a proxy that cannot be.

    `options` are a row's own keys: HttpOptions, or a plugin's that have no `ca_file` and no `proxy`.
    """
    parts = urlsplit(base_url)
    proxy = getattr(options, "proxy", None)
    return Origin(
        parts.scheme,
        parts.hostname or "",
        parts.port or PORTS[parts.scheme],
        getattr(options, "ca_file", None) or "",
        _proxy(base_url, proxy.get_secret_value() if proxy else "", environ),
    )


def _proxy(base_url: str, said: str, environ: Mapping[str, str]) -> Proxy | None:
    """Return the row's proxy, else the environment's; this machine itself is asked through no one of the latter."""
    if said == DIRECT or not (said or any(name[-6:].lower() == "_proxy" for name in environ)):
        return None
    from llms.proxies import is_loopback, proxy_at, proxy_for

    if said:
        return proxy_at(said, "`proxy`")
    return None if is_loopback(urlsplit(base_url).hostname or "") else proxy_for(base_url, environ)
