"""Clients that leave while nothing is read of them: the event loop does not look at their sockets then."""

from __future__ import annotations

import select
from types import TracebackType
from typing import Final, Self, final

from aiohttp import web

from llms.streaming.ticker import Ticker

_GONE: Final = getattr(select, "POLLRDHUP", 0) | getattr(select, "POLLHUP", 0) | getattr(select, "POLLERR", 0)


@final
class Departure:
    """Look at a client's socket now and then, for as long as its upload is held back; cut it when it has left."""

    def __init__(self, request: web.Request, ticker: Ticker) -> None:
        """Take whose client is watched; systems without `poll` notice a departure when they read on."""
        self._transport = request.transport
        self._ticker = ticker
        sock = None if self._transport is None else self._transport.get_extra_info("socket")
        self._poll = select.poll() if sock is not None and hasattr(select, "poll") else None
        if self._poll is not None and sock is not None:
            self._poll.register(sock.fileno(), _GONE)

    def __enter__(self) -> Self:
        if self._poll is not None:
            self._ticker.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ticker.discard(self)

    def tick(self, now: float) -> bool:
        """Look; what was not read of a client that left is nobody's any more."""
        transport, poll = self._transport, self._poll
        if transport is not None and poll is not None and not transport.is_closing() and poll.poll(0):
            transport.abort()
        return True
