"""What happens when a client leaves: the upstream notices at once, in every window, and nothing stays behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from llms.protocol.chat import Chunk
from llms.testing.answers import answer
from llms.testing.contract.setup import Setup, needs
from llms.testing.seen import Seen
from llms.testing.steps import head, stall

NOTICED_WITHIN = 1.0
"""Seconds; the aim is 0.1, but a busy machine must not fail an honest provider."""


class Departures(Setup):
    """`aclose()` and cancellation, as the upstream sees them."""

    @needs("speaks_http")
    @pytest.mark.parametrize("stream", [True, False])
    @pytest.mark.parametrize("window", ["before the head", "before the first event"])
    async def test_a_cancelled_wait_stops_the_upstream(self, window: str, stream: bool) -> None:
        async with self.ready() as (provider, upstream):
            upstream.script(answer(*([head()] if window == "before the first event" else []), stall()))
            chunks = provider.chat(self.request(), stream=stream)
            waiting = asyncio.ensure_future(anext(chunks))
            seen = await upstream.arrived()
            await seen.silent()
            await _let_the_client_read()
            left = time.monotonic()
            await _cancelled(waiting)
            await chunks.aclose()
            await self._noticed(seen, left)
            await upstream.closed()
            await self.answers_again(provider, upstream)

    @needs("speaks_http")
    @pytest.mark.parametrize("moment", ["after a chunk", "while it waits for the next"])
    async def test_leaving_in_mid_stream_stops_the_upstream(self, moment: str) -> None:
        async with self.ready() as (provider, upstream):
            self.script_begun(upstream, ["one ", "two"], stall())
            chunks = provider.chat(self.request())
            await anext(chunks)
            seen = await upstream.arrived()
            await seen.silent()
            left = await (self._close(chunks) if moment == "after a chunk" else self._cancel(chunks))
            await self._noticed(seen, left)
            await upstream.closed()
            await self.answers_again(provider, upstream)

    async def _close(self, chunks: AsyncGenerator[Chunk, None]) -> float:
        left = time.monotonic()
        await chunks.aclose()
        return left

    async def _cancel(self, chunks: AsyncGenerator[Chunk, None]) -> float:
        async def drain() -> None:
            async for _ in chunks:
                pass

        waiting = asyncio.ensure_future(drain())
        await _let_the_client_read()
        left = time.monotonic()
        await _cancelled(waiting)
        await chunks.aclose()
        return left

    async def _noticed(self, seen: Seen, left: float) -> None:
        noticed = await seen.gone(self.patience / 2)
        assert noticed - left < NOTICED_WITHIN, f"the upstream noticed after {noticed - left:.3f} s"

    async def test_leaving_after_the_first_chunk_ends_any_provider(self) -> None:
        async with self.ready() as (provider, upstream):
            self.script_text(upstream, "Hello world")
            chunks = provider.chat(self.request())
            await anext(chunks)
            await chunks.aclose()
            with pytest.raises(StopAsyncIteration):
                await anext(chunks)
            assert await self.ask(provider), "the chat after it had no chunk"

    async def test_a_chat_that_nobody_reads_asks_nothing(self) -> None:
        async with self.ready() as (provider, upstream):
            await provider.chat(self.request()).aclose()

            assert upstream.requests == []

    @needs("speaks_http")
    async def test_many_departures_leave_nothing_open(self) -> None:
        async with self.ready() as (provider, upstream):
            self.script_begun(upstream, ["one"], stall())
            streams = [provider.chat(self.request()) for _ in range(20)]
            await asyncio.gather(*(anext(chunks) for chunks in streams))
            await asyncio.gather(*(chunks.aclose() for chunks in streams))
            await upstream.closed()

            assert len(upstream.chats) == 20
            assert upstream.open_connections == 0


async def _cancelled(waiting: asyncio.Future[Any]) -> None:
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled(), f"the cancellation became {waiting.exception()!r}"


async def _let_the_client_read() -> None:
    """Give the client's side some turns of the loop, to read what was sent and to wait for more."""
    for _ in range(20):
        await asyncio.sleep(0)
