"""The proxy that the environment asks for."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from yarl import URL

from llms.protocol.errors import InvalidRequest


def proxy_options(url: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return aiohttp's options for a request: empty without a proxy; raise InvalidRequest for one that is no address.

    As everybody reads them: `https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`, in either case. aiohttp itself
    would also send what ~/.netrc says, which is not ours to send.
    """
    parts = urlsplit(url)
    text = _variable(f"{parts.scheme}_proxy", environ) or _variable("all_proxy", environ)
    if not text.startswith(("http://", "https://")) or _goes_without(parts, _variable("no_proxy", environ)):
        return {}
    proxy = _address(text)
    if not proxy.user:
        return {"proxy": proxy}
    secret = b64encode(f"{proxy.user}:{proxy.password or ''}".encode()).decode()
    return {"proxy": proxy.with_user(None), "proxy_headers": {"Proxy-Authorization": f"Basic {secret}"}}


def _goes_without(parts: SplitResult, excepted: str) -> bool:
    """Tell whether an address is one of `*`, `host`, `host:port`, `.domain` or `domain`, listed with commas."""
    host = (parts.hostname or "").lower()
    names = [name.strip().lower().lstrip(".") for name in excepted.split(",")]
    own = {"*", host, f"{host}:{parts.port}"}
    return any(name in own or host.endswith(f".{name}") for name in names if name)


def _address(text: str) -> URL:
    try:
        proxy = URL(text)
        fit = bool(proxy.host)
    except ValueError:
        fit = False
    if not fit:
        # Its text may hold a password.
        raise InvalidRequest("The proxy of the environment is no http:// address: mend https_proxy or all_proxy.")
    return proxy


def _variable(name: str, environ: Mapping[str, str]) -> str:
    return (environ.get(name) or environ.get(name.upper()) or "").strip()
