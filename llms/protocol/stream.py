"""The bytes of an OpenAI chat stream, read by read, as chunks."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import orjson

from llms.protocol import json
from llms.protocol.chat import Chunk, ChunkObject
from llms.protocol.errors import LlmsError, UpstreamProtocolError
from llms.protocol.refusals import error_for_event, is_error
from llms.protocol.shape import Shape
from llms.protocol.sse import Decoder, Event, EventTooLong

_DONE: Final = b"[DONE]"
_SEARCHES: Final = 8
"""How many chunks of a stream are looked at for their shape."""
_LONG: Final = 1024
"""Bytes from which on a read is taken in pieces."""
_LEARNED_FROM: Final = 3
"""Events that are decoded at the start of a stream before its shape is expected to be known."""


class ChunkReader:
    """Decode each event once, keep its bytes, leave out what is no chunk, and notice errors and the end.

    After a feed, `error` holds what the upstream reported (the chunk returned came before it), and `done`
    tells that `[DONE]` was read.
    """

    __slots__ = ("_decoder", "_provider", "_searches", "_secrets", "_shape", "_skipped", "done", "error")

    def __init__(self, *, provider: str, max_event: int, secrets: Collection[str] = ()) -> None:
        """Take the provider's name and secrets for error messages; `max_event` is in bytes."""
        self._decoder = Decoder(max_event=max_event)
        self._provider = provider
        self._secrets = secrets
        self._skipped = 0
        self._shape: Shape | None = None
        self._searches = _SEARCHES
        self.done = False
        self.error: LlmsError | None = None

    def feed(self, data: bytes) -> Chunk | None:
        """Return what one read completed; None when it completed nothing."""
        shape = self.steady
        if shape is not None and (count := shape.count(data)):
            return Chunk.repeated(shape, count, data)
        return self._decode(data) if len(data) < _LONG else self._piecewise(data)

    @property
    def steady(self) -> Shape | None:
        """Return the shape that the next read may be whole events of, without a change to anything here; or None."""
        return self._shape if self._decoder.idle else None

    def _piecewise(self, data: bytes) -> Chunk | None:
        """Decode the events at both ends of a long read; the run of one shape between them is only compared."""
        parts: list[Chunk | None] = []
        if self._shape is None:
            start = _after_frames(data, _LEARNED_FROM)
            parts.append(self._decode(data[:start]))
            data = data[start:]
        shape = self._shape
        if shape is not None and not (self.done or self.error):
            start, end = shape.run(data)
            count = shape.count(data[start:end])
            if count:
                parts.append(self._decode(data[:start]))
                if self._decoder.idle and not self._over and self._shape is shape:
                    parts.append(Chunk.repeated(shape, count, data[start:end]))
                    data = data[end:]
                else:
                    data = data[start:]
        if data and not self._over:
            parts.append(self._decode(data))
        found = [part for part in parts if part is not None]
        return Chunk.joined(found) if found else None

    def _decode(self, data: bytes) -> Chunk | None:
        try:
            events = self._decoder.feed(data)
        except EventTooLong as problem:
            self.error = UpstreamProtocolError(f"{self._provider}: {problem}")
            return None
        return self._chunk(events)

    def close(self) -> Chunk | None:
        """Return what the end of the body completed (an event without its blank line)."""
        return None if self.done or self.error else self._chunk(self._decoder.close())

    def _chunk(self, events: list[Event]) -> Chunk | None:
        objects: list[ChunkObject] = []
        payloads: list[bytes | None] = []
        for name, data in events:
            if data == _DONE:
                self.done = True
                break
            try:
                item = orjson.loads(data)
            except orjson.JSONDecodeError:
                if data.strip() == _DONE:
                    self.done = True
                    break
                item = self._odd(data)
                payload = None
            else:
                payload = None if b"\n" in data else data
            if item.__class__ is not dict or name == b"error" or item.get("error") or not _is_chunk(item):
                if self._ends(name, data, item):
                    break
                continue
            objects.append(item)
            payloads.append(payload)
        if not objects:
            return None
        if self._searches and (last := payloads[-1]) is not None:
            self._look_for_shape(objects[-1], last)
        chunk = Chunk(objects, payloads)
        chunk.final = self.done
        chunk.skipped, self._skipped = self._skipped, 0
        return chunk

    def _look_for_shape(self, item: ChunkObject, payload: bytes) -> None:
        """Learn the shape of a chunk, a few times at most: streams whose chunks all differ are not worth it."""
        self._searches -= 1
        self._shape = Shape.of(payload, item) or self._shape

    def _odd(self, data: bytes) -> Any:
        """Decode what orjson refuses though it is JSON (half a character); None for what is no JSON."""
        try:
            return json.exact_loads(data)
        except ValueError:
            return None

    def _ends(self, name: bytes, data: bytes, item: Any) -> bool:
        """Tell whether an event that is no chunk reports an error; count it as skipped otherwise."""
        if name == b"error" or is_error(item):
            told = data.decode("utf-8", "replace") if item is None else item
            self.error = error_for_event(told, provider=self._provider, secrets=self._secrets)
            return True
        self._skipped += 1
        return False

    @property
    def _over(self) -> bool:
        return self.done or self.error is not None

    @property
    def skipped(self) -> int:
        """Return how many malformed events no chunk has told of yet."""
        return self._skipped


def _after_frames(data: bytes, count: int) -> int:
    """Return where the first `count` events end; the length of the data when it holds fewer."""
    end = 0
    for _ in range(count):
        found = data.find(b"\n\n", end)
        if found < 0:
            return len(data)
        end = found + 2
    return end


def _is_chunk(item: ChunkObject) -> bool:
    return "choices" in item or "usage" in item
