"""A chat's stream, told as a stream of Messages: `message_start`, blocks, `message_delta`, `message_stop`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, final

from llms.protocol.chat import Chunk
from llms.protocol.dialects import Telling, TellTexts, Told
from llms.protocol.dialects.messages.blocks import Blocks, event
from llms.protocol.dialects.messages.details import blocks_in, thought_of
from llms.protocol.dialects.messages.failures import failure
from llms.protocol.dialects.messages.words import STOP_OF, told_usage
from llms.protocol.errors import LlmsError
from llms.protocol.shape import Shape

_MATCHED: Final = ("stop_reason", "matched_stop")
"""Where upstreams say at which of the stop sequences they stopped (vLLM, SGLang)."""
STOP: Final = event("message_stop", {})


@final
class MessagesTelling:
    """Tell one stream. Reasoning is told to those who asked for thinking: others expect text to come first."""

    __slots__ = ("_blocks", "_finish", "_head", "_request_id", "_sequence", "_stops", "_thinks")

    def __init__(self, *, request_id: str, model: str, thinks: bool, stops: Collection[str]) -> None:
        """Take what the client asked for: its model, whether it wants thinking, its stop sequences."""
        self._blocks = Blocks()
        self._request_id = request_id
        self._thinks = thinks
        self._stops = stops
        self._head: str | None = model
        """The model, until the message has begun."""
        self._finish = "stop"
        self._sequence: str | None = None

    def chunk(self, chunk: Chunk, /) -> bytes:
        """Return the events that a chunk comes to."""
        begun = self._begin(chunk)
        for item in chunk.objects:
            for choice in item["choices"]:
                if not choice.get("index"):
                    self._take(choice)
        return begun + self._blocks.take()

    def end(self, chunk: Chunk, told: Told, /) -> bytes:
        """Return the last events: the stop reason, and what it took."""
        last = self.chunk(chunk)
        reason = stop_reason(self._finish, called=self._blocks.called, sequence=self._sequence)
        self._blocks.end()
        delta = {"stop_reason": reason, "stop_sequence": self._sequence}
        ends = event("message_delta", {"delta": delta, "usage": told_usage(told.usage)})
        return last + self._blocks.take() + ends + STOP

    def error(self, error: LlmsError, /) -> bytes:
        """Return the event of an error."""
        return b"event: error\ndata: %b\n\n" % failure(error, request_id=self._request_id)

    def growing(self, shape: Shape, /) -> TellTexts | None:
        """Return what tells texts that go on in the block that is open."""
        [choice] = shape.sample()["choices"]
        delta = choice["delta"]
        if choice.get("index") or not (self._thinks or delta.get("content")):
            return None
        grown = self._blocks.growing("text" if delta.get("content") else "thinking")
        return grown.wire if grown is not None else None

    def _begin(self, chunk: Chunk) -> bytes:
        if self._head is None:
            return b""
        model = next((item["model"] for item in chunk.objects if item.get("model")), self._head)
        self._head = None
        message: dict[str, Any] = {
            "id": message_id(self._request_id),
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": told_usage(None),
        }
        return event("message_start", {"message": message})

    def _take(self, choice: Mapping[str, Any]) -> None:
        delta, blocks = choice["delta"], self._blocks
        if self._thinks:
            if thought := thought_of(delta):
                blocks.say("thinking", thought)
            for block in blocks_in(delta.get("reasoning_details")):
                blocks.give(block)
        if text := delta.get("content") or delta.get("refusal"):
            blocks.say("text", text)
        for fragment in delta.get("tool_calls") or ():
            blocks.call(fragment["index"], fragment)
        if reason := choice.get("finish_reason"):
            self._finish = reason
            self._sequence = stop_sequence(choice, self._stops)


def message_id(request_id: str) -> str:
    """Return the id of a message."""
    return f"msg_{request_id}"


def stop_reason(finish: str, *, called: bool, sequence: str | None) -> str:
    """Return why a message ended; one that calls tools ends with that."""
    if sequence is not None:
        return "stop_sequence"
    if called and finish == "stop":
        return "tool_use"
    return STOP_OF.get(finish, "end_turn")


def stop_sequence(choice: Mapping[str, Any], stops: Collection[str]) -> str | None:
    """Return the stop sequence that ended a choice, where the upstream says so."""
    return next((str(choice[name]) for name in _MATCHED if choice.get(name) in stops), None) if stops else None


_: type[Telling] = MessagesTelling
