"""Progress on the wire: events before the first chunk, and an object beside the text on a chunk now and then."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final, final

from llms.protocol import json
from llms.protocol.chat import Chunk, ChunkObject, Usage
from llms.protocol.progress import Figures, Progress, State
from llms.protocol.shape import Shape
from llms.protocol.sse import encode, escape_separators

_PATIENCE: Final = 0.3
"""Seconds without any news before a client is told that it waits; until then errors have their HTTP status."""
_STATES: Final[tuple[tuple[str, State], ...]] = (
    ("tool_calls", "tool"),
    ("content", "writing"),
    ("refusal", "writing"),
    ("audio", "writing"),
    ("reasoning_content", "thinking"),
    ("reasoning", "thinking"),
)
_HEAD: Final = ("id", "object", "created", "model")


@final
class Waiting:
    """What a client that asked for progress hears before the first chunk."""

    __slots__ = ("_head", "_progress")

    def __init__(self, progress: Progress, *, request_id: str, model: str, created: int) -> None:
        """Take what stands in the place of the chunks' head, which nobody knows yet; `created` is Unix seconds."""
        self._progress = progress
        self._head = {"id": request_id, "object": "chat.completion.chunk", "created": created, "model": model}

    def event(self) -> bytes | None:
        """Return the event that is due: news at once, else one a second once it takes long; None for none."""
        progress = self._progress
        if not (progress.has_news or (progress.is_due and progress.elapsed >= _PATIENCE)):
            return None
        return encode(escape_separators(json.dumps({**self._head, "choices": [], "llms": progress.report()})))


async def with_progress(
    chunks: AsyncGenerator[Chunk, None], progress: Progress, *, usage: Callable[[], Usage | None]
) -> AsyncGenerator[Chunk, None]:
    """Yield a stream's chunks, one a second with the figures so far, and the final one with the final figures.

    The first with figures is the first that brings text: before it there is nothing to tell. Chunks without figures
    are the same objects, and what gets figures keeps its bytes before them. `usage` tells what the upstream reported,
    asked at the end.
    """
    counted = _Counted(progress)
    head: ChunkObject | None = None
    async with aclosing(chunks) as source:
        async for chunk in source:
            if head is None:
                progress.begin()
                head = _head_of(chunk)
            counted.add(chunk)
            if chunk.final:
                found = usage()
                if found is not None:
                    progress.used(found.completion_tokens)
                yield _marked(chunk, progress.report(final=True), head)
            else:
                due = counted.has_text and progress.is_due
                yield _marked(chunk, progress.report(), head) if due else chunk


@final
class _Counted:
    """Read from chunks what is being written; those that repeat a shape are not decoded."""

    __slots__ = ("_called", "_progress", "_shape", "_state", "has_text")

    def __init__(self, progress: Progress) -> None:
        self.has_text = False
        self._progress = progress
        self._shape: Shape | None = None
        self._state: State = "writing"
        self._called = ""

    def add(self, chunk: Chunk) -> None:
        if chunk.wire is not None:
            self._repeat(chunk, 0, chunk.count)
            return
        for at, item in enumerate(chunk.decoded):
            if item is None:
                self._repeat(chunk, at, 1)
            else:
                self._look(item)

    def _repeat(self, chunk: Chunk, at: int, count: int) -> None:
        if chunk.shape is not self._shape:
            self._shape = chunk.shape
            self._state = _state_of(chunk.decode(at)["choices"][0]["delta"]) or "writing"
        self._progress.state(self._state)
        self._progress.add(count)
        self.has_text = True

    def _look(self, item: ChunkObject) -> None:
        for choice in item["choices"]:
            delta = choice["delta"]
            state = _state_of(delta)
            if state == "tool":
                self._look_at_calls(delta["tool_calls"])
            elif state is not None:
                self._progress.state(state)
            if state is not None:
                self._progress.add(1)
                self.has_text = True
            if choice.get("finish_reason") == "tool_calls" and self._called:
                self._progress.tool(self._called, "ready")
        used = Usage.of(item.get("usage"))
        if used is not None:
            self._progress.used(used.completion_tokens)

    def _look_at_calls(self, calls: list[dict[str, Any]]) -> None:
        called = calls[-1].get("function") or calls[-1].get("custom")
        name = called.get("name") if isinstance(called, dict) else None
        self._called = name if isinstance(name, str) and name else self._called
        self._progress.tool(self._called, "writing")


def _state_of(delta: dict[str, Any]) -> State | None:
    for name, state in _STATES:
        if delta.get(name):
            return state
    return None


def _head_of(chunk: Chunk) -> ChunkObject:
    """Return what all chunks of the stream begin with."""
    first = chunk.decode(0) if chunk.count else {}
    return {name: first[name] for name in _HEAD if name in first}


def _marked(chunk: Chunk, figures: Figures, head: ChunkObject) -> Chunk:
    """Return the chunk with figures on its last object, or on one of its own where it has none."""
    at = chunk.count - 1
    if at < 0:
        marked = Chunk.of({**head, "choices": [], "llms": figures})
    else:
        objects, texts = list(chunk.decoded), list(chunk.payloads())
        objects[at] = {**chunk.decode(at), "llms": figures}
        texts[at] = b'%b,"llms":%b}' % (texts[at].rstrip()[:-1], json.dumps(figures))
        marked = Chunk(objects, texts, chunk.shape)
    marked.final = chunk.final
    marked.skipped = chunk.skipped
    marked.upstream_request_id = chunk.upstream_request_id
    return marked
