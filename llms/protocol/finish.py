"""What upstreams call the end of an answer, in OpenAI's five words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llms.protocol.chat import FINISH_REASONS

_ALIASES: Final[Mapping[str, str]] = {
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "completed": "stop",
    "complete": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "tool_call": "tool_calls",
    "safety": "content_filter",
    "recitation": "content_filter",
    "refusal": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
}
_FAILURES: Final = frozenset({"error", "abort", "aborted", "cancelled", "insufficient_system_resource"})
"""Ends that are none: taken for a finish reason they would hide a broken answer."""


def finish_reason(value: object) -> str | None:
    """Return one of OpenAI's five finish reasons for whatever an upstream calls it; None for none or a failure."""
    if not isinstance(value, str) or not value:
        return None
    if value in FINISH_REASONS:
        return value
    word = value.lower()
    return None if word in _FAILURES else _ALIASES.get(word, word if word in FINISH_REASONS else "stop")
