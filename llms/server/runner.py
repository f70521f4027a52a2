"""What runs an application on our connections."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

from aiohttp import web

from llms.server.hot_connection import HotConnection
from llms.server.hot_route import HOT_ROUTE, HotRoute
from llms.server.protocol import Connection
from llms.server.request_ids import RequestIds

_LINGER_SECONDS: Final = 3.0
"""For this long the rest of a body is read and thrown away when its request has its answer already."""


class Listener(web.Server):
    """Make our connections for an application's server, and end them."""

    def __init__(self, *args: Any, hot: HotRoute, keepalive: float, **options: Any) -> None:
        super().__init__(*args, keepalive_timeout=keepalive, **options)
        self._hot = hot
        self._keepalive = keepalive
        self._make = partial(Connection, self, RequestIds(), loop=self._loop, **self._kwargs)
        self._open: set[HotConnection] = set()

    def __call__(self) -> HotConnection:  # type: ignore[override]
        """Make what a client connects to; aiohttp's own part is made when it is needed."""
        return HotConnection(self._loop, self._hot, make=self._make, open=self._open, keepalive=self._keepalive)

    def pre_shutdown(self) -> None:
        """Have connections close when they are idle."""
        for connection in tuple(self._open):
            connection.close()

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the signature of aiohttp
        """Give requests some time, then end them."""
        await asyncio.gather(*(connection.shutdown(timeout) for connection in tuple(self._open)))


class Runner(web.AppRunner):
    """Run an application on our connections, cancelling handlers whose client left."""

    def __init__(self, app: web.Application, *, keepalive: float = 75.0) -> None:
        """`keepalive` is how many seconds an idle connection is kept."""
        super().__init__(
            app,
            access_log=None,
            handler_cancellation=True,
            keepalive_timeout=keepalive,
            shutdown_timeout=2.0,
            lingering_time=_LINGER_SECONDS,
            auto_decompress=False,
        )

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        options = dict(made._kwargs)
        return Listener(
            made.request_handler,
            hot=self.app[HOT_ROUTE],
            keepalive=options.pop("keepalive_timeout"),
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **options,
        )
