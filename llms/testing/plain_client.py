"""Read a stream the way a plain client does, and hold it to what clients may rely on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from llms.protocol.chat import FINISH_REASONS, ChunkObject

REASONING: Final = ("reasoning_content", "reasoning")


def text_of(objects: Sequence[ChunkObject], field: str = "content", *, index: int = 0) -> str:
    """Return the text of one choice: the deltas' field, added up."""
    return "".join(delta.get(field) or "" for delta in _deltas(objects, index))


def reasoning_of(objects: Sequence[ChunkObject], *, index: int = 0) -> str:
    """Return the thoughts of one choice, under either of their names."""
    return "".join(text_of(objects, field, index=index) for field in REASONING)


def calls_of(objects: Sequence[ChunkObject], *, index: int = 0) -> list[dict[str, str]]:
    """Return the tool calls of one choice as `{id, type, name, arguments}`, every string added up by call index."""
    calls: dict[int, dict[str, str]] = {}
    for delta in _deltas(objects, index):
        for fragment in delta.get("tool_calls") or ():
            call = calls.setdefault(fragment["index"], {"id": "", "type": "", "name": "", "arguments": ""})
            function = fragment.get("function") or {}
            for key, holder in (("id", fragment), ("type", fragment), ("name", function), ("arguments", function)):
                call[key] += holder.get(key) or ""
    return [calls[place] for place in sorted(calls)]


def finishes_of(objects: Sequence[ChunkObject], *, index: int = 0) -> list[str]:
    """Return every finish reason of one choice that is not null."""
    reasons = [c.get("finish_reason") for item in objects for c in item["choices"] if c["index"] == index]
    return [reason for reason in reasons if reason is not None]


def check_stream(objects: Sequence[ChunkObject], *, include_usage: bool = False) -> None:
    """Raise AssertionError where the chunks of a stream break a promise; whether it was whole is not asked."""
    _require(len({(o["id"], o["created"], o["model"]) for o in objects}) <= 1, "id, created and model stay", objects)
    bare = [place for place, item in enumerate(objects) if not item["choices"]]
    allowed = [[], [len(objects) - 1]] if include_usage else [[]]
    _require(bare in allowed, "only the usage chunk has no choices, last and when asked", objects)
    for item in objects:
        _check_object(item)
    for index in {choice["index"] for item in objects for choice in item["choices"]}:
        roles = [delta.get("role") for delta in _deltas(objects, index)]
        _require(roles[0] == "assistant" and not any(roles[1:]), "one role, on the first chunk", roles)
        finishes = finishes_of(objects, index=index)
        _require(len(finishes) <= 1 and FINISH_REASONS.issuperset(finishes), "one of five finish reasons", finishes)
        for call in calls_of(objects, index=index):
            _require(bool(call["id"]) and bool(call["type"]), "tool calls have an id and a type", call)


def _check_object(item: ChunkObject) -> None:
    _require(item["object"] == "chat.completion.chunk", "object is exact", item)
    _require(type(item["created"]) is int, "created is an integer", item)
    _require(isinstance(item["id"], str) and bool(item["id"]), "id is text", item)
    _require(isinstance(item["model"], str) and bool(item["model"]), "model is text", item)
    _require(isinstance(item["choices"], list), "choices is a list", item)
    for choice in item["choices"]:
        _require(type(choice["index"]) is int, "a choice has an index", choice)
        _require(isinstance(choice["delta"], dict), "a delta is an object", choice)
        _require("finish_reason" in choice, "a finish reason is null, not absent", choice)
        _require(isinstance(choice["delta"].get("content"), str | None), "content is text or null", choice)
        for fragment in choice["delta"].get("tool_calls") or ():
            _require(type(fragment["index"]) is int, "a tool call has an index", fragment)
            arguments = (fragment.get("function") or {}).get("arguments")
            _require(isinstance(arguments, str | None), "arguments are text", fragment)


def _deltas(objects: Sequence[ChunkObject], index: int) -> list[dict[str, Any]]:
    return [choice["delta"] for item in objects for choice in item["choices"] if choice["index"] == index]


def _require(holds: bool, promise: str, found: object) -> None:
    if not holds:
        raise AssertionError(f"broken promise: {promise}; found {found!r}"[:2000])
