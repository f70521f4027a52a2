"""One client connection on which plain requests take the hot route, and all others aiohttp's.

aiohttp's own loop of the connection waits all the while; nothing of a plain request is told to it but the time.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, final

from aiohttp import web

from llms.server.hot_route import HotRoute
from llms.server.plain_exchange import PlainExchange
from llms.server.plain_head import PlainHead
from llms.server.protocol import Connection
from llms.server.request_ids import RequestIds

_UPLOAD_SECONDS: Final = 1.0
"""A body that is not here by then is left to aiohttp, and to the bounds of whoever reads it."""
_HELD: Final = 64 * 1024
"""Bytes after a request under way from which on no more are read."""


@final
class HotConnection(Connection):
    """Tell plain requests from others, and carry one at a time."""

    __slots__ = ("_at_start", "_exchange", "_held", "_held_size", "_hot", "_upload", "_upload_timer")

    def __init__(self, manager: web.Server, ids: RequestIds, hot: HotRoute, **options: Any) -> None:
        super().__init__(manager, ids, **options)
        self._hot = hot
        self._at_start = True
        """What comes next is the start of a request, as far as can be told."""
        self._exchange: PlainExchange | None = None
        """The plain request under way."""
        self._upload: _Upload | None = None
        """A plain request of which not all is here."""
        self._upload_timer: asyncio.TimerHandle | None = None
        self._held: list[bytes] = []
        """What came after the request under way, read by read."""
        self._held_size = 0

    # -- what comes --------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Begin with what is plain and whole; leave everything else to aiohttp."""
        if self._exchange is not None or self._held:
            self._hold(data)
        elif self._upload is not None:
            self._upload.pieces.append(data)
            self._upload.missing -= len(data)
            if not self._upload.missing:
                self._uploaded(self._upload)
            elif self._upload.missing < 0:
                self._give_up_upload()
        elif not (data and self._at_start and self._takes(data)):
            super().data_received(data)

    @property
    def _is_idle(self) -> bool:
        """Tell whether aiohttp waits for a request, and the client has taken the answers before it."""
        waiter = self._waiter
        is_busy = waiter is None or waiter.done() or self._messages or self._force_close or self._close
        return not (is_busy or self.writing_paused)

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
            self._upload = _Upload(head, size, [data], missing)
            self._upload_timer = self._loop.call_later(_UPLOAD_SECONDS, self._give_up_upload)
            self._stop_head_timer()
        return True

    def _uploaded(self, upload: _Upload) -> None:
        self._forget_upload()
        first, *others = upload.pieces
        self._begin(upload.head, b"".join((memoryview(first)[upload.size :], *others)))

    def _give_up_upload(self) -> None:
        """Leave a slow body, or one that something follows, to aiohttp."""
        upload = self._upload
        self._forget_upload()
        if upload is not None:
            self._at_start = False
            for piece in upload.pieces:
                super().data_received(piece)

    def _forget_upload(self) -> None:
        self._upload = None
        if self._upload_timer is not None:
            self._upload_timer.cancel()
            self._upload_timer = None

    def _begin(self, head: PlainHead, body: bytes) -> None:
        self._stop_head_timer()
        exchange = self._exchange = PlainExchange(self, head, body)
        if not self._hot.begin(exchange):
            self.go_on(exchange)

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
        if not keeps or self._close or self._force_close:
            self.force_close()
            return
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)
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

    def _process_keepalive(self) -> None:
        """Close an idle connection; one that carries a plain request is not idle."""
        if self._exchange is None and self._upload is None:
            super()._process_keepalive()
        else:
            self._keepalive_handle = None

    def close(self) -> None:
        """Close when the request under way is over."""
        if self._exchange is None:
            self._give_up_upload()
            super().close()
        else:
            self._close = True

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - the signature of aiohttp
        """Give the request under way some time, then end it."""
        exchange = self._exchange
        if exchange is not None:
            exchange.need_task()
            if exchange.task is not None:
                await asyncio.wait((exchange.task,), timeout=timeout)
            exchange.left()
        await super().shutdown(timeout)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the request under way: its client has left."""
        self._forget_upload()
        if self._exchange is not None:
            self._exchange.left()
            self._exchange = None
        super().connection_lost(exc)


@final
class _Upload:
    """The start of a plain request."""

    __slots__ = ("head", "missing", "pieces", "size")

    def __init__(self, head: PlainHead, size: int, pieces: list[bytes], missing: int) -> None:
        self.head = head
        self.size = size
        """Bytes of the head."""
        self.pieces = pieces
        self.missing = missing
        """Bytes that are still to come."""
