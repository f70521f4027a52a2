"""One upstream's way to stream, as data: what it sends, and what a client must be able to read out of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final


@final
@dataclass(frozen=True, slots=True)
class Transcript:
    """The body of one streamed answer and what it says, all of the first choice."""

    name: str
    source: str
    """Where the shape is documented, in words; text, ids and figures are made up here."""
    raw: bytes
    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[tuple[str, str], ...] = ()
    """Name and arguments of each call."""
    finish: str | None = "stop"
    """As clients must see it; None where the stream fails."""
    usage: tuple[int, int] | None = None
    """Prompt and completion tokens, where the upstream tells them."""

    def objects(self) -> list[dict[str, Any]]:
        """Return the JSON objects of its events, read in the plainest way there is."""
        text = self.raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        found = []
        for block in text.split("\n\n"):
            lines = [line.removeprefix("data:") for line in block.split("\n") if line.startswith("data:")]
            data = "\n".join(line.removeprefix(" ") for line in lines)
            if data and data != "[DONE]":
                found.append(json.loads(data))
        return found


def events(*objects: Mapping[str, Any], done: bool = True) -> bytes:
    """Return objects as events, with `[DONE]` at the end."""
    blocks = [json.dumps(item, ensure_ascii=False, separators=(",", ":")) for item in objects]
    return "".join(f"data: {block}\n\n" for block in [*blocks, *(["[DONE]"] if done else [])]).encode()


def one(
    head: Mapping[str, Any], delta: Mapping[str, Any] | None, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return a chunk with one choice; `more` are fields of the choice, whose finish_reason is null unless given."""
    choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": None, **(more or {})}
    return {**head, "choices": [choice]}


def usage(prompt: int, completion: int, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a usage object; `more` are further fields of it."""
    counted = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {**counted, **(more or {})}


def head(upstream_id: str, model: str, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the fields that every chunk of a stream shares; `more` are the upstream's own."""
    base = {"id": upstream_id, "object": "chat.completion.chunk", "created": 1_760_000_000, "model": model}
    return {**base, **(more or {})}
