"""Addresses of servers as people write them."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def api_url(text: str) -> str:
    """Return an address as written by people with scheme and path: `localhost:9000` -> `http://localhost:9000/v1`.

    Raise ValueError for what is no address.
    """
    url = text.strip()
    url = (url if "://" in url else f"http://{url}").rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or not url.isprintable():
        raise ValueError(f"{text!r} is no address of a server; write it like http://127.0.0.1:8000")
    return url if parts.path else f"{url}/v1"


def is_local(url: str) -> bool:
    """Tell whether an address is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
