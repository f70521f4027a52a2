"""The stream of one member of a flight: what was said so far at once, then the rest as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Self, final

from llms.gateway.answer import Answer
from llms.gateway.exchange import Exchange
from llms.gateway.flight import Flight
from llms.protocol.chat import ChatRequest, Chunk, Usage
from llms.protocol.errors import LlmsError
from llms.streaming.progress import with_progress


@final
class Joined:
    """Use it as `async with`; leaving stops the upstream where nobody else is there."""

    __slots__ = ("_answer", "_flight", "_generator", "_request", "exchange")
    short_cut = None

    def __init__(self, flight: Flight, answer: Answer, *, request: ChatRequest, exchange: Exchange) -> None:
        """Take a flight that is committed, and whose member the request is already."""
        self.exchange = exchange
        self._flight = flight
        self._answer = answer
        self._request = request
        self._generator: AsyncGenerator[Chunk, None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._generator is not None:
                await self._generator.aclose()
        finally:
            try:
                await self._flight.leave(self.exchange)
            finally:
                self.exchange.end(committed=True)

    @property
    def heartbeat(self) -> float:
        """Return the seconds of silence after which the target's row wants a sign of life; 0 for never."""
        return self._answer.heartbeat

    @property
    def native(self) -> bool:
        """Tell whether the chunks hold the answer in the client's own dialect."""
        return self._answer.native

    @property
    def usage(self) -> Usage | None:
        """Return the upstream's usage as far as it was told."""
        return self._answer.usage

    @property
    def seconds(self) -> float:
        """Return the time since the request began."""
        return self.exchange.elapsed()

    def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Yield what clients may see; raise one LlmsError when the upstream fails on the way."""
        chunks = self._chunks()
        if self._request.progress is not None:
            chunks = with_progress(chunks, self._request.progress, usage=lambda: self._answer.usage)
        self._generator = chunks
        return chunks

    async def _chunks(self) -> AsyncGenerator[Chunk, None]:
        exchange, flight = self.exchange, self._flight
        strips = flight.include_usage and not self._request.include_usage
        try:
            while (chunk := await flight.next(exchange)) is not None:
                if strips and chunk.final and chunk.native is None:
                    chunk = _without_usage(chunk)
                exchange.chunks += chunk.count
                yield chunk
        except LlmsError as error:
            exchange.error = error
            raise
        exchange.finished = True


def _without_usage(chunk: Chunk) -> Chunk:
    """Return a final chunk without the object that tells the usage, which this client did not ask for."""
    objects, texts = chunk.objects, chunk.payloads()
    kept = [at for at, item in enumerate(objects) if item["choices"]]
    bare = Chunk([objects[at] for at in kept], [texts[at] for at in kept], chunk.shape)
    bare.final = True
    bare.skipped = chunk.skipped
    return bare
