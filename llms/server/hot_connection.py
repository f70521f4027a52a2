"""One client connection on which plain requests take the hot route, and all others aiohttp's.

aiohttp's own connection, with its parser, its loop and their buffers, is made for the first request that is not plain;
most connections never have one. From then on it waits while plain requests are answered, and hears nothing of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast, final

from aiohttp.base_protocol import BaseProtocol
from aiohttp.tcp_helpers import tcp_keepalive

from llms.server.hot_route import HotRoute
from llms.server.plain_exchange import PlainExchange
from llms.server.plain_head import PlainHead
from llms.server.plain_upload import PlainUpload
from llms.server.protocol import HEAD_SECONDS, Connection, leave_soon

_UPLOAD_SECONDS: Final = 1.0
"""A body that is not here by then is left to aiohttp, and to the bounds of whoever reads it."""
_HELD: Final = 64 * 1024
"""Bytes after a request under way from which on no more are read."""


@final
class HotConnection(BaseProtocol):
    """Tell plain requests from others, and carry one at a time."""

    __slots__ = (
        "_aiohttp",
        "_at_start",
        "_closes",
        "_exchange",
        "_head_timer",
        "_held",
        "_held_size",
        "_hot",
        "_idle_since",
        "_idle_timer",
        "_keepalive",
        "_make",
        "_open",
        "_upload",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        hot: HotRoute,
        *,
        make: Callable[[], Connection],
        open: set[HotConnection],
        keepalive: float,
    ) -> None:
        """Stand in `open` while connected; `make` makes aiohttp's part, `keepalive` is how many seconds it may idle."""
        super().__init__(loop)
        self._hot = hot
        self._make = make
        self._open = open
        self._keepalive = keepalive
        self._aiohttp: Connection | None = None
        self._closes = False
        """No request follows the one under way."""
        self._head_timer: asyncio.TimerHandle | None = None
        """Runs until the first request begins."""
        self._idle_timer: asyncio.TimerHandle | None = None
        self._idle_since = 0.0
        self._at_start = True
        """What comes next is the start of a request, as far as can be told."""
        self._exchange: PlainExchange | None = None
        """The plain request under way."""
        self._upload: PlainUpload | None = None
        self._held: list[bytes] = []
        """What came after the request under way, read by read."""
        self._held_size = 0

    # -- what comes --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect the first head in time."""
        super().connection_made(transport)
        tcp_keepalive(cast(asyncio.Transport, transport))
        self._open.add(self)
        self._head_timer = self._loop.call_later(HEAD_SECONDS, self._end)

    def data_received(self, data: bytes) -> None:
        """Begin with what is plain and whole; leave everything else to aiohttp."""
        if self._exchange is not None or self._held:
            self._hold(data)
        elif self._upload is not None:
            self._upload.add(data)
            if not self._upload.missing:
                self._begin(self._upload.head, self._upload.body())
            elif self._upload.missing < 0:
                self._give_up_upload()
        elif not (self._at_start and self._takes(data)):
            self._leave_to_aiohttp(data)

    def _leave_to_aiohttp(self, data: bytes) -> None:
        connection = self._aiohttp
        if connection is None:
            if self._closes or self.transport is None:
                return
            connection = self._aiohttp = self._make()
            connection.connection_made(self.transport)
            if self.writing_paused:
                connection.pause_writing()
        self._stop_timers()
        connection.data_received(data)

    @property
    def _is_idle(self) -> bool:
        """Tell whether a request may begin, and the client has taken the answers before it."""
        return not (self._closes or self.writing_paused) and (self._aiohttp is None or self._aiohttp.is_idle)

    def _takes(self, data: bytes) -> bool:
        """Tell whether a plain request starts here; begin with it when it is whole."""
        read = self._hot.read(data)
        if read is None:
            self._at_start = False
            return False
        head, size, length = read
        missing = size + length - len(data)
        if not (head.is_plain and self._hot.takes(length) and self._is_idle):
            # Where the next request starts is known only after one that is here to its end.
            self._at_start = not missing
            return False
        if missing < 0:
            # What follows may be the next request, or garbage, which aiohttp answers for the request before it, too.
            self._at_start = False
            return False
        if not missing:
            self._begin(head, data[size:])
        elif not self._hot.admits(PlainExchange(self, head, b"")):
            self._at_start = False
            return False  # whoever is refused hears it before the body is sent
        else:
            timer = self._loop.call_later(_UPLOAD_SECONDS, self._give_up_upload)
            self._upload = PlainUpload(head, size, data, missing, timer)
            self._begins()
        return True

    def _give_up_upload(self) -> None:
        """Leave a slow body, or one that something follows, to aiohttp."""
        upload = self._end_upload()
        if upload is not None:
            self._at_start = False
            for piece in upload.pieces:
                self._leave_to_aiohttp(piece)

    def _end_upload(self) -> PlainUpload | None:
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.end()
        return upload

    def _begin(self, head: PlainHead, body: bytes) -> None:
        self._end_upload()
        self._begins()
        exchange = self._exchange = PlainExchange(self, head, body)
        if not self._hot.begin(exchange):
            self.go_on(exchange)

    def _begins(self) -> None:
        """Note that the connection is in use."""
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        if self._aiohttp is not None:
            self._aiohttp.keep_alive(True)  # which stops its watch over idle connections

    def go_on(self, exchange: PlainExchange) -> asyncio.Task[None]:
        """Have a task answer, from where the answer stands."""
        return self._hot.go_on(exchange)

    def _hold(self, data: bytes) -> None:
        """Keep what comes too early; stop reading where that is much."""
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size > _HELD and self.transport is not None:
            self.transport.pause_reading()

    # -- what goes ---------------------------------------------------------------------------------------

    async def drain(self) -> None:
        """Wait while the client is slow; raise ConnectionError when it is gone."""
        await self._drain_helper()

    def over(self, *, keeps: bool) -> None:
        """Go on to the next request, or close."""
        self._exchange = None
        if not keeps or self._closes:
            self._end()
            return
        self._idle_since = self._loop.time()
        if self._idle_timer is None:
            self._idle_timer = self._loop.call_later(self._keepalive, self._look)
        if self._held:
            self._loop.call_soon(self._take_up)  # whoever tells of the end is not done yet

    def _take_up(self) -> None:
        """Go on with what came too early, as it came."""
        held, self._held = self._held, []
        if self._held_size > _HELD and self.transport is not None:
            self.transport.resume_reading()
        self._held_size = 0
        for data in held:
            self.data_received(data)

    # -- how it ends -------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Close the connection where it is idle, and was for so long; the end of a request has this come again."""
        self._idle_timer = None
        if self._exchange is not None or self._upload is not None:
            return
        left = self._idle_since + self._keepalive - self._loop.time()
        if left > 0:
            self._idle_timer = self._loop.call_later(left, self._look)
        else:
            self._end()

    def _stop_timers(self) -> None:
        for timer in (self._head_timer, self._idle_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._idle_timer = None

    def _end(self) -> None:
        """Close at once."""
        self._closes = True
        if self._aiohttp is not None:
            self._aiohttp.force_close()
        elif self.transport is not None:
            self.transport.close()

    def close(self) -> None:
        """Close when the request under way is over."""
        if self._exchange is None:
            self._give_up_upload()
            if self._aiohttp is not None:
                self._aiohttp.close()
            else:
                self._end()
        self._closes = True

    async def shutdown(self, timeout: float | None) -> None:  # noqa: ASYNC109 - as aiohttp's
        """Give the request under way some time, then end it."""
        exchange = self._exchange
        if exchange is not None:
            exchange.need_task()
            if exchange.task is not None:
                await asyncio.wait((exchange.task,), timeout=timeout)
            exchange.left()
        if self._aiohttp is not None:
            await self._aiohttp.shutdown(timeout)
        self._end()

    def eof_received(self) -> None:
        """Leave as the client does."""
        leave_soon(self._loop, self.transport)

    def pause_writing(self) -> None:
        """Note that the client is slow."""
        super().pause_writing()
        if self._aiohttp is not None:
            self._aiohttp.pause_writing()

    def resume_writing(self) -> None:
        """Note that it is no more."""
        super().resume_writing()
        if self._aiohttp is not None:
            self._aiohttp.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the request under way: its client has left."""
        self._open.discard(self)
        self._closes = True
        self._stop_timers()
        self._end_upload()
        if self._exchange is not None:
            self._exchange.left()
            self._exchange = None
        super().connection_lost(exc)
        if self._aiohttp is not None:
            self._aiohttp.connection_lost(exc)
            self._aiohttp = None
