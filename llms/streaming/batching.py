"""Fewer and larger events for clients that asked: joined by number, and by a timer where the next text is late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, final

from llms.config.model import Batch
from llms.protocol.chat import Chunk
from llms.protocol.errors import LlmsError
from llms.protocol.joining import Joiner
from llms.tasks import Tasks


async def in_batches(
    chunks: AsyncGenerator[Chunk, None], send: Callable[[Chunk], Awaitable[None]], *, batch: Batch, tasks: Tasks
) -> None:
    """Send a stream's chunks joined, as configured; an error of the stream is raised after what came before it."""
    batcher = _Batcher(send, max_tokens=batch.max_tokens, seconds=batch.max_ms, tasks=tasks)
    try:
        async for chunk in chunks:
            await batcher.add(chunk)
    except LlmsError:
        await batcher.flush()
        raise
    finally:
        batcher.close()


@final
class _Batcher:
    """Hand on chunks, joined. What the timer sends goes out beside the stream, one after the other. Close it."""

    __slots__ = ("_failure", "_joiner", "_lock", "_seconds", "_send", "_sending", "_tasks", "_timer")

    def __init__(
        self, send: Callable[[Chunk], Awaitable[None]], *, max_tokens: int, seconds: float, tasks: Tasks
    ) -> None:
        """`send` is awaited for each chunk, never for two at once; no text waits longer than `seconds`."""
        self._send = send
        self._joiner = Joiner(max_tokens)
        self._seconds = seconds
        self._tasks = tasks
        self._lock = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._sending: asyncio.Task[Any] | None = None
        self._failure: ConnectionError | None = None

    async def add(self, chunk: Chunk) -> None:
        """Send what is due with a chunk, or let its text wait; a final chunk is sent with all that waits."""
        async with self._lock:
            if self._failure is not None:
                raise self._failure
            if (due := self._joiner.add(chunk)) is not None:
                await self._send(due)
            self._arm()

    async def flush(self) -> None:
        """Send what waits."""
        async with self._lock:
            if (due := self._joiner.rest()) is not None:
                await self._send(due)

    def close(self) -> None:
        """Send nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._sending is not None:
            self._sending.cancel()

    def _arm(self) -> None:
        """Give the oldest text that waits its time; the timer of text that was sent is another's."""
        if self._timer is not None and not self._joiner.is_waiting:
            self._timer.cancel()
            self._timer = None
        elif self._timer is None and self._joiner.is_waiting:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        self._sending = self._tasks.spawn(self._flush(), name="batch")

    async def _flush(self) -> None:
        try:
            await self.flush()
        except ConnectionError as failure:
            self._failure = failure
