"""One event stream to one client: status at the first event, heartbeats in silence, honest ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, final

from aiohttp import web

from llms.protocol.errors import LlmsError
from llms.protocol.frames import let_go
from llms.protocol.sse import PING
from llms.server.access import Access
from llms.server.outlet import Outlet, ResponseOutlet
from llms.server.plain_exchange import Asked, PlainExchange
from llms.server.services import Services
from llms.server.untaken import STALL_SECONDS, untaken
from llms.streaming.lane import Counting, Lane
from llms.streaming.progress import Waiting
from llms.streaming.ticker import SOON

STREAM_HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    "Connection": "keep-alive",
    "X-Accel-Buffering": "no",
}
_NONE: Final[Mapping[str, str]] = {}


@final
class EventStream:
    """Write events; `committed` tells whether the client has its status. Close it when done."""

    __slots__ = (
        "_backlog",
        "_beat",
        "_blocked",
        "_headers",
        "_lane",
        "_last",
        "_outlet",
        "_ping",
        "_tasks",
        "_ticker",
        "heartbeat",
        "waiting",
    )

    def __init__(
        self,
        request: Asked,
        access: Access,
        services: Services,
        *,
        headers: Mapping[str, str] = _NONE,
        heartbeat: float | None = None,
        ping: bytes = PING,
        quiet: float = 0.0,
    ) -> None:
        """Start the silence at once: heartbeats, a `ping` each, come after every `heartbeat` seconds (0: never).

        Those of the defaults stand where nobody knows better; the client may have had `quiet` seconds of it already.
        `headers` are sent beside those that every answer has.
        """
        self._outlet: Outlet = request if isinstance(request, PlainExchange) else ResponseOutlet(request)
        self._ping = ping
        self.heartbeat = services.config.defaults.heartbeat if heartbeat is None else heartbeat
        self._tasks = services.tasks
        self._ticker = services.gateway.ticker
        self._ticker.add(self)
        self._last = self._ticker.now - quiet
        self._lane: Lane | None = None
        self._blocked = False
        self._backlog = 0
        self._beat: asyncio.Task[None] | None = None
        self.waiting: Waiting | None = None
        """Tells a client that asked for progress what goes on before the first chunk."""
        self._headers: dict[str, str] = {**STREAM_HEADERS, **access.headers, **headers}

    @property
    def response(self) -> web.StreamResponse:
        """Return what the handler returns."""
        return self._outlet.response

    @property
    def committed(self) -> bool:
        """Tell whether the status is settled."""
        return self._outlet.begun

    async def commit(self, headers: Mapping[str, str] | None = None) -> None:
        """Prepare status and headers, unless a heartbeat sent them; the chunks begin."""
        self.waiting = None
        self._ticker.add(self)  # the heartbeat may be another by now
        await self.settle()
        if not self._outlet.begun:
            await self._outlet.begin({**self._headers, **headers} if headers else self._headers)

    async def settle(self) -> None:
        """Wait for a heartbeat that is being sent."""
        if self._beat is not None and not self._beat.done():
            await asyncio.shield(self._beat)

    async def write(self, data: bytes) -> None:
        """Send whole events, or what is ready without any; wait while the client is slow."""
        if not data:
            self._outlet.flush()
            return
        self._last = self._ticker.now
        self._blocked = True
        await self._outlet.write(data)
        self._blocked = False

    @property
    def keeps_up(self) -> bool:
        """Tell whether something can be sent between two writes, at once."""
        outlet = self._outlet
        transport = outlet.transport
        return transport is not None and not outlet.writing_paused and not transport.is_closing() and outlet.chunked

    def pass_on(self, data: bytes) -> bool:
        """Send whole events between two writes, at once; False, and nothing sent, where that would have to wait.

        This is what `write` comes to for a client that keeps up, without the layers between: an HTTP chunk, one write.
        """
        transport = self._outlet.transport
        if transport is None or not self.keeps_up:
            return False
        self._last = self._ticker.now
        transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return True

    def lane(self, account: Counting, wire: Callable[[bytes], bytes] | None) -> Lane | None:
        """Return the way on which the upstream's reads come here as they are, once the head is out."""
        outlet = self._outlet
        if outlet.transport is None or not outlet.chunked:
            return None
        self._lane = Lane(outlet.transport, account, ticker=self._ticker, wire=wire)
        return self._lane

    async def done(self, data: bytes) -> None:
        """Send the last events, of a whole stream or of a broken one.

        From here on silence is the client's, and no heartbeat may follow.
        """
        self._last = self._ticker.now
        self._blocked = True
        await self._outlet.end(data)

    async def fail(self, error: LlmsError, tell: Callable[[LlmsError], bytes]) -> None:
        """Raise an error as long as the client has no status; after that `tell` it as the last event."""
        if not self.committed:
            await self.settle()
        if not self.committed:
            raise error
        last = tell(error)
        let_go(error)
        await self.done(last)

    def close(self) -> None:
        """Watch no more."""
        self._ticker.discard(self)
        if self._beat is not None:
            self._beat.cancel()

    def tick(self, now: float) -> bool:
        """Tell of progress, ping a client that heard nothing for long; cut one that takes nothing."""
        if self._blocked:
            self._watch_backlog(now)
        elif self.waiting is not None and (event := self.waiting.event()) is not None:
            self._speak(event, now)
        elif self.heartbeat and now - self._last >= self.heartbeat:
            if self._lane is not None and now - self._lane.at < self.heartbeat:
                self._last = self._lane.at
            else:
                self._speak(self._ping, now)
        is_due_soon = bool(self.heartbeat) and self._last + self.heartbeat - now < SOON
        return is_due_soon or self._blocked or self.waiting is not None

    def _watch_backlog(self, now: float) -> None:
        transport = self._outlet.transport
        if transport is None:
            return
        backlog = untaken(transport)
        if backlog != self._backlog:
            self._backlog, self._last = backlog, now
        elif now - self._last > STALL_SECONDS:
            transport.abort()

    def _speak(self, data: bytes, now: float) -> None:
        """Send something beside the stream, unless the client has not yet taken what was sent so before."""
        self._last = now
        if self._beat is None or self._beat.done():
            self._beat = self._tasks.spawn(self._send(data), name="heartbeat")

    async def _send(self, data: bytes) -> None:
        if self._blocked:
            return
        try:
            if not self._outlet.begun:
                await self._outlet.begin(self._headers)
            await self._outlet.write(data)
        except ConnectionError:
            return
