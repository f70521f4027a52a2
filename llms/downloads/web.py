"""Ask for files over HTTP: bounded redirects, the token for the hub alone, a plain error for every refusal."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, final
from urllib.parse import urljoin, urlsplit

import aiohttp

from llms.downloads.hub import Hub
from llms.downloads.proxies import proxy_options
from llms.downloads.retry_after import seconds
from llms.downloads.source import shown
from llms.egress import PrivateAddress, public_socket
from llms.protocol.errors import (
    InvalidRequest,
    LlmsError,
    NotFound,
    PermissionDenied,
    UpstreamAuthenticationFailed,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
)

_PATIENCE: Final = aiohttp.ClientTimeout(total=None, sock_connect=20, sock_read=60)
_REDIRECTS: Final = 10
_READ: Final = 2**17
"""Bytes that may wait to be written."""
_REDIRECTING: Final = (301, 302, 303, 307, 308)


@final
class Web:
    """HTTP as downloads need it."""

    def __init__(
        self,
        *,
        http: aiohttp.ClientSession,
        guarded: aiohttp.ClientSession | None,
        hub: Hub,
        environ: Mapping[str, str],
    ) -> None:
        """Take a session that may go anywhere and, where only the hub may be asked that way, one for all others."""
        self._http = http
        self._guarded = guarded
        self._trusted = origin(hub.endpoint)
        self._token = hub.token
        self._environ = environ

    @asynccontextmanager
    async def get(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield an answer of 200, 206 or 416, whose connection ends with it; raise an LlmsError for any other.

        Reading the body raises aiohttp's errors; `failure` makes ours of them.
        """
        place = url
        for _ in range(_REDIRECTS + 1):
            async with self._one(place, headers, asked=url) as response:
                if response.status not in _REDIRECTING:
                    _require(response, url)
                    yield response
                    return
                place = redirected(place, response.headers.get("Location", ""), asked=url)
        raise UpstreamProtocolError(f"{shown(url)} was redirected more than {_REDIRECTS} times.")

    @asynccontextmanager
    async def _one(
        self, place: str, headers: Mapping[str, str], *, asked: str
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        is_trusted = origin(place) == self._trusted
        sent = {**headers, "Accept-Encoding": "identity"}
        if is_trusted and self._token and urlsplit(place).username is None:
            sent["Authorization"] = f"Bearer {self._token}"
        http, options = self._http, proxy_options(place, self._environ)
        if self._guarded is not None and not is_trusted:
            # Without a proxy, which would connect to addresses that nobody looked at.
            http, options = self._guarded, {}
        try:
            response = await http.get(place, headers=sent, allow_redirects=False, **options)
        except (aiohttp.ClientError, TimeoutError, ValueError) as reason:
            raise failure(reason, asked) from None
        try:
            yield response
        finally:
            response.close()


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def failure(reason: Exception, url: str) -> LlmsError:
    """Return our error for one of aiohttp's."""
    place = shown(url)
    cause = reason.os_error if isinstance(reason, aiohttp.ClientConnectorError) else None
    if isinstance(cause, PrivateAddress):
        return PermissionDenied(
            f"{place} leads to this machine or its network; over HTTP, models are pulled from public addresses only. "
            "On the command line llms pull may go there."
        )
    if isinstance(reason, aiohttp.InvalidURL):
        return InvalidRequest(f"{place} is no address.", param="source")
    if isinstance(reason, aiohttp.ClientConnectorDNSError):
        return UpstreamUnreachable(f"{place}: there is no such host, or no network.")
    if isinstance(reason, TimeoutError):
        return UpstreamTimeout(f"{place} was silent for too long.")
    if isinstance(reason, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
        return UpstreamTruncated(f"{place}: the connection broke.")
    if isinstance(reason, aiohttp.ClientResponseError):
        return UpstreamProtocolError(f"{place} does not answer in HTTP.")
    return UpstreamUnreachable(f"{place} cannot be reached ({_words(reason)}).")


def _words(reason: Exception) -> str:
    cause = reason.os_error if isinstance(reason, aiohttp.ClientConnectorError) else reason
    if isinstance(cause, ssl.SSLError):
        return cause.reason or "TLS failed"
    if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
        return os.strerror(cause.errno)
    return type(reason).__name__


def redirected(place: str, location: str, *, asked: str) -> str:
    """Return where a redirect leads; raise an LlmsError where it may not lead."""
    try:
        target = urljoin(place, location)
        scheme, host, port = origin(target)
    except ValueError:
        target, scheme, host, port = "", "", "", 0
    if not location or scheme not in ("http", "https") or not host or not port:
        raise UpstreamProtocolError(f"{shown(asked)} was redirected to no address of the web.")
    if scheme == "http" and origin(place)[0] == "https":
        raise UpstreamProtocolError(f"{shown(asked)} was redirected from https to http, which is refused.")
    return target


def _require(response: aiohttp.ClientResponse, url: str) -> None:
    status = response.status
    if status in (200, 206, 416):
        return
    place = shown(url)
    if status == 401:
        raise UpstreamAuthenticationFailed(f"{place} wants a key (401). For the hub: set HF_TOKEN, pull hf:owner/repo.")
    if status == 403:
        raise PermissionDenied(f"{place} may not be read (403). On the hub, accept the model's terms, set HF_TOKEN.")
    if status in (404, 410):
        raise NotFound(f"{place} is not there ({status}).")
    if status == 429:
        raise UpstreamOverloaded(
            f"{place} asks for patience (429); try again later.",
            status=429,
            retry_after=seconds(response.headers.get("Retry-After", "")),
        )
    raise UpstreamError(f"{place} answered {status}.")


@asynccontextmanager
async def web(hub: Hub, *, is_guarded: bool, environ: Mapping[str, str]) -> AsyncIterator[Web]:
    """Open sessions. Guarded, all but the hub must have a public address, and no proxy is asked for it."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(_session(aiohttp.TCPConnector(force_close=True)))
        guarded = None
        if is_guarded:
            connector = aiohttp.TCPConnector(force_close=True, socket_factory=public_socket)
            guarded = await stack.enter_async_context(_session(connector))
        yield Web(http=http, guarded=guarded, hub=hub, environ=environ)


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=_PATIENCE,
        auto_decompress=False,
        headers={"User-Agent": "llms"},
        read_bufsize=_READ,
    )
