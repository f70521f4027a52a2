"""A whole message of an upstream, as a completion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llms.protocol import json
from llms.protocol.chat import CompletionObject
from llms.protocol.dialects.messages.details import detail_of
from llms.protocol.dialects.messages.words import FINISH_OF, tokens, usage_of

_HEAD = frozenset({"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage", "container"})


def completion_of(message: Mapping[str, Any], *, created: int) -> CompletionObject:
    """Return the completion that a message comes to; `created` is in Unix seconds, which messages do not tell."""
    blocks = [block for block in message["content"] if isinstance(block, dict)]
    texts = [block.get("text") or "" for block in blocks if block.get("type") == "text"]
    calls = [_call(block) for block in blocks if block.get("type") == "tool_use"]
    choice = {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": "".join(texts) if texts or not calls else None,
            **_reasoning(blocks),
            **({"tool_calls": calls} if calls else {}),
        },
        "finish_reason": FINISH_OF.get(message.get("stop_reason") or "", "stop"),
    }
    if message.get("stop_sequence"):
        choice["stop_reason"] = message["stop_sequence"]
    return {
        "id": message.get("id"),
        "object": "chat.completion",
        "created": created,
        "model": message.get("model"),
        "choices": [choice],
        "usage": told_tokens(message.get("usage") or {}),
        **{name: value for name, value in message.items() if name not in _HEAD},
    }


def told_tokens(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Return the usage object of a chat."""
    known = usage_of(usage)
    thought = tokens(usage.get("output_tokens_details"), "thinking_tokens")
    return {
        "prompt_tokens": known.prompt_tokens,
        "completion_tokens": known.completion_tokens,
        "total_tokens": known.prompt_tokens + known.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": known.cached_tokens, "cache_write_tokens": known.written_tokens},
        **({"completion_tokens_details": {"reasoning_tokens": thought}} if thought else {}),
    }


def _reasoning(blocks: list[dict[str, Any]]) -> dict[str, Any]:
    thoughts = [block for block in blocks if block.get("type") in ("thinking", "redacted_thinking")]
    if not thoughts:
        return {}
    text = "".join(block.get("thinking") or "" for block in thoughts)
    details = [detail_of(block, at) for at, block in enumerate(thoughts)]
    return {**({"reasoning_content": text} if text else {}), "reasoning_details": details}


def _call(block: Mapping[str, Any]) -> dict[str, Any]:
    arguments = json.dumps(block.get("input") or {}).decode()
    function = {"name": block.get("name") or "", "arguments": arguments}
    return {"id": block.get("id"), "type": "function", "function": function}
