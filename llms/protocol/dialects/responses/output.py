"""The deltas of a chat as output items: reasoning, messages and calls, each told from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, final

from llms.protocol.chat import ChunkObject
from llms.protocol.dialects import TellTexts
from llms.protocol.dialects.responses.asked import Item
from llms.protocol.dialects.responses.events import Events
from llms.protocol.dialects.responses.frame import Frame
from llms.protocol.dialects.responses.items import Call, Ended, Message
from llms.protocol.dialects.responses.reasoning import Reasoning
from llms.protocol.dialects.responses.tools import custom_names

_ENCRYPTED: Final = "reasoning.encrypted_content"
_REASONS: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Finish reasons that leave a response incomplete, and what it says then."""


@final
class Output:
    """The output of one response. Of several choices only the first counts.

    Calls stay open until the end: their pieces may come interleaved.
    """

    __slots__ = (
        "_calls",
        "_count",
        "_custom",
        "_details",
        "_events",
        "_frame",
        "_items",
        "_message",
        "_reasoning",
        "_show",
        "_summary",
        "finish",
    )

    def __init__(self, frame: Frame, events: Events) -> None:
        """Take what gathers the events."""
        body = frame.asked.body
        self._frame = frame
        self._events = events
        self._custom = custom_names(body)
        self._summary = bool(body.get("reasoning", {}).get("summary"))
        self._show = frame.asked.includes(_ENCRYPTED)
        self._items: list[tuple[Item, str | None]] = []
        self._count = 0
        self._message: Message | None = None
        self._reasoning: Reasoning | None = None
        self._calls: dict[int, Call] = {}
        self._details: list[Mapping[str, Any]] = []
        """What has to be given back and came while a message was under way."""
        self.finish: str | None = None

    def take(self, item: ChunkObject) -> None:
        """Take the next chunk object."""
        for choice in item["choices"]:
            if choice["index"]:
                continue
            self._delta(choice["delta"], choice)
            self.finish = choice.get("finish_reason") or self.finish

    def growing(self, item: ChunkObject) -> TellTexts | None:
        """Return what tells texts of chunks that are otherwise like one; None where another item or part would begin.

        Such a chunk has one choice, and a delta with one text.
        """
        [choice] = item["choices"]
        if choice["index"] or choice.get("logprobs"):
            return None
        message, reasoning = self._message, self._reasoning
        if choice["delta"].get("content"):
            return message.growing("output_text") if message is not None and reasoning is None else None
        return reasoning.growing() if message is None and reasoning is not None and not reasoning.has_details else None

    @property
    def reason(self) -> str | None:
        """Return why the response is incomplete; None when it is not."""
        return _REASONS.get(self.finish or "")

    def close(self, status: Ended) -> None:
        """End all items."""
        if status == "completed" and not self._count:
            # Clients look for a message, also where it says nothing.
            self._speaking().part("output_text")
        self._close_reasoning(status)
        self._close_message(status)
        for call in self._calls.values():
            call.close(status)
        self._calls.clear()

    @property
    def items(self) -> list[Item]:
        """Return the items as the client sees them."""
        return [item for item, _ in self._items]

    @property
    def sealed(self) -> Mapping[str, str]:
        """Return what reasoning items carry for the model, by their id."""
        return {item["id"]: sealed for item, sealed in self._items if sealed is not None}

    def _delta(self, delta: Mapping[str, Any], choice: Mapping[str, Any]) -> None:
        message = self._message
        if message is not None and len(delta) == 1 and (text := delta.get("content")) and not choice.get("logprobs"):
            # What most deltas are: a piece of the text that is being said.
            message.part("output_text").add(text)
            return
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thought, str) and thought:
            self._think(thought)
        if details := delta.get("reasoning_details"):
            self._keep(details)
        logprobs = choice.get("logprobs")
        for kind, text in (("output_text", delta.get("content")), ("refusal", delta.get("refusal"))):
            if text:
                self._close_reasoning("completed")
                self._speaking().part(kind).add(text, (logprobs or {}).get("content") or ())
        for annotation in _annotations(delta):
            self._speaking().part("output_text").annotate(annotation)
        for fragment in delta.get("tool_calls") or ():
            self._call(fragment)

    def _think(self, text: str) -> None:
        self._close_message("completed")
        if self._reasoning is not None and self._reasoning.has_details:
            self._close_reasoning("completed")
        self._thinking().add(text)

    def _keep(self, details: Sequence[Mapping[str, Any]]) -> None:
        if self._message is not None:
            self._details.extend(details)
        else:
            self._thinking().keep(details)

    def _call(self, fragment: Mapping[str, Any]) -> None:
        index = fragment["index"]
        call = self._calls.get(index)
        function = fragment.get("function") or {}
        if call is None:
            self._close_reasoning("completed")
            self._close_message("completed")
            is_custom = function.get("name") in self._custom
            item_id, place = self._next("custom_tool_call" if is_custom else "function_call")
            call = self._calls[index] = Call(self._events, item_id, place, fragment, is_custom=is_custom)
            self._items.append((call.item, None))
        elif name := function.get("name"):
            call.item["name"] += name
        if arguments := function.get("arguments"):
            call.add(arguments)

    def _speaking(self) -> Message:
        if self._message is None:
            self._message = Message(self._events, *self._next("message"))
            self._items.append((self._message.item, None))
        return self._message

    def _thinking(self) -> Reasoning:
        if self._reasoning is None:
            self._reasoning = Reasoning(self._events, *self._next("reasoning"), as_summary=self._summary)
            self._items.append((self._reasoning.item, None))
        return self._reasoning

    def _close_message(self, status: Ended) -> None:
        if self._message is None:
            return
        self._message.close(status)
        self._message = None
        if self._details:
            self._thinking().keep(self._details)
            self._details = []
            self._close_reasoning(status)

    def _close_reasoning(self, status: Ended) -> None:
        reasoning, self._reasoning = self._reasoning, None
        if reasoning is None:
            return
        reasoning.close(status, show=self._show)
        at = next(at for at, (item, _) in enumerate(self._items) if item is reasoning.item)
        self._items[at] = (reasoning.item, reasoning.sealed)

    def _next(self, kind: str) -> tuple[str, int]:
        index = self._count
        self._count += 1
        return self._frame.item_id(kind, index), index


def _annotations(delta: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the citations of a delta, whose fields stand one level higher here."""
    for annotation in delta.get("annotations") or ():
        kind = annotation.get("type") if isinstance(annotation, dict) else None
        if kind == "url_citation" and isinstance(annotation.get(kind), dict):
            yield {"type": kind, **annotation[kind]}
