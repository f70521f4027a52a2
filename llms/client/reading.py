"""One stream as far as it was received, over all of its connections. Pure: bytes in, pieces out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

from llms.client.answers import StreamingChunk, pieces
from llms.protocol import json
from llms.protocol.chat import ChunkObject, Usage
from llms.protocol.fold import unfold
from llms.protocol.sse import Decoder, EventTooLong


class Garbled(Exception):
    """What arrived is no stream of chats, or not the part that has to follow."""


@final
class Reading:
    """Take the bytes of a stream; `done` after its end, `error` where an event told one, `last` to go on from."""

    def __init__(self) -> None:
        """Begin before the first byte."""
        self.last = 0
        """The id of the last event, of streams that have ids."""
        self.done = False
        self.error: Mapping[str, Any] | None = None
        self.model = ""
        self.finish_reason: str | None = None
        """Why the first answer ended."""
        self.usage: Usage | None = None
        self.progress: Mapping[str, Any] | None = None
        """The last figures; whoever tells them sets it back."""
        self.is_empty = True
        """Nothing of an answer came yet."""
        self._text: list[str] = []
        self._decoder = Decoder()

    @property
    def text(self) -> str:
        """Return the text of the first answer so far."""
        if len(self._text) > 1:
            self._text = ["".join(self._text)]
        return "".join(self._text)

    def connected(self) -> None:
        """Begin with the bytes of another connection; of an event that was cut nothing is left."""
        self._decoder = Decoder()
        self.error = None

    def feed(self, data: bytes) -> list[StreamingChunk]:
        """Return what these bytes bring; raise Garbled."""
        try:
            events = self._decoder.feed(data)
        except EventTooLong as problem:
            raise Garbled(str(problem)) from None
        return self._take([payload for _, payload in events])

    def close(self) -> list[StreamingChunk]:
        """Return what the end of a body brings: an event without its blank line."""
        return self._take([payload for _, payload in self._decoder.close()])

    def whole(self, completion: Mapping[str, Any]) -> list[StreamingChunk]:
        """Return the pieces of an answer that came as a whole."""
        self.done = True
        return [piece for item in unfold(dict(completion)) for piece in self._add(item)]

    def catch_up(self, state: Mapping[str, Any]) -> StreamingChunk | None:
        """Return the text that a server tells instead of events, and go on from where it stands.

        Raise Garbled where that cannot stand for the events: it is not whole, or not what ours began with.
        """
        text, last, before = state.get("text"), state.get("last_event_id"), self.text
        if not isinstance(text, str) or not isinstance(last, int) or not text.startswith(before):
            raise Garbled("the text that the server has does not go on from what was received")
        if state.get("text_is_whole") is False:
            raise Garbled("not even the text of the events that are missing was kept")
        is_news, self.last = last > self.last, last
        self.done = state.get("status") == "completed"
        if self.done:
            self.usage = Usage.of(state.get("usage")) or self.usage
        if not is_news:
            return None
        reason = state.get("finish_reason") if self.done else None
        piece = StreamingChunk(text[len(before) :], finish_reason=reason, usage=self.usage, gap=True)
        self._note(piece)
        return piece

    def _take(self, payloads: Sequence[bytes]) -> list[StreamingChunk]:
        self._count(len(payloads))
        found: list[StreamingChunk] = []
        for payload in payloads:
            if self.done or self.error is not None:
                break
            if payload.strip() == b"[DONE]":
                self.done = True
                break
            item = _decoded(payload)
            if item.get("error"):
                self._fail(item["error"])
            else:
                found += self._add(item)
        return found

    def _count(self, events: int) -> None:
        """Follow the ids, which rise by one."""
        told = self._decoder.last_id
        if not events or not told:
            return
        if told != str(self.last + events):
            raise Garbled(f"after event {self.last} and {events} more came the id {told[:20]}")
        self.last += events

    def _fail(self, told: object) -> None:
        self.error = told if isinstance(told, dict) else {"message": str(told)}
        last = self.error.get("last_event_id")
        if isinstance(last, int):
            self.last = last

    def _add(self, item: ChunkObject) -> list[StreamingChunk]:
        if isinstance(figures := item.get("llms"), dict):
            self.progress = figures
        found = pieces(item)
        self.model = str(item.get("model") or self.model)
        for piece in found:
            self._note(piece)
        return found

    def _note(self, piece: StreamingChunk) -> None:
        self.is_empty = False
        self.usage = piece.usage or self.usage
        if piece.index == 0:
            self._text.append(piece.text)
            self.finish_reason = piece.finish_reason or self.finish_reason


def _decoded(payload: bytes) -> ChunkObject:
    try:
        item = json.loads(payload)
    except ValueError:
        item = None
    if not isinstance(item, dict):
        raise Garbled("an event holds no JSON object")
    return item
