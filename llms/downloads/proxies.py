"""The proxy that the environment asks for, as aiohttp takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yarl import URL

from llms.protocol.errors import InvalidRequest
from llms.proxies import proxy_for


def proxy_options(url: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return aiohttp's options for a request: empty without a proxy; raise InvalidRequest for one that cannot be.

    aiohttp itself would also send what ~/.netrc says, which is not ours to send.
    """
    try:
        proxy = proxy_for(url, environ)
    except ValueError as problem:
        raise InvalidRequest(f"{problem}. Mend the variable, or name the host in NO_PROXY.") from None
    if proxy is None:
        return {}
    headers = {"proxy_headers": {"Proxy-Authorization": proxy.authorization}} if proxy.authorization else {}
    return {"proxy": URL.build(scheme=proxy.scheme, host=proxy.host, port=proxy.port), **headers}
