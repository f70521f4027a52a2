"""What comes of an attempt: a stream committed at its first visible chunk, or a whole answer."""

from __future__ import annotations

from llms.gateway.answer import Answer, Whole
from llms.gateway.exchange import Exchange
from llms.gateway.lease import Lease
from llms.gateway.short_cut import ShortCut
from llms.protocol import json
from llms.protocol.chat import ChatRequest, Chunk, Completion, CompletionObject
from llms.protocol.conform import Conform
from llms.protocol.errors import UpstreamProtocolError, UpstreamTruncated
from llms.protocol.fold import Fold
from llms.protocol.native import Native
from llms.protocol.passing import Passing
from llms.protocol.whole import conform_completion, is_plain, is_whole


async def commit(lease: Lease, request: ChatRequest, exchange: Exchange) -> Answer:
    """Wait for the first chunk that clients may see."""
    conform: Conform | Passing
    conform = repairs = lease.conform or new_conform(lease, request, exchange, include_usage=request.include_usage)
    short_cut = None if request.progress is not None else ShortCut(lease, repairs, exchange)
    lease.start(request, stream=True, relay=short_cut)
    patience = lease.member.row.timeouts.first_chunk
    seen = None
    while seen is None:
        chunk = await lease.pull(patience, "no first chunk within {:g} s")
        if chunk is None:
            raise UpstreamTruncated(f"{lease.target.provider}: the stream ended before its first chunk")
        exchange.skipped += chunk.skipped
        exchange.upstream_request_id = chunk.upstream_request_id or exchange.upstream_request_id
        if chunk.native is not None and isinstance(conform, Conform):
            conform = Passing()
            if short_cut is not None:
                short_cut.conform = conform
        seen = conform.apply(chunk)
    lease.committed()
    exchange.ttft = exchange.elapsed()
    exchange.window = "streaming"
    return Answer(seen, lease=lease, conform=conform, exchange=exchange, progress=request.progress, short_cut=short_cut)


async def collect(lease: Lease, request: ChatRequest, exchange: Exchange) -> Whole:
    """Wait for everything and fold it to one answer."""
    patience = lease.member.row.timeouts.answer
    lease.start(request, stream=False)
    first = await lease.pull(patience, "no answer within {:g} s")
    if first is None:
        raise UpstreamProtocolError(f"{lease.target.provider}: the upstream ended without an answer")
    lease.committed()
    exchange.ttft = exchange.elapsed()
    exchange.upstream_request_id = first.upstream_request_id
    if first.native is not None:
        return await _passed(first.native, lease, exchange)
    completion = completed(first, lease, request, exchange)
    if completion is None:
        folded = Chunk([await _fold(first, lease, request, exchange)])
        completion = completed(folded, lease, request, exchange)
        assert completion is not None
    else:
        exchange.chunks += first.count
    exchange.finish_reason = completion.object["choices"][0]["finish_reason"]
    return await _accounted(completion, lease, exchange)


def completed(chunk: Chunk, lease: Lease, request: ChatRequest, exchange: Exchange) -> Completion | None:
    """Return the whole answer that a chunk is; None for one that is a part of an answer."""
    item, payload = chunk.objects[0], chunk.bytes_of[0] if chunk.bytes_of else None
    if payload is not None and is_plain(item):
        return Completion(item, payload)
    if not is_whole(item):
        return None
    whole = conform_completion(
        item, model=lease.target.model, fallback_id=f"chatcmpl-{request.request_id}", created=int(exchange.started)
    )
    return Completion(whole, payload if payload is not None and whole is item else json.dumps(whole))


async def _passed(native: Native, lease: Lease, exchange: Exchange) -> Whole:
    """Return an answer in the client's own dialect as it came."""
    exchange.chunks += native.events
    exchange.finish_reason = native.finish
    return await _accounted(Completion({}, native.wire, native), lease, exchange)


async def _accounted(completion: Completion, lease: Lease, exchange: Exchange) -> Whole:
    exchange.usage = completion.usage or exchange.usage
    lease.deadline.close()
    await lease.close()
    return Whole(completion, exchange)


async def _fold(first: Chunk, lease: Lease, request: ChatRequest, exchange: Exchange) -> CompletionObject:
    patience = lease.member.row.timeouts.answer
    conform = new_conform(lease, request, exchange, include_usage=True)
    fold = Fold()
    chunk: Chunk | None = first
    while chunk is not None:
        exchange.skipped += chunk.skipped
        exchange.chunks += chunk.count
        seen = conform.apply(chunk)
        if seen is not None:
            fold.add(seen.objects)
        chunk = await lease.pull(patience, "no whole answer within {:g} s")
    if not conform.complete:
        raise UpstreamTruncated(f"{lease.target.provider}: the answer ended without a finish reason")
    if (last := conform.last()) is not None:
        fold.add(last.objects)
    return fold.completion()


def new_conform(lease: Lease, request: ChatRequest, exchange: Exchange, *, include_usage: bool) -> Conform:
    """Return what makes the chunks of an answer what clients may rely on."""
    return Conform(
        model=lease.target.model,
        fallback_id=f"chatcmpl-{request.request_id}",
        created=int(exchange.started),
        include_usage=include_usage,
        running_usage=request.running_usage,
    )
