"""The way to an origin through an HTTP proxy: CONNECT where it speaks TLS (RFC 9110, 9.3.6), else the proxy itself.

What comes out is a connection like any other, so streams, cuts and cancellation are those of the direct way.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from llms.providers._breaks import BrokenAnswer, NotHttp
from llms.providers._connection import Connection
from llms.providers._pool import Origin
from llms.providers._tls import NoWay, handshake_failed, untrusted

if TYPE_CHECKING:
    from llms.proxies import Proxy

_FIXES: Final[Mapping[int, str]] = {
    403: "it does not let us reach that address",
    407: "it wants a user and password: put them into its address (http://USER:PASSWORD@HOST:PORT)",
    405: "it makes no tunnels: for https:// addresses it cannot be used",
    501: "it makes no tunnels: for https:// addresses it cannot be used",
}
"""By status of the answer to CONNECT: what stays so until somebody mends it."""


async def connect_by(
    proxy: Proxy,
    origin: Origin,
    *,
    dial: Callable[[Origin], Awaitable[Connection]],
    tls: ssl.SSLContext | None,
    gone: Callable[[Connection], None],
) -> Connection:
    """Return a connection on which an origin's requests go through a proxy; raise NoWay, or TLS failures as OSError.

    `tls` is None for an origin without TLS, whose requests the proxy reads itself.
    """
    connection = await _reach(proxy, dial)
    if tls is None:
        return connection
    try:
        await _ask(connection, proxy, origin)
        return await _secured(connection, origin, tls, gone)
    except BaseException:
        connection.abort()
        raise


async def _reach(proxy: Proxy, dial: Callable[[Origin], Awaitable[Connection]]) -> Connection:
    try:
        return await dial(Origin(proxy.scheme, proxy.host, proxy.port))
    except ssl.SSLCertVerificationError as failure:
        raise NoWay(untrusted(failure, proxy.place, "")) from None
    except ssl.SSLError as failure:
        raise NoWay(handshake_failed(failure, proxy.place)) from None
    except TimeoutError:
        raise
    except (OSError, UnicodeError) as failure:
        reason = getattr(failure, "strerror", None) or type(failure).__name__
        raise NoWay(f"cannot connect to {proxy.place}: {reason}", lasting=False) from None


async def _ask(connection: Connection, proxy: Proxy, origin: Origin) -> None:
    """Have a proxy connect us; raise NoWay with what it says against it."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    lines = [f"CONNECT {host}:{origin.port} HTTP/1.1", f"Host: {host}:{origin.port}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    try:
        connection.send("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"), b"")
        await connection.answered()
    except BrokenAnswer:
        raise NoWay(f"{proxy.place} closed the connection without an answer", lasting=False) from None
    except NotHttp:
        raise NoWay(f"{proxy.place} does not answer in HTTP/1.1") from None
    if not 200 <= connection.status < 300:
        raise refused(proxy, connection.status, f"{host}:{origin.port}")


def refused(proxy: Proxy, status: int, place: str) -> NoWay:
    """Return what a proxy's refusal means."""
    try:
        said = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        said = str(status)
    fix = _FIXES.get(status, "it cannot reach that address")
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and proxy.authorization:
        fix = "it does not take the user and password of its address"
    return NoWay(f"{proxy.place} answers {said} for {place}: {fix}", lasting=status in _FIXES)


async def _secured(
    carrier: Connection, origin: Origin, tls: ssl.SSLContext, gone: Callable[[Connection], None]
) -> Connection:
    """Speak TLS with the origin through what a proxy connected."""
    if carrier.transport is None:
        raise NoWay("the proxy closed the tunnel", lasting=False)
    connection = Connection(gone)
    transport = await asyncio.get_running_loop().start_tls(
        carrier.transport, connection, tls, server_hostname=origin.host
    )
    if transport is None:
        raise NoWay("the proxy closed the tunnel", lasting=False)
    connection.connection_made(transport)
    return connection
