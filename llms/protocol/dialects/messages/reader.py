"""The bytes of an upstream's stream of Messages, read by read, as chunks of a chat."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, final

from llms.protocol import json
from llms.protocol.chat import Chunk, ChunkObject
from llms.protocol.dialects.messages.answered import completion_of, told_tokens
from llms.protocol.dialects.messages.details import detail_of
from llms.protocol.dialects.messages.words import FINISH_OF
from llms.protocol.errors import LlmsError, UpstreamProtocolError
from llms.protocol.fold import unfold
from llms.protocol.growing_text import GrowingText
from llms.protocol.refusals import error_for_event, is_error
from llms.protocol.shape import Shape
from llms.protocol.sse import Decoder, Event, EventTooLong

_SEARCHES: Final = 8
"""How many events of a block are looked at for their shape."""
_TEXTS: Final = {"text_delta": "text", "thinking_delta": "thinking"}
"""What a delta brings that is told as a text, by its type."""


@final
class MessagesReader:
    """Translate each event; `error` and `done` are as those of a `ChunkReader`."""

    __slots__ = (
        "_block", "_calls", "_decoder", "_head", "_made", "_provider", "_role", "_searches", "_secrets", "_shape",
        "_skipped", "_stream", "_thinking", "_thoughts", "_usage", "done", "error",
    )  # fmt: skip

    def __init__(
        self, *, provider: str, max_event: int, created: int, secrets: Collection[str] = (), stream: bool = True
    ) -> None:
        """Take the provider's name and secrets for error messages; `created` is Unix seconds, `max_event` bytes.

        Where a `stream` is wanted, a whole message is told as the chunks of one.
        """
        self._stream = stream
        self._decoder = Decoder(max_event=max_event)
        self._provider = provider
        self._secrets = secrets
        self._head: dict[str, Any] = {"object": "chat.completion.chunk", "created": created}
        self._made: list[ChunkObject] = []
        self._block: dict[str, Any] = {}
        """The block that is open, as far as it has to be kept, but for its thinking."""
        self._thinking = GrowingText()
        self._shape: Shape | None = None
        """What the deltas of the open block have in common, once that is known."""
        self._searches = 0
        self._role: dict[str, Any] = {"role": "assistant"}
        """Told with the first delta: until then an upstream may still fail without anybody having seen a chunk."""
        self._calls = 0
        self._thoughts = 0
        self._usage: dict[str, Any] = {}
        self._skipped = 0
        self.done = False
        self.error: LlmsError | None = None

    def feed(self, data: bytes) -> Chunk | None:
        """Return what one read completed; None when it completed nothing that a chat tells."""
        shape = self.steady
        if shape is not None and (chunk := Chunk.translated(shape, data)) is not None:
            return chunk
        try:
            events = self._decoder.feed(data)
        except EventTooLong as problem:
            self.error = UpstreamProtocolError(f"{self._provider}: {problem}")
            return None
        return self._chunk(events)

    @property
    def steady(self) -> Shape | None:
        """Return the shape that the next read may be whole events of, without a change to anything here; or None."""
        return self._shape if self._decoder.idle else None

    def close(self) -> Chunk | None:
        """Return what the end of the body completed."""
        return None if self.done or self.error else self._chunk(self._decoder.close())

    def whole(self, body: bytes) -> Chunk | None:
        """Return a body that is a whole message."""
        try:
            item = json.loads(body)
        except ValueError:
            self.error = UpstreamProtocolError(f"{self._provider}: the upstream's answer is not JSON")
            return None
        if is_error(item):
            self.error = error_for_event(item, provider=self._provider, secrets=self._secrets)
            return None
        if not isinstance(item, dict) or not isinstance(item.get("content"), list):
            self.error = UpstreamProtocolError(f"{self._provider}: the upstream's answer is no message")
            return None
        completion = completion_of(item, created=self._head["created"])
        return Chunk(unfold(completion)) if self._stream else Chunk.of(completion)

    def _chunk(self, events: list[Event]) -> Chunk | None:
        for name, data in events:
            self._take(name, data)
            if self.done or self.error is not None:
                break
        if not self._made:
            return None
        if self._searches and self._shape is None:
            self._look_for_shape(events[-1])
        chunk = Chunk(self._made)
        self._made = []
        chunk.final = self.done
        chunk.skipped, self._skipped = self._skipped, 0
        return chunk

    def _look_for_shape(self, event: Event) -> None:
        """Learn the shape of a delta that came to the chunk that was made last."""
        self._searches -= 1
        try:
            item = json.loads(event[1])
            delta, chunk = item["delta"], self._made[-1]
            name = _TEXTS[delta["type"]]
            is_it = chunk["choices"][0]["delta"] in ({"content": delta[name]}, {"reasoning_content": delta[name]})
        except (ValueError, KeyError, TypeError, IndexError):
            return
        if is_it:
            kept = self._thinking.passed if name == "thinking" else None
            self._shape = Shape.translated(event, item, (delta, name), chunk, kept=kept)

    def _take(self, name: bytes, data: bytes) -> None:
        try:
            item = json.loads(data)
        except ValueError:
            item = None
        kind = item.get("type") if isinstance(item, dict) else None
        if kind == "error" or name == b"error":
            told = data.decode("utf-8", "replace") if item is None else item
            self.error = error_for_event(told, provider=self._provider, secrets=self._secrets)
            return
        take = _TAKES.get(str(kind))
        if take is None:
            self._skipped += kind is None
            return
        try:
            take(self, item)
        except (KeyError, TypeError, AttributeError):
            self._skipped += 1

    def _start(self, item: Mapping[str, Any]) -> None:
        message = item["message"]
        self._head.update({"id": message["id"], "model": message["model"]})
        self._usage.update(message.get("usage") or {})

    def _start_block(self, item: Mapping[str, Any]) -> None:
        block = self._block = dict(item["content_block"])
        self._thinking = GrowingText()
        self._shape, self._searches = None, _SEARCHES
        if block["type"] == "tool_use":
            function = {"name": block["name"], "arguments": ""}
            self._say(
                {"tool_calls": [{"index": self._calls, "id": block["id"], "type": "function", "function": function}]}
            )
        elif block["type"] == "text" and block.get("text"):
            self._say({"content": block["text"]})
        elif block["type"] == "thinking" and block.get("thinking"):
            self._thinking.add(block["thinking"])
            self._say({"reasoning_content": block["thinking"]})

    def _delta(self, item: Mapping[str, Any]) -> None:
        delta, block = item["delta"], self._block
        kind = delta["type"]
        if kind == "text_delta":
            self._say({"content": delta["text"]})
        elif kind == "thinking_delta":
            self._thinking.add(delta["thinking"])
            if delta["thinking"]:
                self._say({"reasoning_content": delta["thinking"]})
        elif kind == "signature_delta":
            block["signature"] = block.get("signature", "") + delta["signature"]
        elif kind == "input_json_delta" and delta["partial_json"] and block.get("type") == "tool_use":
            block["heard"] = True
            self._argue(delta["partial_json"])

    def _stop_block(self, item: Mapping[str, Any]) -> None:
        block, self._block = self._block, {}
        kind = block.get("type")
        if kind == "tool_use":
            if not block.get("heard"):
                self._argue(json.dumps(block.get("input") or {}).decode())
            self._calls += 1
        elif kind in ("thinking", "redacted_thinking"):
            block["thinking"] = self._thinking.whole()
            self._say({"reasoning_details": [detail_of(block, self._thoughts)]})
            self._thoughts += 1

    def _end(self, item: Mapping[str, Any]) -> None:
        usage = item.get("usage") or {}
        self._usage.update({name: value for name, value in usage.items() if value is not None})
        delta = item["delta"]
        if (reason := delta.get("stop_reason")) is None:
            return
        choice = {"index": 0, "delta": self._role, "finish_reason": FINISH_OF.get(reason, "stop")}
        if delta.get("stop_sequence"):
            choice["stop_reason"] = delta["stop_sequence"]
        self._made.append({**self._head, "choices": [choice]})
        self._made.append({**self._head, "choices": [], "usage": told_tokens(self._usage)})

    def _pass(self, item: Mapping[str, Any]) -> None:
        """Take a sign of life."""

    def _stop(self, item: Mapping[str, Any]) -> None:
        self.done = True

    def _argue(self, arguments: str) -> None:
        self._say({"tool_calls": [{"index": self._calls, "function": {"arguments": arguments}}]})

    def _say(self, delta: dict[str, Any]) -> None:
        if self._role:
            delta, self._role = {**self._role, **delta}, {}
        self._made.append({**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})


_TAKES = {
    "message_start": MessagesReader._start,
    "content_block_start": MessagesReader._start_block,
    "content_block_delta": MessagesReader._delta,
    "content_block_stop": MessagesReader._stop_block,
    "message_delta": MessagesReader._end,
    "message_stop": MessagesReader._stop,
    "ping": MessagesReader._pass,
}
