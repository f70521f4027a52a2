"""The output items while they grow: each tells of its own beginning, growth and end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, final

from llms.protocol.dialects import TellTexts
from llms.protocol.dialects.responses.asked import Item
from llms.protocol.dialects.responses.events import Events, beginning_of
from llms.protocol.dialects.responses.plain_input import PlainInput
from llms.protocol.growing_text import GrowingText

Ended = Literal["completed", "incomplete"]

_PARTS: Final = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text"}
_EVENTS: Final = {
    "output_text": "response.output_text",
    "refusal": "response.refusal",
    "reasoning_text": "response.reasoning_text",
}


@final
class Part:
    """One part of an item that streams as text: what is said, what is refused, what is thought."""

    __slots__ = ("_beginning", "_events", "_place", "_text", "_value", "kind")

    def __init__(self, events: Events, kind: str, place: Mapping[str, Any]) -> None:
        """Begin; `place` says where it stands: item id, output and content index."""
        self.kind = kind
        self._events = events
        self._place = place
        self._text = GrowingText()
        self._value: dict[str, Any] = {"type": kind, _PARTS[kind]: ""}
        if kind == "output_text":
            self._value |= {"annotations": [], "logprobs": []}
        scores: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
        self._beginning = beginning_of(f"{_EVENTS[kind]}.delta", {**place, **scores})
        events.say("response.content_part.added", {**place, "part": self._value})

    def add(self, text: str, logprobs: Sequence[Any] = ()) -> None:
        """Take the next piece."""
        self._text.add(text)
        if logprobs:
            self._value["logprobs"].extend(logprobs)
            told = {**self._place, "delta": text, "logprobs": list(logprobs)}
            self._events.say("response.output_text.delta", told)
        else:
            self._events.grow(self._beginning, text)

    def growing(self) -> TellTexts:
        """Return what tells the next pieces at once."""
        return self._events.growing(self._beginning, self._text.passed)

    def annotate(self, annotation: Mapping[str, Any]) -> None:
        """Take a note on the text: a citation."""
        known = self._value["annotations"]
        known.append(annotation)
        place = {**self._place, "annotation_index": len(known) - 1}
        self._events.say("response.output_text.annotation.added", {**place, "annotation": annotation})

    def close(self) -> dict[str, Any]:
        """End, and return the whole part."""
        field = _PARTS[self.kind]
        text = self._value[field] = self._text.whole()
        more = {"logprobs": self._value["logprobs"]} if self.kind == "output_text" else {}
        self._events.say(f"{_EVENTS[self.kind]}.done", {**self._place, field: text, **more})
        self._events.say("response.content_part.done", {**self._place, "part": self._value})
        return self._value


@final
class Message:
    """What the assistant says."""

    __slots__ = ("_events", "_index", "_part", "item")

    def __init__(self, events: Events, item_id: str, index: int) -> None:
        """Begin without any part."""
        self.item: Item = {"id": item_id, "type": "message", "status": "in_progress", "role": "assistant"}
        self.item["content"] = []
        self._events = events
        self._index = index
        self._part: Part | None = None
        events.say("response.output_item.added", {"output_index": index, "item": self.item})

    def part(self, kind: str) -> Part:
        """Return the part of a kind that grows; another one ends."""
        if self._part is None or self._part.kind != kind:
            self._close_part()
            place = {
                "item_id": self.item["id"],
                "output_index": self._index,
                "content_index": len(self.item["content"]),
            }
            self._part = Part(self._events, kind, place)
        return self._part

    def growing(self, kind: str) -> TellTexts | None:
        """Return what tells more of the part of a kind; None where that one does not grow."""
        part = self._part
        return part.growing() if part is not None and part.kind == kind else None

    def close(self, status: Ended) -> None:
        """End with all its parts."""
        self._close_part()
        self.item["status"] = status
        self._events.say("response.output_item.done", {"output_index": self._index, "item": self.item})

    def _close_part(self) -> None:
        if self._part is not None:
            self.item["content"].append(self._part.close())
            self._part = None


@final
class Call:
    """A call of a function, or of a custom tool, which is called with plain text."""

    __slots__ = ("_beginning", "_events", "_index", "_name", "_pieces", "_plain", "item")

    def __init__(self, events: Events, item_id: str, index: int, call: Mapping[str, Any], *, is_custom: bool) -> None:
        """Begin with the first fragment of a chat's tool call."""
        kind, field = ("custom_tool_call", "input") if is_custom else ("function_call", "arguments")
        self.item: Item = {"id": item_id, "type": kind, "status": "in_progress", "call_id": call.get("id", "")}
        self.item |= {"name": call.get("function", {}).get("name", ""), field: ""}
        if "extra_content" in call:
            self.item["extra_content"] = call["extra_content"]
        self._plain = PlainInput() if is_custom else None
        self._events = events
        self._index = index
        self._pieces: list[str] = []
        self._name = "response.custom_tool_call_input" if is_custom else "response.function_call_arguments"
        self._beginning = beginning_of(f"{self._name}.delta", {"item_id": item_id, "output_index": index})
        events.say("response.output_item.added", {"output_index": index, "item": self.item})

    def add(self, arguments: str) -> None:
        """Take the next piece of the arguments."""
        self._grow(arguments if self._plain is None else self._plain.add(arguments))

    def close(self, status: Ended) -> None:
        """End with the whole input."""
        if self._plain is not None:
            self._grow(self._plain.rest())
        field = "arguments" if self._plain is None else "input"
        self.item |= {field: "".join(self._pieces), "status": status}
        place = {"item_id": self.item["id"], "output_index": self._index}
        self._events.say(f"{self._name}.done", {**place, field: self.item[field]})
        self._events.say("response.output_item.done", {"output_index": self._index, "item": self.item})

    def _grow(self, text: str) -> None:
        if text:
            self._pieces.append(text)
            self._events.grow(self._beginning, text)
