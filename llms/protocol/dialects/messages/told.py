"""A whole answer of a chat, as a message."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from llms.protocol import json
from llms.protocol.chat import Completion, Usage
from llms.protocol.dialects.messages.details import UNSIGNED, blocks_in, thought_of
from llms.protocol.dialects.messages.telling import message_id, stop_reason, stop_sequence
from llms.protocol.dialects.messages.words import told_usage


def message_of(
    completion: Completion, usage: Usage | None, *, request_id: str, thinks: bool, stops: Collection[str]
) -> dict[str, Any]:
    """Return the message that a completion comes to."""
    choice = completion.object["choices"][0]
    message = choice["message"]
    calls = [_call(call) for call in message.get("tool_calls") or ()]
    text = message.get("content") or message.get("refusal")
    content = [
        *(_thinking(message) if thinks else []),
        *([{"type": "text", "text": text}] if text else []),
        *calls,
    ]
    sequence = stop_sequence(choice, stops)
    return {
        "id": message_id(request_id),
        "type": "message",
        "role": "assistant",
        "model": completion.object["model"],
        "content": content,
        "stop_reason": stop_reason(choice["finish_reason"], called=bool(calls), sequence=sequence),
        "stop_sequence": sequence,
        "usage": told_usage(usage),
    }


def _thinking(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the blocks that were signed; thinking that nobody signed stands in one of its own."""
    blocks = blocks_in(message.get("reasoning_details"))
    thought = thought_of(message)
    if thought and not any(block["type"] == "thinking" and block["thinking"] for block in blocks):
        return [{"type": "thinking", "thinking": thought, "signature": UNSIGNED}, *blocks]
    return blocks


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    try:
        found = json.loads(function["arguments"].encode("utf-8", "surrogatepass") or b"{}")
    except ValueError:
        found = None
    value = found if isinstance(found, dict) else {"arguments": function["arguments"]}
    return {"type": "tool_use", "id": call["id"], "name": function["name"], "input": value}
