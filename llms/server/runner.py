"""What runs an application on our connections."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from llms.server.hot_connection import HotConnection
from llms.server.hot_route import HOT_ROUTE, HotRoute
from llms.server.request_ids import RequestIds

_LINGER_SECONDS: Final = 3.0
"""For this long the rest of a body is read and thrown away when its request has its answer already."""


class Listener(web.Server):
    """Make our connections for an application's server."""

    def __init__(self, *args: Any, hot: HotRoute, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ids = RequestIds()
        self._hot = hot

    def __call__(self) -> RequestHandler:
        return HotConnection(self, self._ids, self._hot, loop=self._loop, **self._kwargs)


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
        return Listener(
            made.request_handler,
            hot=self.app[HOT_ROUTE],
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,
        )
