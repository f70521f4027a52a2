"""Answers of an upstream that speaks the Responses API, shaped as OpenAI's API reference shows them ("Streaming")."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from llms.testing import steps
from llms.testing.answers import Answer, answer

ID: Final = "resp_67c9fdcecf488190bdd9a0409de3a1ec07b8b0ad4e5eb654"
ITEM: Final = "msg_67c9fdcf37fc8190ba82116e33fb28c507b8b0ad4e5eb654"
USAGE: Final = {
    "input_tokens": 36,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 87,
    "output_tokens_details": {"reasoning_tokens": 8},
    "total_tokens": 123,
}


def event(kind: str, number: int, **fields: Any) -> bytes:
    """Return one event."""
    data = json.dumps({"type": kind, "sequence_number": number, **fields})
    return f"event: {kind}\ndata: {data}\n\n".encode()


def response(status: str = "completed", *, response_id: str = ID, **fields: Any) -> dict[str, Any]:
    """Return a response object; one that is over tells its usage."""
    return {
        "id": response_id,
        "object": "response",
        "created_at": 1741290958,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": "You are a helpful assistant.",
        "max_output_tokens": None,
        "model": "gpt-4.1-2025-04-14",
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": USAGE if status in ("completed", "incomplete") else None,
        "user": None,
        "metadata": {},
        **fields,
    }


def message(text: str = "Hi there!", status: str = "completed") -> dict[str, Any]:
    """Return an item that says something."""
    content = [{"type": "output_text", "text": text, "annotations": []}]
    begun = status == "in_progress"
    return {"id": ITEM, "type": "message", "status": status, "role": "assistant", "content": [] if begun else content}


def events(text: str = "Hi there!", *, response_id: str = ID) -> Sequence[bytes]:
    """Return the events that say a text in two pieces."""
    place = {"item_id": ITEM, "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": []}
    middle = len(text) // 2
    begun = response("in_progress", response_id=response_id)
    told: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": begun}),
        ("response.in_progress", {"response": begun}),
        ("response.output_item.added", {"output_index": 0, "item": message(status="in_progress")}),
        ("response.content_part.added", {**place, "part": part}),
        ("response.output_text.delta", {**place, "delta": text[:middle]}),
        ("response.output_text.delta", {**place, "delta": text[middle:]}),
        ("response.output_text.done", {**place, "text": text}),
        ("response.content_part.done", {**place, "part": {**part, "text": text}}),
        ("response.output_item.done", {"output_index": 0, "item": message(text)}),
        ("response.completed", {"response": response(response_id=response_id, output=[message(text)])}),
    ]
    return [event(kind, number, **fields) for number, (kind, fields) in enumerate(told)]


STREAM: Final = events()


def stream(*sent: bytes) -> Answer:
    """Return a stream of events, one write each."""
    return answer(*(steps.raw(one) for one in sent))
