"""Answers that are kept: what is kept of one, and the answer that comes of it again."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Self, final

from llms.gateway.answer import Whole
from llms.gateway.exchange import Exchange
from llms.gateway.flight import Flight
from llms.protocol import json
from llms.protocol.chat import ChatRequest, Chunk, ChunkObject, Completion, CompletionObject, Usage
from llms.protocol.fold import Fold, unfold
from llms.protocol.native import Native
from llms.stores.answers import KeptAnswer
from llms.streaming.progress import with_progress

CACHED = Usage(source="cached")


def kept_of(flight: Flight) -> KeptAnswer | None:
    """Return what to keep of a whole answer; None of one that is too long for that."""
    inner = flight.inner
    if flight.whole is not None:
        completion = flight.whole.completion
        if completion.native is not None:
            return _kept_native(inner, [completion.native])
        return KeptAnswer(inner.provider, inner.model, completion.payload)
    if flight.answer is None or flight.chunks is None:
        return None
    if flight.answer.native:
        return _kept_native(inner, [chunk.native for chunk in flight.chunks if chunk.native is not None])
    folded = _folded(flight.chunks)
    if flight.answer.reported is not None:
        folded.setdefault("usage", dict(flight.answer.reported))
    return KeptAnswer(inner.provider, inner.model, json.dumps(folded))


def whole_of(kept: KeptAnswer, exchange: Exchange) -> Whole:
    """Return the whole answer, accounted."""
    completion = _completion(kept)
    _account(kept, completion, exchange)
    return Whole(completion, exchange)


@final
class Replayed:
    """The stream of a kept answer, in one go."""

    __slots__ = ("_completion", "_request", "exchange")
    short_cut = None
    heartbeat = 0.0

    def __init__(self, kept: KeptAnswer, *, request: ChatRequest, exchange: Exchange) -> None:
        """Take what is kept, and the request that it answers."""
        self._completion = _completion(kept)
        self._request = request
        self.exchange = exchange
        _account(kept, self._completion, exchange)
        exchange.window = "streaming"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.exchange.end(committed=True)

    @property
    def native(self) -> bool:
        """Tell whether the chunks hold the answer in the client's own dialect."""
        return self._completion.native is not None

    @property
    def usage(self) -> Usage | None:
        """Return the usage of the request that brought the answer."""
        return self._completion.usage

    @property
    def seconds(self) -> float:
        """Return the time since the request began."""
        return self.exchange.elapsed()

    def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Yield the whole answer as chunks, the last of them final."""
        chunks = self._chunks()
        progress = self._request.progress
        return chunks if progress is None else with_progress(chunks, progress, usage=lambda: self.usage)

    async def _chunks(self) -> AsyncGenerator[Chunk, None]:
        completion = self._completion
        if completion.native is not None:
            chunk = Chunk.passed(completion.native)
        else:
            chunk = Chunk.of(*_stream_of(completion.object, include_usage=self._request.include_usage))
        chunk.final = True
        self.exchange.chunks += chunk.count
        yield chunk
        self.exchange.finished = True


def _stream_of(completion: CompletionObject, *, include_usage: bool) -> list[ChunkObject]:
    usage = completion.get("usage")
    chunks = unfold({name: value for name, value in completion.items() if name != "usage"})
    if include_usage and usage is not None:
        head = {name: value for name, value in chunks[0].items() if name != "choices"}
        chunks.append({**head, "choices": [], "usage": usage})
    return chunks


def _folded(chunks: list[Chunk]) -> CompletionObject:
    fold = Fold()
    for chunk in chunks:
        fold.add(chunk.objects)
    return fold.completion()


def _kept_native(inner: Exchange, parts: list[Native]) -> KeptAnswer:
    usage = inner.usage if inner.usage.source == "reported" else None
    told = [sum(part.events for part in parts), inner.finish_reason, None if usage is None else list(usage)]
    return KeptAnswer(inner.provider, inner.model, b"".join(part.wire for part in parts), json.dumps(told))


def _completion(kept: KeptAnswer) -> Completion:
    if not kept.native:
        return Completion(json.loads(kept.body), kept.body)
    events, finish, usage = json.loads(kept.native)
    told = None if usage is None else Usage(*usage)
    return Completion({}, kept.body, Native(kept.body, events, told, finish, complete=True))


def _account(kept: KeptAnswer, completion: Completion, exchange: Exchange) -> None:
    exchange.provider, exchange.model, exchange.usage = kept.provider, kept.model, CACHED
    native = completion.native
    exchange.finish_reason = completion.object["choices"][0]["finish_reason"] if native is None else native.finish
    exchange.ttft = exchange.elapsed()
