"""The order of events that a client of the Responses API may rely on, and what a stream adds up to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llms.protocol.sse import Decoder

PARTS = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text"}
ENDS = ("response.completed", "response.incomplete", "response.failed")
Event = dict[str, Any]


def events_of(wire: bytes) -> list[Event]:
    """Return the events of a stream; each has its type as its name, too."""
    decoder = Decoder()
    found = [*decoder.feed(wire), *decoder.close()]
    decoded = [(name.decode(), json.loads(data)) for name, data in found]
    assert all(name == event["type"] for name, event in decoded)
    return [event for _, event in decoded]


class Order:
    """Take events one by one; an AssertionError says which rule is broken."""

    def __init__(self, *, first: int = 0) -> None:
        self.number = first
        self.response: Any = None
        self.items: dict[int, Any] = {}
        """The items as the events build them."""
        self.open: set[int] = set()
        self.part: dict[int, dict[str, Any]] = {}
        self.begun = self.over = False
        self.error: Event | None = None

    def take(self, event: Event) -> None:
        assert not self.over, f"{event['type']} after the end"
        assert event["sequence_number"] == self.number, "numbers rise one by one"
        self.number += 1
        kind = event["type"]
        if kind == "error":
            self.error = event
            return
        assert self.error is None or kind == "response.failed"
        if "response" in event:
            self._lifecycle(kind, event["response"])
            return
        assert self.begun, f"{kind} before response.in_progress"
        if kind == "response.output_item.added":
            self._added(event)
        elif kind == "response.output_item.done":
            self._done(event)
        else:
            self._inside(kind.removeprefix("response."), event)

    def _lifecycle(self, kind: str, response: Any) -> None:
        before = None if self.response is None else self.response["status"]
        if kind == "response.created":
            assert before is None
        else:
            assert before is not None, f"{kind} before response.created"
            assert response["id"] == self.response["id"]
            status = kind.removeprefix("response.")
            assert response["status"] == status
        if kind == "response.in_progress":
            assert not self.begun
            self.begun = True
        if kind in ENDS:
            assert self.begun
            assert not self.open, "an item has not ended"
            assert response["output"] == [self.items[at] for at in sorted(self.items)]
            self.over = True
        self.response = response

    def _added(self, event: Event) -> None:
        at = event["output_index"]
        assert at == len(self.items), "items begin in order"
        assert event["item"]["status"] == "in_progress"
        assert event["item"]["id"] not in [item["id"] for item in self.items.values()]
        self.items[at] = event["item"]
        self.open.add(at)

    def _done(self, event: Event) -> None:
        at, item = event["output_index"], event["item"]
        assert at in self.open, "an item ends once, after its beginning"
        assert at not in self.part, "a part has not ended"
        known = self.items[at]
        assert item["id"] == known["id"]
        assert item["status"] in ("completed", "incomplete")
        told = {key: value for key, value in item.items() if key not in ("status", "encrypted_content")}
        assert told == {key: value for key, value in known.items() if key != "status"}, "the item is what was told"
        self.items[at] = item
        self.open.remove(at)

    def _inside(self, kind: str, event: Event) -> None:
        at = event["output_index"]
        assert at in self.open, f"{kind} outside of its item"
        item = self.items[at]
        assert event["item_id"] == item["id"]
        if kind == "function_call_arguments.delta":
            item["arguments"] += event["delta"]
        elif kind == "function_call_arguments.done":
            assert event["arguments"] == item["arguments"]
        elif kind == "custom_tool_call_input.delta":
            item["input"] += event["delta"]
        elif kind == "custom_tool_call_input.done":
            assert event["input"] == item["input"]
        elif kind.startswith("reasoning_summary_"):
            self._summary(kind.removeprefix("reasoning_summary_"), event, item)
        else:
            self._part(kind, event, item)

    def _summary(self, kind: str, event: Event, item: Any) -> None:
        assert event["summary_index"] == 0
        if kind == "part.added":
            assert item["summary"] == []
            item["summary"].append(event["part"])
        elif kind == "text.delta":
            item["summary"][0]["text"] += event["delta"]
        elif kind == "text.done":
            assert event["text"] == item["summary"][0]["text"]
        else:
            assert kind == "part.done"
            assert event["part"] == item["summary"][0]

    def _part(self, kind: str, event: Event, item: Any) -> None:
        at = event["output_index"]
        assert event["content_index"] == len(item["content"])
        if kind == "content_part.added":
            assert at not in self.part
            self.part[at] = event["part"]
            return
        part = self.part[at]
        field = PARTS[part["type"]]
        name, _, verb = kind.rpartition(".")
        if kind == "content_part.done":
            assert event["part"] == part
            item["content"].append(self.part.pop(at))
        elif kind == "output_text.annotation.added":
            assert event["annotation_index"] == len(part["annotations"])
            part["annotations"].append(event["annotation"])
        else:
            assert name == part["type"]
            if verb == "delta":
                part[field] += event["delta"]
                part.get("logprobs", []).extend(event.get("logprobs", ()))
            else:
                assert event[field] == part[field]


def checked(wire: bytes, *, ends: Sequence[str] = ENDS) -> Order:
    """Check a whole stream; return what it added up to."""
    order = Order()
    events = events_of(wire)
    for event in events:
        order.take(event)
    assert events[-1]["type"] in ends
    return order


def text_of(items: Sequence[Any], kind: str = "output_text") -> str:
    """Return the text of all parts of a kind."""
    return "".join(part[PARTS[kind]] for item in items for part in item.get("content") or () if part["type"] == kind)
