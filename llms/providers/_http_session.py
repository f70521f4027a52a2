"""The one HTTP session towards upstreams."""

from __future__ import annotations

import aiohttp


def http_session() -> aiohttp.ClientSession:
    """Make the one session towards upstreams: no cookies, no proxies, no redirects, no limits of its own."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ttl_dns_cache=300),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        trust_env=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
    )
