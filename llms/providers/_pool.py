"""Connections to upstreams, kept for the next request: per origin, last used first."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from aiohappyeyeballs import start_connection

from llms.providers._connection import Connection
from llms.providers._names import Names
from llms.providers._tls import Contexts
from llms.tasks import Tasks

if TYPE_CHECKING:
    from llms.proxies import Proxy

_IDLE_SECONDS: Final = 55.0
_IDLE_LIMIT: Final = 1024
_SWEEP_SECONDS: Final = 0.1
"""The least time between two looks at what is idle for too long."""
_EYEBALLS_DELAY: Final = 0.25


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an upstream listens, and the way there: connections are shared by those alone who agree in all of it."""

    scheme: str
    host: str
    port: int
    ca_file: str = ""
    """Holds the certificates to trust; empty for the system's."""
    proxy: Proxy | None = None


@final
class Pool:
    """Lend connections; a request takes one alone and gives it back when its answer was whole."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        """Take a clock of monotonic seconds; nothing is opened."""
        self._clock = clock
        self._idle: dict[Origin, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._names = Names(clock=clock)
        self._timer: asyncio.TimerHandle | None = None
        """Runs while there are idle connections."""
        self._contexts = Contexts()
        self.tasks = Tasks()
        """Those that open connections for somebody who does not wait."""

    def take(self, origin: Origin) -> Connection | None:
        """Return an idle connection to an origin, if there is one that is not too old."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            is_young = self._clock() - connection.idle_since < _IDLE_SECONDS
            if is_young and connection.reusable and connection.quiet:
                return connection
            connection.abort()
        return None

    def give(self, origin: Origin, connection: Connection) -> None:
        """Take a connection back; it is cut unless its exchange ended cleanly."""
        idle = self._idle.setdefault(origin, [])
        if not connection.reusable or len(idle) >= _IDLE_LIMIT:
            connection.abort()
            return
        connection.idle_since = self._clock()
        idle.append(connection)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._sweep)

    async def connect(self, origin: Origin) -> Connection:
        """Open a new connection; raise OSError (also for TLS, names and proxies)."""
        if origin.proxy is None:
            connection = await self._dial(origin)
        else:
            from llms.providers._tunnel import connect_by

            tls = await self._context(origin)
            connection = await connect_by(origin.proxy, origin, dial=self._dial, tls=tls, gone=self._open.discard)
        self._open.add(connection)
        return connection

    async def _dial(self, origin: Origin) -> Connection:
        """Connect to an origin itself."""
        loop = asyncio.get_running_loop()
        sock = await self._reach(origin)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tls = await self._context(origin)
            _, connection = await loop.create_connection(
                lambda: Connection(self._open.discard), sock=sock, ssl=tls, server_hostname=origin.host if tls else None
            )
        except BaseException:
            sock.close()
            raise
        return connection

    async def close(self) -> None:
        """Cut every connection."""
        await self.tasks.close()
        for connection in list(self._open):
            connection.abort()
        self._idle.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._names.close()
        await asyncio.sleep(0)

    def _sweep(self) -> None:
        """Cut what was idle for too long, and come again for the rest."""
        self._timer = None
        now = self._clock()
        for origin, idle in list(self._idle.items()):
            old = sum(now - connection.idle_since >= _IDLE_SECONDS for connection in idle)
            for connection in idle[:old]:
                connection.abort()
            del idle[:old]
            if not idle:
                del self._idle[origin]
        if self._idle:
            oldest = min(idle[0].idle_since for idle in self._idle.values())
            delay = max(_SWEEP_SECONDS, oldest + _IDLE_SECONDS - now)
            self._timer = asyncio.get_running_loop().call_later(delay, self._sweep)

    async def _reach(self, origin: Origin) -> socket.socket:
        addresses = await self._names.addresses(origin.host, origin.port)
        try:
            return await start_connection(addresses, happy_eyeballs_delay=_EYEBALLS_DELAY, interleave=1)
        except BaseException:
            self._names.forget(origin.host, origin.port)
            raise

    async def _context(self, origin: Origin) -> ssl.SSLContext | None:
        return await self._contexts.of(origin.ca_file) if origin.scheme == "https" else None
