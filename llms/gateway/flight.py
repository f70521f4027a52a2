"""One request to an upstream that answers several equal ones: each reads all of it, whenever it came."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, final

from llms.gateway.answer import Answer, Whole
from llms.gateway.exchange import Exchange
from llms.protocol.chat import Chunk, Usage
from llms.protocol.errors import Cancelled, InternalError, LlmsError
from llms.streaming.news import News
from llms.tasks import Tasks

_MOST: Final = 4 * 2**20
"""Bytes of a stream up to which others may join; from then on only what somebody has not read is kept."""
_AHEAD: Final = 8 * 2**20
"""Bytes that are kept for the slowest reader; then the upstream has to wait, as it would for a single one."""
_COST: Final = 300
"""Bytes that an object of a chunk takes in memory, about."""
SHARED: Final = Usage(source="shared")
_LEFT: Final = "Everybody left before the answer was whole."
Keep = Callable[["Flight"], Awaitable[None]]


@final
class Flight:
    """Runs in a task of its own, as long as it has members: the accounts of the requests that it answers."""

    __slots__ = (
        "_ahead", "_chunks", "_first", "_members", "_news", "_payer", "_room", "_size", "_task",
        "answer", "error", "include_usage", "inner", "is_open", "over", "whole",
    )  # fmt: skip

    def __init__(self, inner: Exchange, *, include_usage: bool = False) -> None:
        """Take the account of the request to the upstream, which is told in that of one member."""
        inner.hidden = True
        self.inner = inner
        self.include_usage = include_usage
        """Its stream ends with the usage."""
        self.answer: Answer | None = None
        """The stream, once it is committed."""
        self.whole: Whole | None = None
        """The whole answer, once it is there."""
        self.error: LlmsError | None = None
        self.over = False
        """Everything that members may read is there."""
        self.is_open = True
        """Others may join."""
        self._members: dict[Exchange, int] = {}
        self._payer: Exchange | None = None
        self._chunks: list[Chunk] = []
        self._first = 0
        self._size = self._ahead = 0
        self._room = asyncio.Event()
        self._news = News()
        self._task: asyncio.Task[None] | None = None

    def start(self, work: Coroutine[Any, Any, None], tasks: Tasks) -> None:
        """Run `stream` or `complete`."""
        self._task = tasks.spawn(work, name=f"flight {self.inner.request_id}")
        self._task.add_done_callback(self._ran)

    def when_over(self, forget: Callable[[], None]) -> None:
        """Call a function once the task has ended."""
        assert self._task is not None
        self._task.add_done_callback(lambda task: forget())

    async def stream(self, ask: Callable[[], Awaitable[Answer]], keep: Keep) -> None:
        """Read a stream to its end; `keep` hears of a whole one."""
        try:
            async with await ask() as answer:
                self.answer = answer
                self._news.tell()
                async for chunk in answer.chunks():
                    self._add(chunk)
                    if chunk.final:
                        self._end()
                        await keep(self)
                    else:
                        await self._wait_for_readers()
        except LlmsError as error:
            self._end(error)

    async def complete(self, ask: Callable[[], Awaitable[Whole]], keep: Keep) -> None:
        """Wait for a whole answer; `keep` hears of it."""
        try:
            self.whole = await ask()
        except LlmsError as error:
            self._end(error)
        else:
            self._end()
            await keep(self)

    def join(self, exchange: Exchange) -> None:
        """Count a member in: it reads from the beginning."""
        self._members[exchange] = 0

    async def committed(self, exchange: Exchange) -> Answer:
        """Wait for the first chunk; raise the LlmsError that came instead."""
        while self.answer is None and not self.over:
            await self._news.wait()
        self._show(exchange)
        if self.answer is None:
            raise self._error()
        return self.answer

    async def completed(self, exchange: Exchange) -> Whole:
        """Wait for the whole answer; raise the LlmsError that came instead."""
        while not self.over:
            await self._news.wait()
        self._show(exchange)
        if self.whole is None:
            raise self._error()
        return self.whole

    async def next(self, exchange: Exchange) -> Chunk | None:
        """Return a member's next chunk; None after the last. Raise the LlmsError that broke the stream."""
        at = self._members[exchange]
        while at - self._first >= len(self._chunks):
            if self.over:
                if self.error is not None:
                    raise self._error()
                return None
            await self._news.wait()
        chunk = self._chunks[at - self._first]
        self._members[exchange] = at + 1
        if not self.is_open:
            self._forget_read()
        return chunk

    async def leave(self, exchange: Exchange) -> None:
        """Count a member out and write its account; the last one stops the upstream."""
        del self._members[exchange]
        try:
            if not self._members and not self.over:
                self._payer = exchange
                self.is_open = False
                await self._stop()
            elif not self.is_open:
                self._forget_read()
        finally:
            self._account(exchange)

    @property
    def chunks(self) -> list[Chunk] | None:
        """Return all chunks; None where there were too many to be kept."""
        return self._chunks if self._size <= _MOST else None

    async def _stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])

    def _ran(self, task: asyncio.Task[None]) -> None:
        """End what its task could not: it was cancelled, or has a defect."""
        if not self.over:
            defect = not task.cancelled()
            self._end(
                InternalError("The answer broke; the server's log has the cause.") if defect else Cancelled(_LEFT)
            )

    def _add(self, chunk: Chunk) -> None:
        size = chunk.count * _COST + sum(len(text) for text in chunk.bytes_of or () if text)
        if chunk.native is not None:
            size += len(chunk.native.wire)
        self._chunks.append(chunk)
        self._size += size
        self._ahead += size
        if self._size > _MOST:
            self.is_open = False
            self._forget_read()
        self._news.tell()

    async def _wait_for_readers(self) -> None:
        while self._ahead > _AHEAD:
            self._room.clear()
            await self._room.wait()

    def _forget_read(self) -> None:
        """Drop what every member has read, once nobody can join any more."""
        if self._size <= _MOST or not self._members:
            return
        read = min(self._members.values()) - self._first
        if read > 0:
            self._ahead -= self._ahead * read // len(self._chunks)
            del self._chunks[:read]
            self._first += read
            self._room.set()

    def _end(self, error: LlmsError | None = None) -> None:
        self.error = error
        self.over = True
        self.is_open = False
        if self.answer is not None:
            self.inner.usage = self.answer.usage or self.inner.usage
            self.inner.finish_reason = self.answer.finish
        self._payer = self._payer or next(iter(self._members), None)
        self._news.tell()

    def _error(self) -> LlmsError:
        """Return the error for one member: each writes on its own what it tells its client."""
        assert self.error is not None
        return copy.copy(self.error)

    def _show(self, exchange: Exchange) -> None:
        """Note where the answer is from."""
        inner = self.inner
        exchange.provider, exchange.model, exchange.attempts = inner.provider, inner.model, inner.attempts
        exchange.upstream_request_id = inner.upstream_request_id

    def _account(self, exchange: Exchange) -> None:
        """Book what the upstream did to one member, the first that was there at the end or the last that left."""
        inner = self.inner
        self._show(exchange)
        exchange.finish_reason = inner.finish_reason
        if exchange is not self._payer:
            exchange.usage = SHARED
            return
        exchange.usage = inner.usage
        exchange.retries, exchange.fallbacks = inner.retries, inner.fallbacks
        exchange.skipped, exchange.queued, exchange.overhead = inner.skipped, inner.queued, inner.overhead
