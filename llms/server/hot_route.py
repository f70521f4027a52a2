"""The hot route: plain requests for a chat, answered from their bytes without aiohttp's machinery around a request.

What is not plain beyond doubt is aiohttp's, on the same connection. Both ways lead to the same handlers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple, final

import structlog
from aiohttp import web

from llms.server.plain_exchange import PlainExchange
from llms.server.plain_head import HeadReader
from llms.server.services import Services

_log = structlog.get_logger()
_UNUSUAL: Final = frozenset(
    {"content-encoding", "cookie", "expect", "origin", "te", "trailer", "upgrade", "x-llms-stream"}
)
"""Headers of requests that are none of the plain ones."""


class Way(NamedTuple):
    """How the requests of one path are answered."""

    handler: Callable[[PlainExchange], Awaitable[web.StreamResponse]]
    begin: Callable[[PlainExchange], bool]
    """Answers inline; False, and nothing sent, where that is not possible."""


@final
class HotRoute:
    """Tell which requests are plain, and answer them."""

    def __init__(
        self,
        services: Services,
        ways: Mapping[str, Way],
        *,
        admits: Callable[[PlainExchange], bool],
    ) -> None:
        """Take the ways by path, and who may come in at all."""
        self._services = services
        self._ways = {f"POST {path} HTTP/1.1": way for path, way in ways.items()}
        self.admits = admits
        """Tells from its head whether a request is let in."""
        self.read = HeadReader(self._is_plain).read
        """Returns the head that bytes begin with, where its framing is beyond doubt, its size and that of the body."""

    def _is_plain(self, line: str, headers: Mapping[str, str]) -> bool:
        return (
            line in self._ways
            and _UNUSUAL.isdisjoint(headers)
            and headers.get("connection", "keep-alive").lower() == "keep-alive"
        )

    def takes(self, length: int) -> bool:
        """Tell whether a plain request with a body of so many bytes is answered here."""
        server = self._services.config.server
        return server.fast_path and length <= server.max_body

    def begin(self, exchange: PlainExchange) -> bool:
        """Answer inline; False, and nothing sent, where that is not possible."""
        return self._ways[exchange.head.line].begin(exchange)

    def go_on(self, exchange: PlainExchange) -> asyncio.Task[None]:
        """Have a task answer, from where the answer stands."""
        task = exchange.task = self._services.tasks.spawn(self._answer(exchange), name="plain request")
        return task

    async def _answer(self, exchange: PlainExchange) -> None:
        """Run the handler and send what it returns; cut the connection where that fails."""
        keeps = False
        try:
            response = await self._ways[exchange.head.line].handler(exchange)
            exchange.send(response)
            keeps = response.keep_alive is not False
        except ConnectionError:
            _log.debug("the client left", path=exchange.path)
        finally:
            exchange.over(keeps=keeps)


HOT_ROUTE: Final = web.AppKey("hot_route", HotRoute)
