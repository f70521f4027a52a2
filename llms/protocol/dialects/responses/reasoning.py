"""The output item of what a model thought: in full, or as a summary where the client asked for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

from llms.protocol.dialects import TellTexts
from llms.protocol.dialects.responses.asked import Item
from llms.protocol.dialects.responses.events import Events, beginning_of
from llms.protocol.dialects.responses.items import Ended, Part
from llms.protocol.dialects.responses.opaque import Thought, seal
from llms.protocol.growing_text import GrowingText


@final
class Reasoning:
    """A reasoning item while it grows.

    What it carries for the model is in `sealed`, kept with the item and shown where the client asked for it.
    """

    __slots__ = ("_beginning", "_details", "_events", "_index", "_part", "_summary", "item", "sealed")

    def __init__(self, events: Events, item_id: str, index: int, *, as_summary: bool) -> None:
        """Begin; `as_summary` tells the text as a summary."""
        self.item: Item = {"id": item_id, "type": "reasoning", "status": "in_progress", "summary": []}
        self.sealed: str | None = None
        self._summary = GrowingText() if as_summary else None
        self._events = events
        self._index = index
        self._part: Part | None = None
        self._details: list[Mapping[str, Any]] = []
        place = {"item_id": item_id, "output_index": index, "summary_index": 0}
        self._beginning = beginning_of("response.reasoning_summary_text.delta", place)
        if not as_summary:
            self.item["content"] = []
        events.say("response.output_item.added", {"output_index": index, "item": self.item})

    @property
    def has_details(self) -> bool:
        """Tell whether its block has ended: what must be given back comes last."""
        return bool(self._details)

    def add(self, text: str) -> None:
        """Take the next piece of the text."""
        if self._summary is None:
            if self._part is None:
                self._part = Part(self._events, "reasoning_text", {**self._place(), "content_index": 0})
            self._part.add(text)
            return
        if not self._summary:
            self._tell("part.added", {"part": {"type": "summary_text", "text": ""}})
        self._summary.add(text)
        self._events.grow(self._beginning, text)

    def growing(self) -> TellTexts | None:
        """Return what tells the next pieces at once; None before the first of them."""
        if self._part is not None:
            return self._part.growing()
        return self._events.growing(self._beginning, self._summary.passed) if self._summary else None

    def keep(self, details: Sequence[Mapping[str, Any]]) -> None:
        """Take what has to be given back to the model."""
        self._details.extend(details)

    def close(self, status: Ended, *, show: bool) -> None:
        """End; `show` puts what is sealed into the item that the client gets."""
        text = self._summary.whole() if self._summary is not None else ""
        if self._part is not None:
            part = self._part.close()
            text, self.item["content"] = part["text"], [part]
        elif text:
            self._tell("text.done", {"text": text})
            part = {"type": "summary_text", "text": text}
            self._tell("part.done", {"part": part})
            self.item["summary"] = [part]
        self.sealed = seal(Thought(text, self._details)) if text or self._details else None
        self.item["status"] = status
        if show and self.sealed is not None:
            self.item["encrypted_content"] = self.sealed
        self._events.say("response.output_item.done", {"output_index": self._index, "item": self.item})

    def _place(self) -> dict[str, Any]:
        return {"item_id": self.item["id"], "output_index": self._index}

    def _tell(self, kind: str, fields: Mapping[str, Any]) -> None:
        self._events.say(f"response.reasoning_summary_{kind}", {**self._place(), "summary_index": 0, **fields})
