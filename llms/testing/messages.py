"""Answers of an upstream that speaks Anthropic's Messages: events, whole messages, errors.

Source of the shapes: the API reference of Anthropic, "Messages", "Streaming Messages" and "Errors".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llms.testing import steps
from llms.testing.answers import MODEL, Answer, answer, body

STOP: Final = b'event: message_stop\ndata: {"type": "message_stop"}\n\n'
PING: Final = b'event: ping\ndata: {"type": "ping"}\n\n'
_FIELDS: Final = {"text": "text", "thinking": "thinking", "signature": "signature", "input_json": "partial_json"}


def event(kind: str, **fields: Any) -> bytes:
    """Return one event, named for its type."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, ensure_ascii=False)}\n\n".encode()


def message(
    content: Sequence[Mapping[str, Any]] = ({"type": "text", "text": "Hello world"},),
    *,
    stop: str | None = "end_turn",
    model: str = MODEL,
    usage: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a whole message."""
    return {
        "id": "msg_fake",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": dict(usage or {"input_tokens": 5, "cache_read_input_tokens": 2, "output_tokens": 5}),
    }


def start(*, tokens: int = 7, model: str = MODEL) -> bytes:
    """Return the event that begins a stream."""
    begun = message((), stop=None, model=model, usage={"input_tokens": tokens, "output_tokens": 1})
    return event("message_start", message=begun)


def delta(kind: str, text: str) -> dict[str, Any]:
    """Return a delta of `text`, `thinking`, `signature` or `input_json`."""
    return {"type": f"{kind}_delta", _FIELDS[kind]: text}


def block(at: int, begun: Mapping[str, Any], *deltas: Mapping[str, Any]) -> bytes:
    """Return the events of one block."""
    middle = b"".join(event("content_block_delta", index=at, delta=dict(each)) for each in deltas)
    begin = event("content_block_start", index=at, content_block=dict(begun))
    return begin + middle + event("content_block_stop", index=at)


def message_event(stop: str = "end_turn", *, tokens: int = 5, sequence: str | None = None) -> bytes:
    """Return the event with the stop reason and the tokens of the answer."""
    said = {"stop_reason": stop, "stop_sequence": sequence}
    return event("message_delta", delta=said, usage={"output_tokens": tokens})


def stream(*events: bytes) -> Answer:
    """Return a stream, one event a step."""
    frames = [frame + b"\n\n" for each in events for frame in each.split(b"\n\n") if frame]
    return answer(*map(steps.raw, frames))


def failure(status: int, kind: str, text: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Return a refusal in Anthropic's shape."""
    return body({"type": "error", "error": {"type": kind, "message": text}}, status=status, headers=headers)
