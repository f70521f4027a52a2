"""The bytes of a Gemini answer, read by read, as chunks."""

from __future__ import annotations

from typing import Any, ClassVar, Final, final

from llms.protocol import json
from llms.protocol.chat import Chunk, ChunkObject
from llms.protocol.dialects.gemini.answer import Answer, has_answer
from llms.protocol.dialects.gemini.counted_shape import CountedShape
from llms.protocol.dialects.gemini.errors import error_in
from llms.protocol.errors import LlmsError, UpstreamProtocolError
from llms.protocol.refusals import is_error
from llms.protocol.shape import Shape
from llms.protocol.sse import Decoder, Event, EventTooLong

_END: Final = b"[DONE]"
_SEARCHES: Final = 8
"""How many events of a stream are looked at for their shape."""


@final
class AnswerReader:
    """Translate events as they come; the end of the body is the end of the answer.

    After a feed, `error` holds why the answer ended early; the chunk returned came before it.
    """

    __slots__ = ("_answer", "_decoder", "_provider", "_searches", "_secrets", "_shape", "_skipped", "error")
    done: ClassVar[bool] = False
    """Only the end of the body tells the end of an answer."""

    def __init__(self, answer: Answer, *, provider: str, max_event: int, secrets: tuple[str, ...] = ()) -> None:
        """Take what translates, and the provider's name and secrets for messages; `max_event` is in bytes."""
        self._answer = answer
        self._decoder = Decoder(max_event=max_event)
        self._provider = provider
        self._secrets = secrets
        self._skipped = 0
        self._shape: Shape | None = None
        self._searches = _SEARCHES
        self.error: LlmsError | None = None

    def feed(self, data: bytes) -> Chunk | None:
        """Return what one read completed; None when it completed nothing."""
        shape = self.steady
        if shape is not None and (chunk := Chunk.translated(shape, data)) is not None:
            return chunk
        try:
            events = self._decoder.feed(data)
        except EventTooLong as problem:
            self.error = UpstreamProtocolError(f"{self._provider}: {problem}")
            return None
        objects = self._objects(events)
        if objects and self._searches and self.error is None:
            self._searches -= 1
            found = CountedShape.learned(data, events[-1][1], objects[-1], note=self._answer.note)
            self._shape = found or self._shape
        return self._chunk(objects)

    @property
    def steady(self) -> Shape | None:
        """Return the shape that the next read may be whole events of, without a change to anything here; or None."""
        return self._shape if self._decoder.idle else None

    def close(self) -> Chunk | None:
        """Return what the end of the body completed, and the usage."""
        objects = self._objects(self._decoder.close())
        ending = None if self.error else self._answer.ending()
        return self._chunk([*objects, ending] if ending else objects)

    def whole(self, body: bytes) -> Chunk | None:
        """Return a body that is one answer, or the list of events that a stream is without `alt=sse`."""
        try:
            found = json.loads(body)
        except ValueError:
            self.error = UpstreamProtocolError(f"{self._provider}: the upstream's answer is not JSON")
            return None
        objects: list[ChunkObject] = []
        for item in found if isinstance(found, list) else [found]:
            if self.error is None and (is_error(item) or has_answer(item)):
                objects += self._read(item)
        if self.error is None and not objects:
            self.error = UpstreamProtocolError(f"{self._provider}: the upstream's answer holds no candidates")
        ending = None if self.error else self._answer.ending()
        return self._chunk([*objects, ending] if ending else objects)

    def _objects(self, events: list[Event]) -> list[ChunkObject]:
        objects: list[ChunkObject] = []
        for _, data in events:
            if self.error is not None:
                break
            try:
                item = json.loads(data)
            except ValueError:
                item = None
            if is_error(item) or has_answer(item):
                objects += self._read(item)
            elif data.strip() != _END:
                self._skipped += 1
        return objects

    def _read(self, item: Any) -> list[ChunkObject]:
        if is_error(item):
            self.error = error_in(item, provider=self._provider, secrets=self._secrets)
            return []
        objects = self._answer.objects(item)
        self.error = self._answer.error
        return objects

    def _chunk(self, objects: list[ChunkObject]) -> Chunk | None:
        if not objects:
            return None
        chunk = Chunk(objects)
        chunk.skipped, self._skipped = self._skipped, 0
        return chunk
