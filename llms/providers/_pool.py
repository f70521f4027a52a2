"""Connections to upstreams, kept for the next request: per origin, last used first."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

from aiohappyeyeballs import start_connection

from llms.providers._connection import Connection

_IDLE_SECONDS: Final = 55.0
_IDLE_LIMIT: Final = 1024
_NAMES_SECONDS: Final = 60.0
_EYEBALLS_DELAY: Final = 0.25

Addresses = list[tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an upstream listens."""

    scheme: str
    host: str
    port: int


@final
class Pool:
    """Lend connections; a request takes one alone and gives it back when its answer was whole."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        """Take a clock of monotonic seconds; nothing is opened."""
        self._clock = clock
        self._idle: dict[Origin, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._names: dict[tuple[str, int], tuple[float, Addresses]] = {}
        self._tls: ssl.SSLContext | None = None

    def take(self, origin: Origin) -> Connection | None:
        """Return an idle connection to an origin, if there is one that is not too old."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.reusable and self._clock() - connection.idle_since < _IDLE_SECONDS:
                return connection
            connection.abort()
        return None

    def give(self, origin: Origin, connection: Connection) -> None:
        """Take a connection back; it is cut unless its exchange ended cleanly."""
        idle = self._idle.setdefault(origin, [])
        if not connection.reusable or len(idle) >= _IDLE_LIMIT:
            connection.abort()
            return
        connection.fresh = False
        connection.idle_since = self._clock()
        idle.append(connection)
        if self._clock() - idle[0].idle_since > _IDLE_SECONDS:
            idle.pop(0).abort()

    async def connect(self, origin: Origin) -> Connection:
        """Open a new connection; raise OSError (also for TLS and names)."""
        loop = asyncio.get_running_loop()
        addresses = await self._resolve(origin)
        sock = await start_connection(addresses, happy_eyeballs_delay=_EYEBALLS_DELAY, interleave=1)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tls = await self._context() if origin.scheme == "https" else None
            _, connection = await loop.create_connection(
                lambda: Connection(self._open.discard), sock=sock, ssl=tls, server_hostname=origin.host if tls else None
            )
        except BaseException:
            sock.close()
            raise
        self._open.add(connection)
        return connection

    async def close(self) -> None:
        """Cut every connection."""
        for connection in list(self._open):
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)

    async def _resolve(self, origin: Origin) -> Addresses:
        key = (origin.host, origin.port)
        known = self._names.get(key)
        if known is not None and self._clock() - known[0] < _NAMES_SECONDS:
            return known[1]
        loop = asyncio.get_running_loop()
        found: Addresses = await loop.getaddrinfo(  # type: ignore[assignment]
            origin.host,
            origin.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_ADDRCONFIG if _is_name(origin.host) else 0,
        )
        self._names[key] = (self._clock(), found)
        return found

    async def _context(self) -> ssl.SSLContext:
        """Return the TLS context; the first time it is made in a thread, for it reads all root certificates."""
        if self._tls is None:
            context = await asyncio.to_thread(ssl.create_default_context)
            context.set_alpn_protocols(["http/1.1"])
            self._tls = context
        return self._tls


def _is_name(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            socket.inet_pton(family, host)
            return False
    return host != "localhost"
