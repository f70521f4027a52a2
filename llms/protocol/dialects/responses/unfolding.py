"""The events of an item that came whole: its texts in one piece, where readers of streams look for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llms.protocol.dialects.responses.asked import Item

Told = tuple[str, Mapping[str, Any]]
"""Type and fields of an event, its number left out."""

_TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "function_call": ("arguments", "function_call_arguments"),
    "custom_tool_call": ("input", "custom_tool_call_input"),
}
"""Of calls: the field that streams, and what its events are called."""
_PARTS: Final = {"output_text": "text", "refusal": "refusal"}


def events_of(at: int, item: Item) -> Iterator[Told]:
    """Yield the events of the item at a place of the output: an empty one, what is in it, the whole."""
    place = {"item_id": item.get("id"), "output_index": at}
    field, name = _TEXTS.get(str(item.get("type")), ("", ""))
    text = item.get(field) if field else None
    content = item.get("content") if item.get("type") == "message" else None
    begun: Item = item
    inside: Iterator[Told] = iter(())
    if isinstance(text, str):
        begun, inside = {**item, "status": "in_progress", field: ""}, _grown(name, field, text, place)
    elif isinstance(content, list):
        begun, inside = {**item, "status": "in_progress", "content": []}, _parts(content, place)
    yield "response.output_item.added", {"output_index": at, "item": begun}
    yield from inside
    yield "response.output_item.done", {"output_index": at, "item": item}


def _parts(content: list[Any], item: Mapping[str, Any]) -> Iterator[Told]:
    for number, part in enumerate(content):
        place = {**item, "content_index": number}
        kind = str(part.get("type")) if isinstance(part, dict) else ""
        field = _PARTS.get(kind, "")
        text = part.get(field) if field else None
        begun = {**part, field: ""} if isinstance(text, str) else part
        yield "response.content_part.added", {**place, "part": begun}
        if isinstance(text, str):
            yield from _grown(kind, field, text, place)
        yield "response.content_part.done", {**place, "part": part}


def _grown(name: str, field: str, text: str, place: Mapping[str, Any]) -> Iterator[Told]:
    if text:
        yield f"response.{name}.delta", {**place, "delta": text}
    yield f"response.{name}.done", {**place, field: text}
