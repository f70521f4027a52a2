"""The client of an answer that is told inline: everything goes out in the call that brought it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any, final

from llms.gateway import Whole
from llms.gateway.at_once import begin
from llms.gateway.exchange import Exchange
from llms.gateway.inline import Inline
from llms.gateway.started import Opening
from llms.protocol.chat import ChatRequest, Chunk
from llms.protocol.dialects import Dialect
from llms.protocol.shape import Shape
from llms.server.access import Access
from llms.server.event_stream import STREAM_HEADERS
from llms.server.plain_exchange import PlainExchange, head
from llms.server.routing_headers import routing_headers
from llms.server.services import Services
from llms.server.sinks import told
from llms.streaming.lane import Lane
from llms.streaming.ticker import SOON


@final
class InlineChat:
    """Tell one answer in a dialect; a task that goes on with it finds here what it has to know."""

    __slots__ = (
        "_access",
        "_exchange",
        "_growing",
        "_inline",
        "_passing",
        "_services",
        "_ticker",
        "_told_at",
        "_wire",
        "chat",
        "dialect",
        "opening",
        "quiet",
        "telling",
    )

    def __init__(
        self,
        exchange: PlainExchange,
        access: Access,
        chat: ChatRequest,
        *,
        dialect: Dialect,
        wire: Callable[[bytes], bytes] | None,
        services: Services,
    ) -> None:
        """Take the request and what tells its answer; `wire` tells an upstream's own events."""
        self._exchange = exchange
        self._access = access
        self._wire = wire
        self._growing: Shape | None = None
        """The shape that `_passing` is for."""
        self._passing: Callable[[bytes], int] | None = None
        """Passes it on in other words, for as long as nothing else is told."""
        self._services = services
        self._ticker = services.gateway.ticker
        self._told_at = inf
        """When something was told last in other words, by the ticker; not all that comes is told so."""
        self._inline: Inline | None = None
        self.chat = chat
        self.dialect = dialect
        self.telling = dialect.telling(chat)
        self.opening: Callable[[], Coroutine[Any, Any, Any]] | None = None
        """What brings the rest of the answer, once somebody has to wait for it."""
        self.quiet = 0.0
        """For so many seconds nothing had been told then."""

    def begin(self) -> bool:
        """Send the request on, where that is possible at once."""
        exchange, access = self._exchange, self._access
        inline = begin(self._services.gateway, self.chat, self, route=exchange.path, key_id=access.caller.key_id)
        if inline is None:
            return False
        access.reported = True
        self._inline = inline
        self._services.running.add(inline, access.request_id)
        return True

    def leave(self) -> None:
        """Stop the upstream: the client has left."""
        if self._inline is not None:
            self._count_out(self._inline)
            self._inline.leave()
            self._inline = None

    def cancel(self) -> None:
        """Have a task go on, so that it can be waited for, or cancelled."""
        if self._inline is not None:
            self._inline.cancel()

    def taken_over(self) -> None:
        """Count it out: a task is counted instead."""
        if self._inline is not None:
            self._count_out(self._inline)

    def _count_out(self, inline: Inline) -> None:
        self._services.running.remove(inline)
        self._growing = self._passing = None  # which holds this

    # -- what the gateway tells --------------------------------------------------------------------------

    def answer(self, whole: Whole) -> None:
        """Send a whole answer."""
        headers = {**self._access.headers, **routing_headers(whole.exchange), "Content-Type": "application/json"}
        body = self.dialect.whole(whole.completion, whole)
        self._exchange.send_now(head("200 OK", headers, length=len(body)) + body)

    def tell(self, chunk: Chunk) -> bool:
        """Send a chunk; tell whether the client keeps up, and is not kept waiting by what it is not told."""
        self._growing = None
        data = self.telling.chunk(chunk)
        if data:
            self._told_at = self._ticker.now
        return self._send(data) and (bool(data) or self._ticker.now - self._told_at < SOON)

    def pass_by(self, shape: Shape, data: bytes) -> int:
        """Send what is only events of a shape, as they came or in other words; return how many they are."""
        if self._wire is not None:
            count = shape.count(data)
            return count if count and self.pass_on(data if data.isascii() else self._wire(data)) else 0
        if shape is not self._growing:
            self._growing, self._passing = shape, told(self, self.telling)(shape)
        count = self._passing(data) if self._passing is not None else 0
        if count:
            self._told_at = self._ticker.now
        return count

    @property
    def keeps_up(self) -> bool:
        """Tell whether something can be sent at once."""
        transport = self._exchange.transport
        return transport is not None and not self._exchange.writing_paused and not transport.is_closing()

    def pass_on(self, data: bytes) -> bool:
        """Send whole events to a client that keeps up."""
        if not self.keeps_up:
            return False
        self._exchange.send_now(b"%x\r\n%b\r\n" % (len(data), data))
        return True

    def lane(self, exchange: Exchange) -> Lane | None:
        """Return the way from the upstream's read into the client's transport."""
        transport = self._exchange.transport
        if transport is None or self._wire is None:
            return None
        return Lane(transport, exchange, ticker=self._ticker, wire=self._wire)

    def end(self, chunk: Chunk) -> None:
        """Send the end of a whole stream."""
        assert self._inline is not None
        self._send(self.telling.end(chunk, self._inline), b"0\r\n\r\n")

    def over(self) -> None:
        """Let the connection go on."""
        if self._inline is not None:
            self._count_out(self._inline)
            self._inline = None
        self._exchange.over(keeps=not self._services.draining)

    def go_on(self, opening: Callable[[], Coroutine[Any, Any, Opening]], *, quiet: float) -> None:
        """Have a task wait for the rest."""
        # What was passed on as it came is in `quiet` alone; what came and was not told is silence to the client.
        own = self._ticker.now - self._told_at if self._wire is None else quiet
        self.opening, self.quiet = opening, max(quiet, own)

        def ended(_: asyncio.Task[None]) -> None:
            self.leave()  # does nothing, unless the task was cancelled before its first step
            self.opening = None

        self._exchange.go_on().add_done_callback(ended)

    def _send(self, data: bytes, last: bytes = b"") -> bool:
        """Send events, the head before the first of them."""
        exchange = self._exchange
        if data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if not exchange.begun and self._inline is not None:
            headers = {**STREAM_HEADERS, **self._access.headers, **routing_headers(self._inline.exchange)}
            data = head("200 OK", headers) + data
            exchange.begun = True
        exchange.send_now(data + last)
        return not exchange.writing_paused
