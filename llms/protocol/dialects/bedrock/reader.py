"""The bytes of a Bedrock answer, read by read, as chunks."""

from __future__ import annotations

from typing import ClassVar, final

from llms.protocol import json
from llms.protocol.chat import Chunk, ChunkObject
from llms.protocol.dialects.bedrock.answer import Answer
from llms.protocol.dialects.bedrock.errors import error_in
from llms.protocol.dialects.bedrock.frames import BadFrame, Frame, FrameReader
from llms.protocol.errors import LlmsError, UpstreamProtocolError, UpstreamTruncated


@final
class AnswerReader:
    """Translate frames as they come. After a feed, `error` holds why the answer ended early."""

    __slots__ = ("_answer", "_frames", "_provider", "_secrets", "_skipped", "error")
    done: ClassVar[bool] = False
    """Only the end of the body tells the end of an answer."""
    steady: ClassVar[None] = None
    """Nothing is passed on unseen."""

    def __init__(self, answer: Answer, *, provider: str, max_event: int, secrets: tuple[str, ...] = ()) -> None:
        """Take what translates, and the provider's name and secrets for messages; `max_event` is in bytes."""
        self._answer = answer
        self._frames = FrameReader(max_event)
        self._provider = provider
        self._secrets = secrets
        self._skipped = 0
        self.error: LlmsError | None = None

    def feed(self, data: bytes) -> Chunk | None:
        """Return what one read completed; None when it completed nothing."""
        objects: list[ChunkObject] = []
        try:
            for frame in self._frames.feed(data):
                if self.error is None:
                    objects += self._read(frame)
        except BadFrame as problem:
            self.error = UpstreamProtocolError(f"{self._provider}: the upstream's stream is broken: {problem}")
        return self._chunk(objects)

    def close(self) -> Chunk | None:
        """Note the end of the body, which must not stand inside a frame."""
        if self.error is None and not self._frames.idle:
            self.error = UpstreamTruncated(f"{self._provider}: the upstream's stream broke off inside an event")
        return None

    def whole(self, body: bytes) -> Chunk | None:
        """Return a body that is one answer."""
        try:
            found = json.loads(body)
        except ValueError:
            self.error = UpstreamProtocolError(f"{self._provider}: the upstream's answer is not JSON")
            return None
        objects = self._answer.whole(found if isinstance(found, dict) else {})
        self.error = self._answer.error
        return self._chunk(objects)

    def _read(self, frame: Frame) -> list[ChunkObject]:
        kind = frame.headers.get(":exception-type") or frame.headers.get(":error-code")
        if kind:
            self.error = error_in(kind, frame.payload, provider=self._provider, secrets=self._secrets)
            return []
        try:
            told = json.loads(frame.payload)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            self._skipped += 1
            return []
        objects = self._answer.event(frame.headers.get(":event-type", ""), told)
        self.error = self._answer.error
        return objects

    def _chunk(self, objects: list[ChunkObject]) -> Chunk | None:
        if not objects:
            return None
        chunk = Chunk(objects)
        chunk.skipped, self._skipped = self._skipped, 0
        return chunk
