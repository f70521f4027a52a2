"""Several chats for one request, asked in turn: a client's prompts, each with choices of its own in one answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol

from llms.protocol.chat import ChatRequest, Chunk, ChunkObject
from llms.protocol.conform import Conform
from llms.protocol.errors import UpstreamTruncated
from llms.protocol.fold import unfold
from llms.protocol.whole import is_whole


class Asking(Protocol):
    """What asks an upstream for a chat."""

    def __call__(self, request: ChatRequest, /, *, stream: bool) -> AsyncGenerator[Chunk, None]:
        """Yield the chunks of the answer."""
        ...


def as_chats(
    ask: Asking,
    request: ChatRequest,
    *,
    stream: bool,
    relay: Callable[[ChatRequest], AsyncGenerator[Chunk, None]] | None = None,
) -> AsyncGenerator[Chunk, None]:
    """Return the answer of an upstream that does not speak the client's dialect; raise what speaks against it.

    A single chat is asked of `relay`, where there is one.
    """
    original = request.original
    if original is not None and original.refusal is not None:
        raise original.refusal
    if original is not None and original.chats:
        return _in_turn(ask, request, original.chats, stream=stream)
    return ask(request, stream=stream) if relay is None else relay(request)


async def _in_turn(
    ask: Asking, request: ChatRequest, bodies: Sequence[Mapping[str, Any]], *, stream: bool
) -> AsyncGenerator[Chunk, None]:
    """Yield the chunks of all chats; the choices of each are numbered on from those of the ones before.

    All are opened with the first chunk: so the answer is not whole before the last of them has ended.
    """
    each = request.body.get("n") or 1
    begun = False
    usage: dict[str, Any] = {}
    for number, body in enumerate(bodies):
        asked = request._replace(body=body, raw=None, original=None)
        rules = Conform(
            model=request.model, fallback_id=f"chatcmpl-{request.request_id}", created=1, include_usage=True
        )
        async with aclosing(ask(asked, stream=stream)) as chunks:
            async for chunk in chunks:
                seen = rules.apply(_as_chunks(chunk))
                objects = [] if seen is None else [_numbered_on(item, number * each) for item in seen.objects]
                if objects and not begun:
                    begun = True
                    objects.insert(0, _opening(objects[0], [place * each for place in range(len(bodies))]))
                yield _like(chunk, objects)
        if not rules.complete:
            raise UpstreamTruncated(f"the answer to prompt {number} ended without a finish reason")
        usage = _sum(usage, rules.usage or {})
    if usage:
        yield Chunk.of({"choices": [], "usage": usage})


def _as_chunks(chunk: Chunk) -> Chunk:
    """Return a whole answer as the chunks of its stream; chunks as they are."""
    first = chunk.objects[0] if chunk.count else {}
    return Chunk(unfold(first)) if is_whole(first) else chunk


def _numbered_on(item: ChunkObject, start: int) -> ChunkObject:
    """Return an object with its choices counted from `start`; its usage is told at the end, with that of all."""
    choices = [{**choice, "index": start + choice["index"]} for choice in item["choices"]]
    return {**{name: value for name, value in item.items() if name != "usage"}, "choices": choices}


def _opening(item: ChunkObject, indices: Sequence[int]) -> ChunkObject:
    """Return an object that begins all choices."""
    delta = {"role": "assistant", "content": ""}
    return {**item, "choices": [{"index": index, "delta": delta, "finish_reason": None} for index in indices]}


def _like(chunk: Chunk, objects: Sequence[ChunkObject]) -> Chunk:
    told = Chunk.of(*objects)
    told.skipped = chunk.skipped
    told.upstream_request_id = chunk.upstream_request_id
    return told


def _sum(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Add the counts of two usages, details included; of anything else the later stands."""
    total = {**one, **other}
    for name in one.keys() & other.keys():
        mine, theirs = one[name], other[name]
        if isinstance(mine, dict) and isinstance(theirs, dict):
            total[name] = _sum(mine, theirs)
        elif isinstance(mine, int | float) and isinstance(theirs, int | float):
            total[name] = mine + theirs
    return total
